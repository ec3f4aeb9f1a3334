"""ESMTP parameters: values kept as given, anything unclear refused with the right code."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.mail import parameters, xtext
from appliance.mail.envelope import Recipient
from appliance.mail.parameters import MailParameters
from appliance.mail.reply import Refused

MAIL = [
    ("<a@b.c>", "a@b.c", MailParameters()),
    ("<>", "", MailParameters()),
    ("<> RET=HDRS", "", MailParameters(ret="HDRS")),
    ("<a@b.c> SIZE=4096 BODY=8BITMIME", "a@b.c", MailParameters(4096, "8BITMIME")),
    ("<a@b.c>  size=0  body=7bit ", "a@b.c", MailParameters(0, "7BIT")),
    ("<a@b.c> SIZE=" + "9" * 20, "a@b.c", MailParameters(int("9" * 20))),
    (
        "<a@b.c> ret=full EnvId=QQ314+2B159",
        "a@b.c",
        MailParameters(ret="FULL", envid="QQ314+2B159"),
    ),
    ("<a@b.c> ENVID=" + "x" * 100, "a@b.c", MailParameters(envid="x" * 100)),
    ("<a@b.c> AUTH=<>", "a@b.c", MailParameters()),
    ("<a@b.c> AUTH=e+3Dmc2@example.com", "a@b.c", MailParameters()),
    ("<é@b.c> SMTPUTF8", "é@b.c", MailParameters(smtputf8=True)),
    ("<a@b.c> smtputf8 SIZE=1", "a@b.c", MailParameters(1, smtputf8=True)),
]

BAD_MAIL = [
    ("SIZE", 501),
    ("SIZE=", 501),
    ("SIZE=-1", 501),
    ("SIZE=1x", 501),
    ("SIZE=٣", 501),
    ("SIZE=" + "9" * 21, 501),
    ("SIZE=1 size=1", 501),
    ("BODY", 501),
    ("BODY=BINARYMIME", 501),
    ("BODY=8BITMİME", 501),
    ("SMTPUTF8=yes", 501),
    ("SMTPUTF8=", 501),
    ("SMTPUTF8 SMTPUTF8", 501),
    ("RET=ALL", 501),
    ("RET", 501),
    ("ENVID=", 501),
    ("ENVID=a+0D+0A", 501),  # would be a line break in the DSN
    ("ENVID=a+0a", 501),
    ("ENVID=a+", 501),
    ("ENVID=a=b", 501),
    ("ENVID=é", 501),
    ("ENVID=" + "x" * 101, 501),
    ("AUTH", 501),
    ("AUTH=a=b", 501),
    ("AUTH=\x01", 501),
    ("FOO=1", 555),
    ("=1", 555),
    ("NOTIFY=NEVER", 555),
    ("SIZE=1\tBODY=7BIT", 501),
    ("\r\nSIZE=1", 555),
    ("\udc80", 555),
]

RCPT = [
    ("<a@b.c>", Recipient("a@b.c")),
    ("<Postmaster>", Recipient("Postmaster")),
    ("<a@b.c> notify=Never", Recipient("a@b.c", ("NEVER",))),
    (
        "<a@b.c> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;Bob+2Btag@B.c",
        Recipient("a@b.c", ("SUCCESS", "FAILURE", "DELAY"), "rfc822;Bob+2Btag@B.c"),
    ),
    ("<a@b.c> NOTIFY=DELAY,DELAY", Recipient("a@b.c", ("DELAY",))),
    ("<a@b.c> ORCPT=rfc822;" + "x" * 493, Recipient("a@b.c", (), "rfc822;" + "x" * 493)),
    ("<a@b.c> ORCPT=x400;/c+3Dde/", Recipient("a@b.c", (), "x400;/c+3Dde/")),
    ("<a@b.c> ORCPT=UTF-8;j\\x{F6}rg@b.c", Recipient("a@b.c", (), "UTF-8;j\\x{F6}rg@b.c")),
]

BAD_RCPT = [
    ("NOTIFY", 501),
    ("NOTIFY=", 501),
    ("NOTIFY=,", 501),
    ("NOTIFY=NEVER,DELAY", 501),
    ("NOTIFY=ALWAYS", 501),
    ("NOTIFY=DELAY NOTIFY=DELAY", 501),
    ("ORCPT", 501),
    ("ORCPT=a@b.c", 501),
    ("ORCPT=rfc822;", 501),
    ("ORCPT=;a@b.c", 501),
    ("ORCPT=rfc_822;a@b.c", 501),
    ("ORCPT=rfc 822;a@b.c", 555),
    ("ORCPT=rfc822;a+tag@b.c", 501),
    ("ORCPT=rfc822;a+0Ab@b.c", 501),
    ("ORCPT=utf-8;j\\x{D800}rg@b.c", 501),
    ("ORCPT=utf-8;j\\x{110000}rg@b.c", 501),
    ("ORCPT=utf-8;j\\x{0A}rg@b.c", 501),
    ("ORCPT=utf-8;j\\rg@b.c", 501),
    ("ORCPT=utf-8;jörg@b.c", 501),  # MAIL FROM did not say SMTPUTF8
    ("ORCPT=rfc822;" + "x" * 494, 501),
    ("SIZE=1", 555),
    ("FOO", 555),
]


@pytest.mark.parametrize("argument, path, expected", MAIL)
def test_mail(argument: str, path: str, expected: MailParameters) -> None:
    assert parameters.mail_from(argument) == (path, expected)


@pytest.mark.parametrize("rest, code", BAD_MAIL)
def test_bad_mail(rest: str, code: int) -> None:
    with pytest.raises(Refused) as refused:
        parameters.mail_from(f"<a@b.c> {rest}")
    assert (refused.value.reply.code, refused.value.reply.enhanced) == (code, "5.5.4")


@pytest.mark.parametrize("argument, expected", RCPT)
def test_rcpt(argument: str, expected: Recipient) -> None:
    assert parameters.rcpt_to(argument, False) == expected


@pytest.mark.parametrize("rest, code", BAD_RCPT)
def test_bad_rcpt(rest: str, code: int) -> None:
    with pytest.raises(Refused) as refused:
        parameters.rcpt_to(f"<a@b.c> {rest}", False)
    assert (refused.value.reply.code, refused.value.reply.enhanced) == (code, "5.5.4")


def test_paths_keep_the_status_of_their_command() -> None:
    with pytest.raises(Refused) as refused:
        parameters.mail_from("<é@b.c> SIZE=1")
    assert refused.value.reply.code == 553
    with pytest.raises(Refused) as refused:
        parameters.mail_from("<a@b@c>")
    assert refused.value.reply.enhanced == "5.1.7"
    with pytest.raises(Refused) as refused:
        parameters.rcpt_to("<>", False)
    assert refused.value.reply.enhanced == "5.1.3"


def test_unencoded_orcpt_where_smtputf8_is_spoken() -> None:
    recipient = parameters.rcpt_to("<jörg@b.c> ORCPT=utf-8;jörg@b.c", True)
    assert recipient == Recipient("jörg@b.c", (), "utf-8;jörg@b.c")
    for value in ("utf-8;j\u202erg@b.c", "utf-8;j\udc80rg@b.c", "rfc822;jörg@b.c"):
        with pytest.raises(Refused):
            parameters.rcpt_to(f"<jörg@b.c> ORCPT={value}", True)


def test_xtext_of_the_rfc() -> None:
    assert xtext.encode("Bob+tag=x y@b.c") == "Bob+2Btag+3Dx+20y@b.c"
    assert xtext.decode("Bob+2Btag+3Dx+20y@b.c") == "Bob+tag=x y@b.c"


@pytest.mark.parametrize("value", ["+", "+2", "+2b", "+GG", "a b", "a=b", "é", "+FF", "\n"])
def test_no_xtext(value: str) -> None:
    with pytest.raises(ValueError, match=r"xtext|decode"):
        xtext.decode(value)


@given(st.text())
def test_xtext_decodes_to_what_was_encoded(text: str) -> None:
    encoded = xtext.encode(text)
    assert encoded.isascii()
    assert not set(encoded) & set(" =\r\n")
    assert xtext.decode(encoded) == text


@given(st.text(), st.booleans())
def test_utf8_addresses_decode_to_what_was_encoded(address: str, ascii_only: bool) -> None:
    encoded = xtext.encode_utf8_address(address, ascii_only)
    assert not set(encoded) & set(" =+\r\n")
    assert encoded.isascii() or not ascii_only
    assert xtext.decode_utf8_address(encoded) == address


@given(st.text("SIZEsizeBODY=;, +0AéNOTIFRC<>\\x{}\r\n\t", max_size=40))
def test_any_text_is_read_or_refused(rest: str) -> None:
    reads: list[Callable[[], object]] = [
        lambda: parameters.mail_from(f"<a@b.c> {rest}"),
        lambda: parameters.rcpt_to(f"<a@b.c> {rest}", True),
    ]
    for refused in filter(None, map(refusal, reads)):
        assert refused.reply.code in (501, 555)
        assert str(refused).isprintable()


def refusal(read: Callable[[], object]) -> Refused | None:
    try:
        read()
    except Refused as refused:
        return refused
    return None
