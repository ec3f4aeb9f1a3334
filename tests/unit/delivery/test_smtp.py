"""Sessions: connecting, greeting, EHLO; and that no name is looked up outside the hosts file."""

from __future__ import annotations

import socket
from pathlib import Path
from time import monotonic

import pytest

from appliance.config.delivery import DeliverySettings
from appliance.config.units import Duration
from appliance.delivery.resolve import HostsFile
from appliance.delivery.smtp import ConnectFailed, Connector, Session
from appliance.mail.route import NextHop
from tests.support.nameserver import WITHOUT_DNS
from tests.support.sink import Drop, Gate, Script, Sink, Step
from tests.support.trust import Trusting


def connector(settings: DeliverySettings | None = None, hosts: Path | None = None) -> Connector:
    resolver = HostsFile(hosts) if hosts else HostsFile()
    return Connector(
        "node.test", settings or DeliverySettings(), resolver, WITHOUT_DNS, Trusting(), monotonic
    )


async def connect(sink: Sink, settings: DeliverySettings | None = None) -> Session:
    return await connector(settings).connect([NextHop(sink.host, sink.port)])


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def test_ehlo() -> None:
    async with Sink() as sink:
        session = await connect(sink)
        assert session.remote == f"127.0.0.1[127.0.0.1]:{sink.port}"
        assert session.peer.dsn
        assert session.usable
        session.quit()
        await sink.reached("quit")


async def test_helo_where_ehlo_is_not_known() -> None:
    async with Sink(Script({"ehlo": ["500 5.5.1 what?"]})) as sink:
        session = await connect(sink)
        assert session.peer.size is None
        assert not session.peer.pipelining
        session.quit()


@pytest.mark.parametrize("stage", ["connect", "ehlo"])
@pytest.mark.parametrize(
    "step",
    [
        "554 5.7.1 go away",
        "421 4.3.2 not now",
        "450 no",
        b"gibberish\r\n",
        b"250-" + b"x" * 100_000,
        b"-12 \x1b[2J\r\n",
        Drop(),
        Drop("220 hi"),
        Drop(reset=True),
    ],
)
async def test_no_session_is_never_permanent(stage: str, step: Step) -> None:
    async with Sink(Script({stage: [step], "helo": ["502 5.5.1 no"]})) as sink:
        with pytest.raises(ConnectFailed) as failed:
            await connect(sink)
    assert f"127.0.0.1[127.0.0.1]:{sink.port}" in failed.value.reply.text
    assert "None" not in failed.value.reply.text
    assert 400 <= failed.value.reply.code < 500
    assert failed.value.reply.enhanced.startswith("4.")
    assert "\x1b" not in failed.value.reply.text


async def test_nobody_listens() -> None:
    with pytest.raises(ConnectFailed) as failed:
        await connector().connect([NextHop("127.0.0.1", unused_port())])
    assert failed.value.reply.enhanced == "4.4.1"
    assert "refused" in failed.value.reply.text


@pytest.mark.parametrize("stage", ["connect", "ehlo"])
async def test_silence(stage: str) -> None:
    settings = DeliverySettings(command_timeout=Duration(50))
    async with Sink(Script({stage: [Gate()]})) as sink:
        with pytest.raises(ConnectFailed) as failed:
            await connect(sink, settings)
        assert failed.value.reply.enhanced == "4.4.1"


async def test_the_next_hop_that_answers_is_taken() -> None:
    async with Sink() as sink, Sink(Script({"connect": ["421 4.3.2 busy"]})) as busy:
        hops = [
            NextHop("127.0.0.1", unused_port()),
            NextHop(busy.host, busy.port),
            NextHop(sink.host, sink.port),
        ]
        session = await connector().connect(hops)
        assert session.remote.endswith(f":{sink.port}")
        session.quit()


async def test_names_come_from_the_hosts_file_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object) -> None:
        pytest.fail("the system's resolver was asked")

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    monkeypatch.setattr(socket, "getfqdn", asked)
    hosts = tmp_path / "hosts"
    hosts.write_text("::1 relay.test\n127.0.0.1  Relay.test relay # comment\nnonsense relay.test\n")
    async with Sink() as sink:
        # Nothing listens on ::1, so the second address of the name is tried.
        session = await connector(hosts=hosts).connect([NextHop("relay.TEST.", sink.port)])
        assert session.remote == f"relay.TEST.[127.0.0.1]:{sink.port}"
        session.quit()
        with pytest.raises(ConnectFailed, match="not in the hosts file"):
            await connector(hosts=hosts).connect([NextHop("other.test", sink.port)])


def test_the_hosts_file_may_change_and_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    resolver = HostsFile(path)
    assert resolver.addresses("relay.test") == ()
    assert resolver.addresses("::0001") == ("::1",)
    path.write_text("127.0.0.2 relay.test\n")
    assert resolver.addresses("relay.test") == ("127.0.0.2",)
    path.write_text("127.0.0.33 relay.test\n")
    assert resolver.addresses("relay.test") == ("127.0.0.33",)
    path.unlink()
    assert resolver.addresses("relay.test") == ()
