"""Restrictions: which one decides, about whom, and that none of them lets anybody relay."""

from __future__ import annotations

import pytest

from appliance.mail.networks import Networks
from appliance.mail.patterns import Patterns
from appliance.mail.restrictions import (
    Action,
    Attempt,
    Checks,
    Reason,
    Restrictions,
    Rule,
)

ALL = Checks(
    invalid_helo=True,
    non_fqdn_helo=True,
    own_helo=True,
    non_fqdn_sender=True,
    own_sender=True,
    unlisted_sender=True,
    non_fqdn_recipient=True,
)


def restrictions(
    checks: Checks = ALL, *rules: Rule, denied: str = "", allowed: str = ""
) -> Restrictions:
    return Restrictions(
        checks,
        rules,
        Networks([denied] if denied else []),
        Networks([allowed] if allowed else []),
        ["site.test", "münchen.test"],
        ["node.site.test"],
        lambda address: not address.startswith("nobody@"),
    )


def said(
    made: Restrictions,
    helo: str = "client.test",
    sender: str = "sender@example.org",
    recipient: str = "ann@site.test",
    client: str = "192.0.2.1",
    user: str = "",
    stranger: bool = True,
) -> str:
    """The enhanced status of the refusal, the name of another action, "" if nothing is said."""
    decision = made.decide(Attempt(client, helo, sender, user, stranger), recipient)
    if decision is None:
        return ""
    return decision.reply.enhanced if decision.reply else str(decision.action)


@pytest.mark.parametrize(
    "helo, reply",
    [
        ("client.test", ""),
        ("client.test.", ""),
        ("under_score.test", ""),
        ("[192.0.2.1]", ""),
        ("[IPv6:2001:db8::1]", ""),
        ("[::1]", "5.5.2"),
        ("[192.0.2.300]", "5.5.2"),
        ("[192.0.2.1", "5.5.2"),
        ("192.0.2.1", "5.5.2"),
        ("printer", "5.5.2"),
        ("-client.test", "5.5.2"),
        ("client..test", "5.5.2"),
        ("clïent.test", "5.5.2"),
        ("a" * 64 + ".test", "5.5.2"),
        ("a." * 130 + "test", "5.5.2"),
        ("NODE.site.test", "5.7.1"),
        ("site.test.", "5.7.1"),
        ("xn--mnchen-3ya.test", "5.7.1"),
        ("other.site.test", ""),
    ],
)
def test_helo(helo: str, reply: str) -> None:
    assert said(restrictions(), helo=helo) == reply
    assert said(restrictions(), helo=helo, stranger=False) == ""
    assert said(restrictions(Checks()), helo=helo) == ""


@pytest.mark.parametrize(
    "sender, stranger, known",
    [
        ("", "", ""),
        ("sender@example.org", "", ""),
        ("sender@[192.0.2.1]", "", ""),
        ("root@printer", "5.5.2", "5.5.2"),
        ("ann@site.test", "5.7.1", ""),
        ("ANN@SITE.TEST.", "5.7.1", ""),
        ('"ann"@site.test', "5.7.1", ""),
        ("ann@xn--mnchen-3ya.test", "5.7.1", ""),
        ("ann@below.site.test", "", ""),
        ("nobody@site.test", "5.7.1", "5.1.0"),
    ],
)
def test_sender(sender: str, stranger: str, known: str) -> None:
    assert said(restrictions(), sender=sender) == stranger
    assert said(restrictions(), sender=sender, stranger=False) == known
    assert said(restrictions(Checks()), sender=sender) == ""


def test_recipient() -> None:
    assert said(restrictions(), recipient="root@printer", stranger=False) == "5.5.2"
    assert said(restrictions(), recipient="someone@example.org", stranger=False) == ""


@pytest.mark.parametrize("role", ["postmaster", "Postmaster@site.test", "abuse@site.test"])
def test_who_is_refused_can_ask_why(role: str) -> None:
    assert said(restrictions(), helo="x", sender="root@printer") == "5.5.2"
    assert said(restrictions(), helo="x", sender="root@printer", recipient=role) == ""
    assert said(restrictions(denied="192.0.2.0/24"), recipient=role) == "5.7.1"


def test_denied_and_allowed_clients() -> None:
    made = restrictions(denied="192.0.2.0/24", allowed="192.0.2.128/25")
    assert said(made) == "5.7.1"
    assert said(made, stranger=False) == "5.7.1"
    assert said(made, client="192.0.2.129") == ""
    assert said(made, client="192.0.2.129", helo="x") == ""
    assert said(made, client="192.0.3.1") == ""
    assert said(made, client="::ffff:192.0.2.1") == "5.7.1"


def test_the_first_rule_that_fits_decides() -> None:
    made = restrictions(
        ALL,
        Rule(Action.PERMIT, sender=Patterns(["friend@example.org"])),
        Rule(Action.HOLD, sender=Patterns(["example.org"]), recipient=Patterns(["bob@"])),
        Rule(Action.REJECT, sender=Patterns(["example.org"]), text="no"),
        Rule(Action.DEFER, client=Networks(["192.0.2.7"])),
        Rule(Action.DISCARD, user=frozenset({"eve"})),
        denied="192.0.2.0/24",
    )
    assert said(made, sender="friend@example.org", helo="x") == ""
    assert said(made, sender="Someone@EXAMPLE.org", recipient="bob@site.test") == "hold"
    assert said(made, sender="someone@example.org") == "5.7.1"
    assert said(made, sender="a@b.test", client="192.0.2.7") == "4.7.1"
    assert said(made, sender="a@b.test", user="eve", stranger=False) == "discard"
    assert said(made, sender="a@b.test", user="bob", stranger=False) == "5.7.1"


def test_the_text_of_a_rule() -> None:
    made = Restrictions(
        rules=[Rule(Action.REJECT, helo=Patterns([".bad.test"]), text="Not from you")]
    )
    decision = made.decide(Attempt("192.0.2.1", "mx.BAD.test", "", "", True), "ann@site.test")
    assert decision is not None
    assert decision.reason is Reason.ACCESS
    assert str(decision.reply) == "554 5.7.1 Not from you"
    assert made.decide(Attempt("192.0.2.1", "bad.test", "", "", True), "ann@site.test") is None


@pytest.mark.parametrize(
    "pattern, address, fits",
    [
        ("user@example.org", "USER@Example.ORG", True),
        ("user@example.org", '"user"@example.org', True),
        ("user@example.org", "other@example.org", False),
        ("example.org", "user@example.org", True),
        ("example.org", "user@sub.example.org", False),
        (".example.org", "user@sub.example.org", True),
        (".example.org", "user@a.b.example.org", True),
        (".example.org", "user@example.org", False),
        (".example.org", "user@badexample.org", False),
        ("user@", "user@anywhere.test", True),
        ("user@", "user2@anywhere.test", False),
        ("<>", "", True),
        ("<>", "user@example.org", False),
        ("*", "", True),
        ("*", "user@example.org", True),
        ("münchen.test", "user@xn--mnchen-3ya.test", True),
    ],
)
def test_patterns(pattern: str, address: str, fits: bool) -> None:
    assert Patterns([pattern]).match(address) is fits
    assert Patterns(["x@y.test", pattern]).match(address) is fits


@pytest.mark.parametrize(
    "network, client, inside",
    [
        ("192.0.2.0/24", "192.0.2.255", True),
        ("192.0.2.0/24", "192.0.3.0", False),
        ("192.0.2.7", "192.0.2.7", True),
        ("0.0.0.0/0", "198.51.100.1", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("2001:db8::/32", "2001:db8:ffff::1", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("::/0", "192.0.2.1", False),
    ],
)
def test_networks(network: str, client: str, inside: bool) -> None:
    assert (client in Networks([network])) is inside
    assert (client in Networks(["203.0.113.9", network])) is inside
    assert client not in Networks()
