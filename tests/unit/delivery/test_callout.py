"""Callouts: what counts as a yes, as a no and as no answer; and that nothing is sent."""

from __future__ import annotations

from time import monotonic

import pytest

from appliance.config.delivery import DeliverySettings
from appliance.config.units import Duration
from appliance.delivery.callout import Callout
from appliance.delivery.resolve import HostsFile
from appliance.delivery.smtp import Connector
from appliance.mail.route import Mailbox, NextHop, Routes, Smtp
from appliance.mail.verdicts import NoAnswer
from tests.support.nameserver import WITHOUT_DNS
from tests.support.sink import Drop, Script, Sink, Step
from tests.support.trust import Trusting


def callout(port: int) -> Callout:
    connector = Connector(
        "node.test",
        DeliverySettings(command_timeout=Duration(200)),
        HostsFile(),
        WITHOUT_DNS,
        Trusting(),
        monotonic,
    )
    routes = Routes(
        ["site.test"],
        {"ann@site.test": "ann"},
        "postmaster",
        {"far.test": Smtp((NextHop("127.0.0.1", port),)), "near.test": Mailbox("near")},
    )
    return Callout(connector, lambda: routes, lambda address: address == "list@far.test")


def test_only_what_goes_to_a_next_hop_is_asked_for() -> None:
    made = callout(25)
    assert made.relayed("bob@far.test")
    for address in ("ann@site.test", "x@site.test", "x@near.test", "x@none.test", "list@far.test"):
        assert not made.relayed(address)


async def test_yes() -> None:
    async with Sink() as sink:
        assert await callout(sink.port).ask("bob@far.test") is None
        await sink.reached("quit")
        said = [line.upper() for _, line in sink.commands]
        assert "MAIL FROM:<>" in said
        assert "RCPT TO:<BOB@FAR.TEST>" in said
        assert "DATA" not in said
        assert not sink.messages


async def test_no() -> None:
    async with Sink(Script({"rcpt": ["553 5.1.2 not\x1b here"]})) as sink:
        refusal = await callout(sink.port).ask("bob@far.test")
    assert refusal is not None
    assert (refusal.code, refusal.enhanced) == (550, "5.1.1")
    assert "here" in refusal.text
    assert "\x1b" not in refusal.text


@pytest.mark.parametrize(
    "stage, step",
    [
        ("connect", "554 5.7.1 go away"),
        ("mail", "550 5.7.1 no null sender here"),
        ("mail", "451 4.3.0 not now"),
        ("mail", Drop()),
        ("rcpt", "450 4.2.0 greylisted"),
        ("rcpt", b"gibberish\r\n"),
        ("rcpt", Drop(reset=True)),
    ],
)
async def test_no_answer(stage: str, step: Step) -> None:
    async with Sink(Script({stage: [step]})) as sink:
        with pytest.raises(NoAnswer):
            await callout(sink.port).ask("bob@far.test")


async def test_who_is_not_there_gives_no_answer() -> None:
    async with Sink() as sink:
        port = sink.port
    with pytest.raises(NoAnswer):
        await callout(port).ask("bob@far.test")
