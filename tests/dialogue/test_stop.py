"""Stopping the server: nobody new, nobody hurt."""

from __future__ import annotations

import asyncio
import threading

import pytest

from appliance.config.limits import Limits
from appliance.config.units import Endpoint
from appliance.smtpd.events import Event
from appliance.smtpd.listener import RELAY
from appliance.smtpd.server import SmtpServer
from tests.dialogue.intake import Gate, MemoryIntake
from tests.dialogue.served import HOSTNAME, NOW, Client, Log, Served, policy, serving

GOODBYE = "421 4.3.2 Service shutting down, closing connection"


def stopping(served: Served, grace: float) -> threading.Thread:
    """Stop in the background; returns once the listeners are closed."""
    thread = threading.Thread(target=served.run, args=(lambda: served.server.stop(grace),))
    thread.start()
    return thread


def in_data(served: Served, text: bytes) -> Client:
    client = served.client()
    client.greet()
    client.begin()
    assert client.ask("DATA").startswith("354")
    client.send(text)
    return client


def test_idle_clients_are_sent_away_and_data_finishes() -> None:
    with serving() as served:
        idle, busy = served.client(), in_data(served, b"first half\r\n")
        idle.greet()
        idle.begin()  # between commands is idle, whatever was said before
        thread = stopping(served, 60)
        assert idle.reply() == GOODBYE
        assert idle.reply() == ""
        idle.close()
        # A message under way is taken, then the client is sent away.
        busy.send(b"second half\r\n.\r\nMAIL FROM:<a@b.example>\r\n")
        assert busy.reply() == "250 2.0.0 Ok: queued as TESTTESTXX0001"
        replies = [busy.reply(), busy.reply()]
        assert GOODBYE in replies
        busy.close()
        thread.join(30)
        assert served.log.of(Event.STOPPED)[0]["cut_off"] == 0
        assert [taken.text for taken in served.intake.taken] == [b"first half\r\nsecond half\r\n"]


def test_nobody_new_is_served() -> None:
    with serving() as served:
        address = served.server.addresses[0]
        served.run(lambda: served.server.stop(0))
        with pytest.raises(ConnectionError):
            Client(address)


def test_after_the_grace_the_rest_is_cut_off() -> None:
    with serving() as served:
        busy = in_data(served, b"half\r\n")
        served.run(lambda: served.server.stop(0))
        assert busy.reply() == ""
        busy.close()
        assert not served.intake.taken
        assert served.log.of(Event.STOPPED)[0]["cut_off"] == 1


def test_a_commit_is_waited_for_however_long_it_takes() -> None:
    intake = MemoryIntake(gates={"accept": Gate()})
    with serving(intake=intake) as served:
        busy = in_data(served, b"text\r\n.\r\n")
        assert intake.gates["accept"].reached.wait(30)
        thread = stopping(served, 0)
        assert busy.reply() == ""  # cut off: the grace is over
        assert thread.is_alive()
        intake.gates["accept"].open()
        thread.join(30)
        assert len(intake.taken) == 1
        busy.close()


def test_a_start_that_fails_listens_nowhere() -> None:
    with serving() as taken:
        host, port = taken.server.addresses[0]

        async def start() -> tuple[str, int]:
            server = SmtpServer(
                dict.fromkeys([Endpoint("127.0.0.1:0"), Endpoint(f"{host}:{port}")], RELAY),
                hostname=HOSTNAME,
                limits=Limits(),
                policy=policy(),
                intake=MemoryIntake(),
                emit=Log(),
                clock=lambda: NOW,
            )
            with pytest.raises(OSError, match="in use"):
                await server.start()
            return server.addresses[0]

        with pytest.raises(ConnectionRefusedError):
            Client(asyncio.run(start()))


def test_start_tells_where_it_listens() -> None:
    with serving() as served:
        host, port = served.server.addresses[0]
        assert served.log.of(Event.LISTENING) == [{"address": host, "port": port}]
        assert port
