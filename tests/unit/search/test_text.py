"""Text out of messages: as people read it, whatever they were sent as, and never an exception."""

from __future__ import annotations

import base64
import quopri

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.search.html import html_text
from appliance.search.mime import parse
from appliance.search.text import MESSAGE_LIMIT, extract
from appliance.search.words import fold, spans, words


def message(*lines: str | bytes) -> bytes:
    return b"\r\n".join(one.encode() if isinstance(one, str) else one for one in lines)


def test_header_fields_are_decoded() -> None:
    text = extract(
        message(
            "From: =?iso-8859-1?Q?Andr=E9?= Pirard <PIRARD@site.test>",
            "To: =?utf-8?B?WsO2w6s=?=",
            " =?utf-8?Q?_two?= <zoe@site.test>, b@site.test",
            "Subject: =?US-ASCII*EN?Q?Keith_?= =?utf-8?q?Moore?= folded",
            "\tover lines",
            "Message-ID: <1@site.test>",
            "",
            "body",
        )
    )
    assert text.senders == "André Pirard <PIRARD@site.test>"
    assert text.recipients == "Zöë two <zoe@site.test>, b@site.test"
    assert text.subject == "Keith Moore folded over lines"
    assert text.from_addresses == ("pirard@site.test",)
    assert text.to_addresses == ("zoe@site.test", "b@site.test")
    assert text.message_id == "1@site.test"
    assert text.body == "body"


@pytest.mark.parametrize(
    "charset, raw",
    [
        ("utf-8", "grün".encode()),
        ("", "grün".encode()),
        ("iso-8859-1", "grün".encode("latin-1")),
        ("x-unknown", "grün".encode("latin-1")),
        ("hex", "grün".encode()),
        ("idna", "grün".encode()),
        ("utf-16", "grün".encode("utf-16")),
        ("us-ascii", "grün".encode()),
    ],
)
@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable", "rot13"])
def test_bodies_are_decoded(charset: str, raw: bytes, encoding: str) -> None:
    if encoding == "base64":
        raw = base64.encodebytes(raw)
    elif encoding == "quoted-printable":
        raw = quopri.encodestring(raw)
    kind = f"Content-Type: text/plain; charset={charset}"
    text = extract(message(kind, f"Content-Transfer-Encoding: {encoding}", "", raw))
    assert text.body.strip() == "grün"


def test_parts_attachments_and_messages_within() -> None:
    text = extract(
        message(
            'Content-Type: multipart/mixed; boundary="a b"',
            "",
            "to be ignored",
            "--a b",
            "Content-Type: multipart/alternative; boundary=inner",
            "",
            "--inner",
            "",
            "plain part",
            "--inner",
            "Content-Type: text/html",
            "",
            "<p>html<b>part</b></p>",
            "--inner--",
            "--a b",
            "Content-Type: application/pdf; name*=utf-8''r%C3%A9sum%C3%A9.pdf",
            "Content-Transfer-Encoding: base64",
            "",
            "c2VjcmV0",
            "--a b",
            "Content-Type: image/png",
            'Content-Disposition: attachment; filename*0="very lo"; filename*1="ng.png"',
            "",
            "--a b",
            "Content-Type: message/rfc822",
            "",
            "Subject: within",
            "",
            "inner body",
            "--a b--",
            "behind the end",
        )
    )
    assert words(text.body) == ["plain", "part", "htmlpart", "within", "inner", "body"]
    assert text.attachments.split("\n") == ["résumé.pdf", "very long.png"]


@pytest.mark.parametrize(
    "raw, found",
    [
        (b"no header at all", "no header at all"),
        (b"\r\n\r\njust a body", "just a body"),
        (b"Subject: x\nbare: line ends\n\nbody", "body"),
        (b"Content-Type: multipart/mixed\r\n\r\nno boundary", "no boundary"),
        (b"Content-Type: multipart/mixed; boundary=x\r\n\r\nnever used", "never used"),
        (b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\ncut off", "cut off"),
        (b"Content-Type: nonsense\r\n\r\nbody", "body"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nYm9keQ=\xff=\r\ndHdv!", "body"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nYm9keSBhbmQ", "body"),
        (b"Content-Type: text/plain; charset\r\n\r\nbody", "body"),
        (b"Subject: =?utf-8?B?!!!?=\r\n\r\nbody", "body"),
    ],
)
def test_broken_mail_is_still_found(raw: bytes, found: str) -> None:
    assert set(words(found)) <= set(words(extract(raw).body))


HEADERS = (
    b"Content-Type: ", b"multipart/mixed; boundary=", b"text/html; charset=", b"utf-16", b"x",
    b"Content-Transfer-Encoding: ", b"base64", b"quoted-printable", b"--x", b"--x--", b"\r\n",
    b"\n", b"=?utf-8?B?", b"?=", b"<!--", b"<script", b"message/rfc822", b"filename*0*=", b"=",
    b"\x00", b"\xff\xfe", b"Subject: ", b"&#", b"&#x110000;", b'"', b"\\", b"''",
)  # fmt: skip


@given(st.lists(st.sampled_from(HEADERS) | st.binary(max_size=8), max_size=60).map(b"".join))
@example(b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n" * 1000)
def test_no_message_is_too_strange(raw: bytes) -> None:
    text = extract(raw)
    for told in (text.subject, text.senders, text.recipients, text.attachments, text.body):
        for word in words(told):
            word.encode()


def nested(depth: int) -> bytes:
    body = b"innermost"
    for level in range(depth):
        boundary = f"b{level}".encode()
        head = b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n"
        body = head + b"--" + boundary + b"\r\n" + body + b"\r\n--" + boundary + b"--\r\n"
    return body


@pytest.mark.parametrize(
    "bomb",
    [
        nested(500),
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\nbody\r\n" * 100_000,
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"\n--xy" * 500_000,
        b"Subject: " + b"=?a?b?" * 500_000,
        b"".join(b"X%d: y\r\n" % one for one in range(200_000)),
        b"Content-Type: text/html\r\n\r\n" + b"<!--" * 500_000,
        b"Content-Type: text/html\r\n\r\n" + b"<a " * 700_000,
        b"Content-Type: a" + b';a="' * 100_000 + b"\r\n\r\n",
        b"From: " + b"a" * 1_000_000 + b"@\r\n\r\n",
        b"\r\n\r\n" + b"word " * 2_000_000,
    ],
    ids=["nested", "parts", "false", "words", "fields", "comments", "tags", "quotes", "at", "long"],
)
def test_work_is_bounded(bomb: bytes) -> None:
    """What takes longer than linear time would not end here within the patience of anybody."""
    text = extract(bomb)
    assert len(text.body) <= 1 << 20
    assert len(parse(bomb).parts) <= 200


def test_what_lies_behind_the_limit_is_not_looked_at() -> None:
    text = extract(b"Subject: x\r\n\r\n" + b"a " * (MESSAGE_LIMIT // 2) + b"needle")
    assert not text.complete
    assert "needle" not in text.body


@pytest.mark.parametrize(
    "source, seen",
    [
        ("<p>one</p>two", "one two"),
        ("wo<b>r</b>d", "word"),
        ("a<br/>b&nbsp;c &lt;d&gt;", "a b c d"),
        ("<style>x</style>y<script>if (a<b) z</script>", "y"),
        ("<STYLE type=x>a</STYLE >b", "b"),
        ("<!-- hidden --> shown <!-- cut", "shown"),
        ("1 < 2 and 3 > 2", "1 2 and 3 2"),
        ("<a href='http://x.test'>link</a>ed", "linked"),
        ("&#1234567890; &bogus;", "bogus"),
        ("İ<!-- x -->y", "i y"),
        ("<p unclosed", ""),
    ],
)
def test_html_is_what_a_reader_sees(source: str, seen: str) -> None:
    assert words(html_text(source)) == seen.split()


@pytest.mark.parametrize(
    "text, found",
    [
        ("Müller's CAFÉ", "muller s cafe"),
        ("foo_bar-baz.txt", "foo bar baz txt"),
        ("ﬁne ½", "fine 1 2"),
        ("Straße", "strasse"),
        ("日本語 text", "日 本 語 text"),
        ("привет Мир", "привет мир"),
        ("x" * 100, "x" * 64),
        ("don't", "don t"),
        ("", ""),
    ],
)
def test_words(text: str, found: str) -> None:
    assert words(text) == found.split()


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    for word in words(text):
        assert words(word) == [word]
        assert fold(word) == word


@given(st.text())
def test_every_span_shows_a_word_that_was_indexed(text: str) -> None:
    known = set(words(text))
    for start, end, word in spans(text):
        assert words(text[start:end])[0] == word
        assert word in known
