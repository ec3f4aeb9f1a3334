"""What a next hop without this or that extension is told, and what goes back to the sender."""

from __future__ import annotations

import pytest

from appliance.delivery.content import Content
from appliance.delivery.extensions import Peer, Plan, plan
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.reply import Reply
from appliance.mail.work import LeasedRecipient
from tests.support.work import MemoryWork, message

ALL = Peer(pipelining=True, size=10_000_000, eight_bit=True, smtputf8=True, dsn=True)
NONE = Peer()
ASCII = message("ascii", 2000)
EIGHT_BIT = message("eight", 2000, "Grüße".encode())
UTF8_HEADER = "Subject: Grüße\r\n\r\nx\r\n".encode()


def planned(
    peer: Peer,
    content: bytes = ASCII,
    sender: str = "a@from.test",
    recipients: tuple[str | Recipient, ...] = ("b@to.test",),
    redirected: str | None = None,
    **parameters: object,
) -> Plan:
    paths = tuple(Recipient(r) if isinstance(r, str) else r for r in recipients)
    envelope = Envelope(sender, paths, **parameters)  # type: ignore[arg-type]
    work = MemoryWork()
    queue_id = work.add(content, envelope)
    leased = [LeasedRecipient(i, redirected or r.address, 0) for i, r in enumerate(paths)]
    return plan(peer, envelope, leased, Content(work.content, queue_id), len(content))


def test_ehlo() -> None:
    offered = {"pipelining": "", "size": "1000", "8bitmime": "", "smtputf8": "", "dsn": ""}
    assert Peer.offering(offered) == Peer(True, 1000, True, True, True)
    assert Peer.offering({}) == NONE
    assert [Peer.offering({"size": s}).size for s in ("", "0", "-1", "x", "٣", "9" * 30)] == [0] * 6


def test_plain() -> None:
    said = planned(NONE)
    assert (said.mail, said.recipients) == (
        b"MAIL FROM:<a@from.test>\r\n",
        (b"RCPT TO:<b@to.test>\r\n",),
    )
    assert planned(NONE, sender="").mail == b"MAIL FROM:<>\r\n"
    assert planned(ALL).mail == f"MAIL FROM:<a@from.test> SIZE={len(ASCII)}\r\n".encode()


def test_size() -> None:
    assert planned(Peer(size=0)).mail.endswith(f" SIZE={len(ASCII)}\r\n".encode())
    (refused,) = planned(Peer(size=len(ASCII) - 1)).recipients
    assert isinstance(refused, Reply)
    assert (refused.code, refused.enhanced) == (552, "5.3.4")
    assert isinstance(planned(Peer(size=len(ASCII))).recipients[0], bytes)


@pytest.mark.parametrize("large", [0, 300_000])
@pytest.mark.parametrize("declared", [None, "8BITMIME", "7BIT"])
def test_eight_bit(declared: str | None, large: int) -> None:
    eight_bit = message("eight", max(large, 2000), "Grüße".encode())
    # RFC 6152 §3: never to a server without the extension, whatever was declared.
    (refused,) = planned(NONE, eight_bit, body=declared).recipients
    assert isinstance(refused, Reply)
    assert refused.enhanced == "5.6.3"
    said = planned(Peer(eight_bit=True), eight_bit, body=declared)
    assert (b"BODY=8BITMIME" in said.mail) is (not large or declared != "7BIT")


@pytest.mark.parametrize("declared", [None, "8BITMIME", "7BIT"])
def test_seven_bit_content_goes_anywhere(declared: str | None) -> None:
    for size in (2000, 300_000):
        said = planned(NONE, message("seven", size), body=declared)
        assert isinstance(said.recipients[0], bytes)
    assert b"BODY" not in planned(Peer(eight_bit=True), body=declared).mail


UTF8 = Peer(eight_bit=True, smtputf8=True)
EIGHT = Peer(eight_bit=True)


def test_smtputf8() -> None:
    said = planned(UTF8, sender="ä@from.test", recipients=("ü@to.test",), smtputf8=True)
    assert said.mail == "MAIL FROM:<ä@from.test> SMTPUTF8\r\n".encode()
    assert said.recipients == ("RCPT TO:<ü@to.test>\r\n".encode(),)
    assert b"SMTPUTF8" in planned(UTF8, UTF8_HEADER, smtputf8=True).mail
    assert b"SMTPUTF8" in planned(UTF8, redirected="ü@to.test").mail
    assert b"SMTPUTF8" not in planned(UTF8).mail


@pytest.mark.parametrize(
    "content,sender,smtputf8",
    [(ASCII, "ä@from.test", True), (UTF8_HEADER, "a@from.test", True), (ASCII, "ä@b.test", False)],
)
def test_no_smtputf8_where_it_is_needed(content: bytes, sender: str, smtputf8: bool) -> None:
    said = planned(EIGHT, content, sender, smtputf8=smtputf8)
    assert [r.enhanced for r in said.recipients if isinstance(r, Reply)] == ["5.6.7"]


def test_smtputf8_that_was_declared_but_is_not_needed() -> None:
    said = planned(EIGHT, EIGHT_BIT, smtputf8=True, recipients=("b@to.test", "ü@to.test"))
    assert said.mail == b"MAIL FROM:<a@from.test> BODY=8BITMIME\r\n"
    assert isinstance(said.recipients[0], bytes)
    assert isinstance(said.recipients[1], Reply)


def test_utf8_header_without_the_declaration_is_just_eight_bit() -> None:
    assert isinstance(planned(EIGHT, UTF8_HEADER).recipients[0], bytes)


def test_dsn_parameters_are_carried_on_verbatim_where_dsn_is_spoken() -> None:
    recipients = (
        Recipient("b@to.test", ("SUCCESS", "DELAY"), "rfc822;B+2BX@To.test"),
        Recipient("c@to.test", ("NEVER",)),
        Recipient("d@to.test"),
    )
    said = planned(ALL, recipients=recipients, ret="HDRS", envid="Q+3D1")
    assert said.mail.endswith(b" RET=HDRS ENVID=Q+3D1\r\n")
    assert said.recipients == (
        b"RCPT TO:<b@to.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;B+2BX@To.test\r\n",
        b"RCPT TO:<c@to.test> NOTIFY=NEVER\r\n",
        b"RCPT TO:<d@to.test>\r\n",
    )
    silent = planned(EIGHT, recipients=recipients, ret="HDRS", envid="Q+3D1")
    assert b"=" not in silent.mail + b"".join(r for r in silent.recipients if isinstance(r, bytes))


def test_a_redirected_recipient_is_known_by_its_first_address() -> None:
    said = planned(ALL, redirected="new@other.test", recipients=("o+d@to.test",))
    assert said.recipients == (b"RCPT TO:<new@other.test> ORCPT=rfc822;o+2Bd@to.test\r\n",)


def test_no_address_becomes_a_command() -> None:
    evil = "b@to.test>\r\nMAIL FROM:<evil@x"
    for said in (planned(ALL, sender=evil), planned(ALL, recipients=(evil,))):
        assert isinstance(said.recipients[0], Reply)
    parameters = planned(
        ALL, envid="x\r\nRSET", recipients=(Recipient("b@to.test", (), "x\nQUIT"),)
    )
    assert parameters.mail.count(b"\n") == 1
    assert all(r.count(b"\n") == 1 for r in parameters.recipients if isinstance(r, bytes))
