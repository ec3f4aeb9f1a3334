"""TLS with next hops: each level, what is told when it fails, when plain text is used instead."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import uvloop

from appliance.config.delivery import DeliverySettings
from appliance.delivery.resolve import HostsFile
from appliance.delivery.secure import PLAIN_AFTER
from appliance.delivery.smtp import ConnectFailed, Connector, Session
from appliance.mail.route import NextHop, Smtp, Tls
from appliance.mail.work import Result
from appliance.monitor.events import Event
from tests.support.nameserver import WITHOUT_DNS
from tests.support.sink import Drop, Script, Sink
from tests.support.trust import NOW, Trusting, server
from tests.unit.delivery.rig import Clock, running

LEVELS = ("none", "may", "encrypt", "verify")


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loops(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    made: Callable[[], asyncio.AbstractEventLoop] = request.param
    return made


def connector(*trusted: str, clock: Clock | None = None) -> Connector:
    return Connector(
        "node.test",
        DeliverySettings(),
        HostsFile(),
        WITHOUT_DNS,
        Trusting(*(trusted or ("site.test",))),
        clock or Clock(),
    )


@asynccontextmanager
async def session(
    sink: Sink, level: str, *, name: str = "", clients: Connector | None = None
) -> AsyncIterator[Session]:
    opened = await (clients or connector()).connect(
        [NextHop(sink.host, sink.port, Tls(level, name))]
    )
    try:
        yield opened
    finally:
        opened.abort()


async def refusal(
    sink: Sink, level: str, *, name: str = "", clients: Connector | None = None
) -> str:
    with pytest.raises(ConnectFailed) as failed:
        async with session(sink, level, name=name, clients=clients):
            pass
    assert not failed.value.reply.permanent
    return str(failed.value.reply)


@pytest.mark.parametrize("level", LEVELS)
def test_a_server_with_tls(level: str, loops: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def test() -> None:
        async with Sink(Script(tls=server())) as sink, session(sink, level) as opened:
            assert opened.tls == ("" if level == "none" else "TLSv1.3")
            assert sink.stages["secure"] == (level != "none")
            assert sink.stages["ehlo"] == (1 if level == "none" else 2)
            assert opened.peer.pipelining

    with asyncio.Runner(loop_factory=loops) as runner:
        runner.run(test())


@pytest.mark.parametrize("level", LEVELS)
async def test_a_server_without_tls(level: str) -> None:
    async with Sink() as sink:
        if level in ("encrypt", "verify"):
            assert await refusal(sink, level) == (
                "451 4.7.4 TLS is required, but was not offered by"
                f" 127.0.0.1[127.0.0.1]:{sink.port}"
            )
        else:
            async with session(sink, level) as opened:
                assert opened.tls == ""


@pytest.mark.parametrize("level", LEVELS)
async def test_a_server_that_refuses(level: str) -> None:
    async with Sink(Script({"starttls": ["454 4.7.0 no entropy"]}, tls=server())) as sink:
        if level in ("encrypt", "verify"):
            said = await refusal(sink, level)
            assert said.startswith("451 4.7.4 TLS is required, but 127.0.0.1[")
            assert said.endswith("refused to start it: 4.7.0 no entropy")
        else:
            async with session(sink, level) as opened:
                assert opened.tls == ""
            assert sink.connections == 1


@pytest.mark.parametrize(
    "made, trusted, name, why",
    [
        (server(issuer="other.test"), "site.test", "", "unable to get local issuer certificate"),
        (server(address="127.0.0.2"), "site.test", "", "IP address mismatch"),
        (server("mail.other.test"), "site.test", "mail.site.test", "Hostname mismatch"),
        (
            server(now=NOW + timedelta(days=2000)),
            "site.test",
            "",
            "certificate is not yet valid; is this node's clock right?",
        ),
    ],
)
async def test_a_certificate_that_does_not_hold(
    made: ssl.SSLContext, trusted: str, name: str, why: str
) -> None:
    async with Sink(Script(tls=made)) as sink:
        said = await refusal(sink, "verify", name=name, clients=connector(trusted))
        assert said.startswith("451 4.7.5 Cannot start TLS with 127.0.0.1[")
        assert why in said
        async with session(sink, "encrypt") as opened:
            assert opened.tls == "TLSv1.3"


async def test_the_name_to_verify_may_be_another_than_the_host() -> None:
    async with (
        Sink(Script(tls=server("mail.site.test", address="127.0.0.9"))) as sink,
        session(sink, "verify", name="mail.site.test") as opened,
    ):
        assert opened.tls == "TLSv1.3"


async def test_the_machines_own_authorities_are_not_trusted() -> None:
    async with Sink(Script(tls=server())) as sink:
        said = await refusal(sink, "verify", clients=connector("nobody.test"))
        assert "unable to get local issuer certificate" in said


async def test_a_broken_handshake_gets_plain_text_only_in_the_end() -> None:
    clock = Clock()
    broken = Script({"starttls": [Drop("220 2.0.0 begin")]}, tls=server())
    clients = connector(clock=clock)
    async with Sink(broken) as sink:
        for wait in (0.0, PLAIN_AFTER - 1):
            clock.advance(wait)
            said = await refusal(sink, "may", clients=clients)
            assert said.startswith("451 4.7.5 Cannot start TLS with")
        clock.advance(1)
        async with session(sink, "may", clients=clients) as opened:
            assert opened.tls == ""
        assert sink.connections == 4
        assert "4.7.5" in await refusal(sink, "encrypt", clients=clients)


async def test_a_handshake_that_went_well_begins_the_patience_anew() -> None:
    clock = Clock()
    broken = Script({"starttls": [Drop("220 2.0.0 begin")]}, tls=server())
    clients = connector(clock=clock)
    async with Sink(broken, Script(tls=server()), broken) as sink:
        await refusal(sink, "may", clients=clients)
        clock.advance(PLAIN_AFTER)
        async with session(sink, "may", clients=clients) as opened:
            assert opened.tls == "TLSv1.3"
        await refusal(sink, "may", clients=clients)


async def test_what_is_said_before_tls_does_not_count() -> None:
    """RFC 3207 §4.2: and what somebody appended to the 220 isn't read as an answer in TLS."""
    said = b"220 2.0.0 begin\r\n250-sink.test\r\n250 DSN\r\n"
    script = Script({"starttls": [said]}, extensions=("PIPELINING",), tls=server())
    async with Sink(script) as sink, session(sink, "verify") as opened:
        assert not opened.peer.dsn


async def test_mail_that_waits_for_tls_is_deferred_and_says_why() -> None:
    async with Sink() as plain:
        hop = NextHop(plain.host, plain.port, Tls("verify"))
        async with running({"other.test": Smtp((hop,))}) as rig:
            await rig.send("x@other.test")
            [outcome] = await rig.outcomes(1)
    assert outcome.result is Result.DEFERRED
    assert outcome.reply.enhanced == "4.7.4"
    assert not plain.messages


async def test_routes_to_one_host_share_no_connection_across_levels() -> None:
    async with Sink(Script(tls=server())) as sink:
        routes = {
            f"{level}.test": Smtp((NextHop(sink.host, sink.port, Tls(level)),)) for level in LEVELS
        }
        async with running(routes) as rig:
            await rig.send(*(f"x@{level}.test" for level in LEVELS))
            outcomes = await rig.outcomes(1)
    assert {one.result for one in outcomes} == {Result.DELIVERED}
    assert sink.connections == 4
    assert sink.stages["secure"] == 3
    told = [values["tls"] for event, _, values in rig.log.lines if event is Event.SENT]
    assert sorted(map(str, told)) == ["", "TLSv1.3", "TLSv1.3", "TLSv1.3"]
