"""What is shown of a message: decoded, bounded, and nothing in it that can do harm."""

from __future__ import annotations

from base64 import encodebytes

from hypothesis import given
from hypothesis import strategies as st

from appliance.ipc.search import MessagePreview
from appliance.mail.feed import Mail
from appliance.mail.visible import visible
from appliance.search.preview import preview
from appliance.search.text import MESSAGE_LIMIT


def shown(data: bytes, size: int | None = None) -> MessagePreview:
    whole = len(data) if size is None else size
    mail = Mail(
        queue_id="Q", sender="", recipients=(), received_at=0, size=whole, status=frozenset()
    )
    return preview(mail, data)


def mixed(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return (
        b"From: =?utf-8?Q?Zo=C3=AB?= <zoe@site.test>\r\nTo: a@x.test,\r\n b@x.test\r\n"
        b"Subject: =?iso-8859-1?Q?Gr=FC=DFe?= \x1b[31m\r\nDate: today\r\n"
        b"Content-Type: multipart/" + kind + b"; boundary=b\r\n\r\n" + body + b"--b--\r\n"
    )


TEXT = b"Content-Type: text/plain; charset=utf-8\r\n\r\nSpring tide\r\n\r\n\r\n\r\nat nine"
HTML = (
    b"Content-Type: text/html\r\n\r\n<script>alert(1)</script >"
    b"<p>Spring <b>tide</b></p><p>at ten</p>"
)


def test_header_text_and_attachments() -> None:
    pdf = (
        b'Content-Type: application/pdf; name="=?utf-8?Q?t=C3=ADde.pdf?="\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n" + encodebytes(bytes(1000))
    )
    it = shown(mixed(TEXT, pdf))
    assert (it.sender, it.to, it.cc) == ("Zoë <zoe@site.test>", "a@x.test, b@x.test", "")
    assert (it.subject, it.date) == ("Grüße \\x1b[31m", "today")
    assert it.text == "Spring tide\n\nat nine"
    ((name, kind, size),) = ((one.name, one.type, one.size) for one in it.attachments)
    assert (name, kind, size) == ("tíde.pdf", "application/pdf", 1000)
    assert it.complete


def test_html_is_text_in_lines_and_shown_only_where_no_plain_text_says_it() -> None:
    assert shown(mixed(HTML)).text == "Spring tide\nat ten"
    assert shown(mixed(TEXT, HTML, kind=b"alternative")).text == "Spring tide\n\nat nine"
    empty = b"Content-Type: text/plain\r\n\r\n  \r\n"
    assert shown(mixed(empty, HTML, kind=b"alternative")).text.strip() == "Spring tide\nat ten"
    assert shown(mixed(TEXT, HTML)).text.endswith("at ten")


def test_what_was_not_looked_at_is_said() -> None:
    large = b"Content-Type: video/mp4; name=a.mp4\r\n\r\n" + bytes(3_000_000)
    it = shown(mixed(TEXT, large))
    assert not it.complete
    assert [(one.name, one.size) for one in it.attachments] == [("a.mp4", None)]
    long = shown(b"Subject: x\r\n\r\n" + b"tide tables\r\n" * 100_000)
    assert not long.complete
    assert len(long.text) <= 128 * 1024


@given(
    st.binary(max_size=3000)
    | st.lists(st.binary(max_size=300), max_size=5).map(lambda p: mixed(*p))
)
def test_nothing_that_comes_out_can_do_harm(data: bytes) -> None:
    it = shown(data)
    names = [text for one in it.attachments for text in (one.name, one.type)]
    for text in (it.sender, it.to, it.cc, it.subject, it.date, *names, *it.text.split("\n")):
        assert text == visible(text, 10_000)


def test_the_worst_that_fits_takes_bounded_work() -> None:
    """Without the limits each of these would take minutes; the run's own timeout tells."""
    for data in (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * 300_000,
        b"Content-Type: text/html\r\n\r\n" + b"<" * MESSAGE_LIMIT,
        b"Content-Type: text/html\r\n\r\n" + b"<a " * (MESSAGE_LIMIT // 3),
        b"Content-Type: text/html\r\n\r\n" + b"<br" * (MESSAGE_LIMIT // 3),
        b"Subject: " + b"=?utf-8?q?a?= " * 100_000 + b"\r\n\r\n",
        b"\r\n" + b"\x00\n" * (MESSAGE_LIMIT // 2),
    ):
        assert len(shown(data).text) <= 128 * 1024
