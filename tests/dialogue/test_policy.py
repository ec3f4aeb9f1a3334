"""The site's policy as clients meet it: restrictions, rates, verification, early talkers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from appliance.config.policy import AccessRule, PolicySettings, RateSettings, VerifySettings
from appliance.config.units import Duration, Network
from appliance.mail.reply import Reply
from appliance.mail.verdicts import NoAnswer
from appliance.smtpd.events import Event
from appliance.smtpd.guard import Guard
from appliance.smtpd.proxy import Balancers
from appliance.smtpd.verifier import Verifier
from tests.dialogue.served import HOSTNAME, Client, Log, Served, serving

RELAY = ("127.0.0.0/8",)
NO = Reply(550, "5.1.1", "no such user there")


class Time:
    """Nanoseconds that pass when told."""

    now = 0

    def __call__(self) -> int:
        return self.now


class NextHop:
    """Says what it is told to of each address; without an answer it takes as long as it may."""

    def __init__(self, **answers: Reply | NoAnswer | None) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def relayed(self, address: str) -> bool:
        return address.lower().endswith("@elsewhere.test")

    async def ask(self, address: str) -> Reply | None:
        self.asked.append(address)
        name = address.partition("@")[0]
        if name not in self.answers:
            await asyncio.Event().wait()
        answer = self.answers[name]
        if isinstance(answer, NoAnswer):
            raise answer
        return answer


def guarded(
    settings: PolicySettings,
    relay: tuple[str, ...] = (),
    hop: NextHop | None = None,
    clock: Time | None = None,
) -> Guard:
    clock = clock or Time()
    verifier = Verifier(hop, clock, Log()) if hop else None
    guard = Guard(clock, verifier)
    restrictions = settings.restrictions(["site.test"], [HOSTNAME], lambda address: True)
    guard.configure(settings, restrictions, relay)
    if verifier is not None:
        verifier.configure(settings.verify)
    return guard


@contextmanager
def client_of(guard: Guard, relay: tuple[str, ...] = ()) -> Iterator[tuple[Served, Client]]:
    with serving(relay=relay, guard=guard) as served, served.client() as client:
        client.greet()
        yield served, client


def test_strangers_under_the_default_policy() -> None:
    guard = guarded(PolicySettings())
    with client_of(guard) as (served, client):
        assert client.ask("EHLO node.site.test").startswith("250")
        client.ask("MAIL FROM:<a@example.org>")
        assert client.ask("RCPT TO:<ann@site.test>").startswith("554 5.7.1 Helo command rejected")
        assert client.ask("RCPT TO:<postmaster@site.test>").startswith("250 ")
        assert client.ask("RCPT TO:<nobody@site.test>").startswith("550 5.1.1 ")
        assert client.ask("EHLO client.test").startswith("250")
        client.ask("MAIL FROM:<bob@site.test>")
        assert client.ask("RCPT TO:<ann@site.test>").startswith("553 5.7.1 Sender address")
        client.ask("RSET")
        client.begin("", "ann@site.test")
        rejected = served.log.of(Event.REJECTED)
    assert [one["reason"] for one in rejected] == ["helo", "unknown user", "sender"]
    assert guard.view().refused == {"helo": 1, "sender": 1, "unknown user": 1}


def test_a_network_that_may_relay_is_no_stranger() -> None:
    with client_of(guarded(PolicySettings(), RELAY), RELAY) as (_, client):
        assert client.ask("EHLO node.site.test").startswith("250")
        client.begin("bob@site.test", "ann@site.test", "someone@elsewhere.test")


def test_permit_lets_nobody_relay() -> None:
    rule = AccessRule(action="permit", sender=("*",))
    settings = PolicySettings(access=(rule,), allowed_clients=(Network("127.0.0.1"),))
    with client_of(guarded(settings)) as (_, client):
        client.ask("MAIL FROM:<bob@site.test>")
        assert client.ask("RCPT TO:<someone@elsewhere.test>").startswith("554 5.7.1 Relay")
        assert client.ask("RCPT TO:<nobody@site.test>").startswith("550 5.1.1 ")
        assert client.ask("RCPT TO:<ann@site.test>").startswith("250 ")


def test_hold_keeps_the_whole_message() -> None:
    rule = AccessRule(action="hold", recipient=("bob@site.test",))
    guard = guarded(PolicySettings(access=(rule,)))
    with client_of(guard) as (served, client):
        client.begin("a@example.org", "ann@site.test", "bob@site.test")
        assert client.data(b"x\r\n").startswith("250 ")
        client.begin("a@example.org", "ann@site.test")
        assert client.data(b"x\r\n").startswith("250 ")
        assert [taken.held for taken in served.intake.taken] == [True, False]
    assert guard.view().held == 1


def test_discard_forgets_it_for_those_recipients() -> None:
    rule = AccessRule(action="discard", recipient=("bob@",))
    guard = guarded(PolicySettings(access=(rule,)))
    with client_of(guard) as (served, client):
        client.begin("a@example.org", "ann@site.test", "bob@site.test")
        assert client.data(b"x\r\n").startswith("250 ")
        (taken,) = served.intake.taken
        assert [one.address for one in taken.envelope.recipients] == ["ann@site.test"]
        client.begin("a@example.org", "bob@site.test")
        assert client.data(b"x\r\n").startswith("250 2.0.0 Ok: queued as")
        client.begin("a@example.org", "bob@site.test")
        client.send(b"BDAT 3 LAST\r\nx\r\n")
        assert client.reply().startswith("250 ")
        client.begin("a@example.org", "bob@site.test")
        assert client.data(b"bare\nLF\r\n").startswith("550 ")
        assert len(served.intake.taken) == 1
        assert len(served.log.of(Event.DISCARDED)) == 2
    assert guard.view().discarded == 4


def test_a_large_message_that_is_discarded_leaves_nothing() -> None:
    rule = AccessRule(action="discard", sender=("*",))
    with client_of(guarded(PolicySettings(access=(rule,)))) as (served, client):
        client.begin("a@example.org", "ann@site.test")
        assert client.data(b"x" * 998 + b"\r\n" + b"y\r\n" * 300_000).startswith("250 ")
        assert not served.intake.open_bodies
        assert not served.intake.taken


def test_rates_of_a_client() -> None:
    clock = Time()
    rates = RateSettings(connections_per_minute=3, messages_per_minute=2, recipients_per_minute=3)
    guard = guarded(PolicySettings(rates=rates), clock=clock)
    with client_of(guard) as (served, client):
        client.begin("a@example.org", "ann@site.test", "bob@site.test", "ann@site.test")
        assert client.ask("RCPT TO:<bob@site.test>").startswith("450 4.7.1 ")
        assert client.data(b"x\r\n").startswith("250 ")
        assert client.ask("MAIL FROM:<a@example.org>").startswith("250 ")
        client.ask("RSET")
        assert client.ask("MAIL FROM:<a@example.org>").startswith("450 4.7.1 ")
        with served.client() as second, served.client() as third, served.client() as fourth:
            assert second.reply().startswith("220 ")
            assert third.reply().startswith("220 ")
            assert fourth.reply().startswith("421 4.7.0 ")
        clock.now += 60_000_000_000
        assert client.ask("MAIL FROM:<a@example.org>").startswith("250 ")
        assert client.ask("RCPT TO:<bob@site.test>").startswith("250 ")
    assert guard.view().refused == {"rate": 3}
    assert guard.view().tracked == 1


@pytest.mark.parametrize("how", ["relay", "exempt", "allowed"])
def test_who_is_not_counted(how: str) -> None:
    local = (Network("127.0.0.0/8"),)
    settings = PolicySettings(
        rates=RateSettings(
            connections_per_minute=1,
            messages_per_minute=1,
            recipients_per_minute=1,
            exempt=local if how == "exempt" else (),
        ),
        allowed_clients=local if how == "allowed" else (),
    )
    relay = RELAY if how == "relay" else ()
    with client_of(guarded(settings, relay), relay) as (served, client):
        for _ in range(3):
            client.begin("a@example.org", "ann@site.test", "bob@site.test")
            client.ask("RSET")
        with served.client() as another:
            another.greet()


def test_checks_of_a_balancer_use_no_rate_up() -> None:
    guard = guarded(PolicySettings(rates=RateSettings(connections_per_minute=1)))
    local = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
    balancers = Balancers((Network("127.0.0.0/8").network,))
    with serving(guard=guard, balancers=balancers) as served:
        for _ in range(5):
            with Client(served.server.addresses[-1]) as client:
                client.send(local)
                assert client.reply().startswith("220 ")


VERIFY = PolicySettings(verify=VerifySettings(domains=("elsewhere.test",)))


def test_a_relayed_recipient_is_asked_for_once() -> None:
    hop = NextHop(good=None, bad=NO)
    guard = guarded(VERIFY, RELAY, hop)
    with client_of(guard, RELAY) as (served, client):
        for _ in range(3):
            assert client.ask("MAIL FROM:<a@example.org>").startswith("250 ")
            assert client.ask("RCPT TO:<good@elsewhere.test>").startswith("250 ")
            assert client.ask("RCPT TO:<bad@ELSEWHERE.test>").startswith("550 5.1.1 ")
            assert client.ask("RCPT TO:<ann@site.test>").startswith("250 ")
            client.ask("RSET")
        assert {one["reason"] for one in served.log.of(Event.REJECTED)} == {"unverified"}
    assert sorted(hop.asked) == ["bad@ELSEWHERE.test", "good@elsewhere.test"]
    seen = guard.view().verification
    assert (seen.hits, seen.misses, seen.callouts, seen.cached_refusals) == (4, 2, 2, 1)


@pytest.mark.parametrize("unknown, reply", [("defer", "450 4.1.1 "), ("accept", "250 ")])
@pytest.mark.parametrize("hop", [NextHop(), NextHop(new=NoAnswer("it is down"))])
def test_while_nothing_is_known(unknown: str, reply: str, hop: NextHop) -> None:
    settings = VerifySettings(
        domains=("*",),
        unknown="accept" if unknown == "accept" else "defer",
        wait=Duration(50),
    )
    guard = guarded(PolicySettings(verify=settings), RELAY, hop)
    asked = len(hop.asked)
    with client_of(guard, RELAY) as (served, client):
        client.ask("MAIL FROM:<a@example.org>")
        assert client.ask("RCPT TO:<new@elsewhere.test>").startswith(reply)
        assert client.ask("RCPT TO:<new@elsewhere.test>").startswith(reply)
        assert len(hop.asked) == asked + 1
        served.run(lambda: _closed(guard))


def test_an_answer_is_asked_for_again_ahead_of_its_end() -> None:
    clock, hop = Time(), NextHop(good=None)
    guard = guarded(VERIFY, RELAY, hop, clock)
    with client_of(guard, RELAY) as (_, client):
        client.ask("MAIL FROM:<a@example.org>")
        assert client.ask("RCPT TO:<good@elsewhere.test>").startswith("250 ")
        clock.now = int(VERIFY.verify.positive_ttl) * 1_000_000 // 2
        hop.answers["good"] = NO
        assert client.ask("RCPT TO:<good@elsewhere.test>").startswith("250 ")
        assert client.ask("RCPT TO:<good@elsewhere.test>").startswith("550 5.1.1 ")
    assert len(hop.asked) == 2
    assert guard.view().verification.misses == 1


async def _closed(guard: Guard) -> None:
    assert guard._verifier is not None
    guard._verifier.close()


def test_who_speaks_before_the_greeting_is_sent_away() -> None:
    guard = guarded(PolicySettings(greet_wait=Duration(10_000)))
    with serving(guard=guard) as served, served.client() as client:
        client.send(b"EHLO client.test\r\n")
        assert client.reply().startswith("421 4.7.0 ")
        assert client.reply() == ""
    assert guard.view().refused == {"early talker": 1}


def test_who_waits_is_greeted_and_relays_need_not() -> None:
    guard = guarded(PolicySettings(greet_wait=Duration(20)))
    with serving(guard=guard) as served, served.client() as client:
        client.greet()
    guard = guarded(PolicySettings(greet_wait=Duration(10_000)), RELAY)
    with serving(guard=guard, relay=RELAY) as served, served.client() as client:
        client.send(b"EHLO client.test\r\n")
        client.greet()
