"""Every trick by which an address was ever made to go further than it seems: none is relayed.

The site is as inviting as one can be: everything that is not its own has a route, and one of its
own domains has its users behind a next hop that might follow hints in local parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from appliance.config.policy import PolicySettings
from appliance.mail.route import Mailbox, NextHop, Routes, Smtp
from appliance.smtpd.policy import Policy
from tests.dialogue.served import Client, serving
from tests.dialogue.test_policy import guarded

FAR = Smtp((NextHop("127.0.0.9"),))
ROUTES = Routes(
    ["site.test", "branch.test", "münchen.test"],
    {"ann@site.test": "ann"},
    "postmaster",
    {"*": FAR, "branch.test": FAR, ".test": FAR},
)
SENDERS = (
    "",
    "a@far.test",
    "ann@site.test",
    "postmaster@site.test",
    "a%far.test@site.test",
    '"a@far.test"@site.test',
)
FORWARD = (
    # plain, and in disguise
    "<a@far.test>",
    "<A@FAR.TEST>",
    "<a@far.test.>",
    "<ann@site.test.far.test>",
    "<ann@below.site.test>",
    "<ann@site.testfar.test>",
    "<postmaster@far.test>",
    "<abuse@far.test>",
    "<a@localhost>",
    "<a@test>",
    # address literals
    "<a@[127.0.0.1]>",
    "<a@[127.0.0.9]>",
    "<a@[IPv6:::1]>",
    "<a@[ipv6:::ffff:127.0.0.9]>",
    "<a@[site.test]>",
    # percent hack and bang paths
    "<a%far.test@site.test>",
    "<a%far.test%site.test>",
    "<a%far.test@branch.test>",
    "<a%far.test@[127.0.0.1]>",
    "<postmaster%far.test@site.test>",
    "<far.test!a@site.test>",
    "<site.test!far.test!a>",
    "<far.test!a@branch.test>",
    "<far.test!a>",
    "<a%far.test>",
    # quoted local parts
    '<"a@far.test">',
    '<"a@far.test"@site.test>',
    '<"a@far.test"@branch.test>',
    '<"a\\@far.test"@branch.test>',
    '<"a%far.test"@branch.test>',
    '<"far.test!a"@branch.test>',
    '<"a"@far.test>',
    '<"ann@site.test"@far.test>',
    '<"ann@site.test>"@far.test>',
    # source routes
    "<@site.test:a@far.test>",
    "<@site.test,@branch.test:a@far.test>",
    "<@far.test:a%far.test@branch.test>",
    "<@site.test:far.test!a@branch.test>",
    "<@[127.0.0.1]:a@far.test>",
    # more than one at sign, brackets, separators, comments, spaces
    "<ann@site.test@far.test>",
    "<a@far.test@site.test>",
    "<@far.test@site.test>",
    "<ann@site.test><a@far.test>",
    "<ann@site.test>,<a@far.test>",
    "<a@far.test,ann@site.test>",
    "<a@far.test>ann@site.test",
    "<ann(a@far.test)@far.test>",
    "<a@far.test(site.test)>",
    "<a@far.test site.test>",
    "<a@far.test\t@site.test>",
    "<a@far.test#site.test>",
    "<a@far.test;ann@site.test>",
    "<a@far.test/site.test>",
    "a@far.test",
    "<a@far.test",
    # UTF-8: other dots, other at signs, letters that look alike
    "<a@far.test> SMTPUTF8",
    "<ann@sıte.test>",
    "<ann@sіte.test>",
    "<ann@site。test>",
    "<ann@far。test>",
    "<a＠far.test@site.test>",
    "<a＠far.test>",
    "<a@fär.test>",
    "<ann@site.te\u00adst>",
    "<a％far.test@far.test>",
    # nobody
    "<>",
    "<@>",
    "<@site.test>",
    "<a@>",
    "<>@far.test",
)
LOCAL = {
    "<ann@site.test>": "ann@site.test",
    "<ANN@SITE.TEST>": "ANN@SITE.TEST",
    '<"ann"@site.test>': '"ann"@site.test',
    "<@far.test:ann@site.test>": "ann@site.test",
    "<@far.test,@[127.0.0.9]:ann@site.test>": "ann@site.test",
    "<postmaster>": "postmaster",
    "<POSTMASTER>": "POSTMASTER",
    "<postmaster@MÜNCHEN.test>": "postmaster@MÜNCHEN.test",
    "<postmaster@xn--mnchen-3ya.test>": "postmaster@xn--mnchen-3ya.test",
    "<a@branch.test>": "a@branch.test",
    "<ann@site.test> ORCPT=rfc822;a@far.test": "ann@site.test",
}


def taken(client: Client, sender: str, paths: Sequence[str]) -> list[str]:
    """Those of `paths` that got 250."""
    client.send(f"MAIL FROM:<{sender}> SMTPUTF8\r\n".encode())
    assert client.reply().startswith("250 ")
    accepted = []
    for path in paths:
        client.send(f"RCPT TO:{path}\r\n".encode())
        reply = client.reply()
        if reply.startswith("250"):
            accepted.append(path)
        elif reply.startswith("421 "):
            raise AssertionError("sent away before everything was tried")
    client.ask("RSET")
    return accepted


@pytest.mark.parametrize("restricted", [False, True])
def test_nothing_is_relayed_for_strangers(restricted: bool) -> None:
    guard = guarded(PolicySettings()) if restricted else None
    with serving(guard=guard) as served:
        served.configure_policy(Policy(ROUTES))
        for sender in SENDERS:
            for start in range(0, len(FORWARD), 15):  # 20 errors end a connection
                with served.client() as client:
                    client.greet()
                    assert taken(client, sender, FORWARD[start : start + 15]) == []
        assert not served.intake.taken


def test_what_is_the_sites_own_gets_in_as_what_it_is() -> None:
    with serving() as served, served.client() as client:
        served.configure_policy(Policy(ROUTES))
        client.greet()
        assert taken(client, "a@far.test", list(LOCAL)) == list(LOCAL)
        for path in LOCAL:
            client.send(f"MAIL FROM:<> SMTPUTF8\r\nRCPT TO:{path}\r\n".encode())
            assert [client.reply()[:3] for _ in range(2)] == ["250", "250"]
            assert client.data(b"x\r\n").startswith("250 ")
        told = [one.envelope.recipients[0].address for one in served.intake.taken]
    assert told == list(LOCAL.values())
    for address in told:
        assert ROUTES.resolve(address).transport == FAR or isinstance(
            ROUTES.resolve(address).transport, Mailbox
        )
        assert not any(mark in address.rpartition("@")[0] for mark in "%!@:")


def test_an_address_is_never_two_commands() -> None:
    with serving() as served, served.client() as client:
        served.configure_policy(Policy(ROUTES))
        client.greet()
        client.ask("MAIL FROM:<a@far.test>")
        for trick in (b"<ann@site.test\rRCPT TO:<a@far.test>", b"<ann@site.test\0@far.test>"):
            client.send(b"RCPT TO:" + trick + b"\r\n")
            assert client.reply()[0] == "5"
        client.send(b"RCPT TO:<ann@site.test>\nRCPT TO:<a@far.test>\r\n")
        assert client.reply()[0] in "45"
        assert client.reply() == ""
        assert not served.intake.taken
