"""Listeners at virtual addresses: they come and go, their clients with them, nobody else."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress

import pytest

from appliance.config.units import Endpoint
from appliance.smtpd.events import Event
from tests.dialogue.served import Client, Served, serving

# An address of this process's own, so that runs side by side don't meet.
VIRTUAL = f"127.{1 + os.getpid() % 250}.{os.getpid() // 250 % 250}.10"


def listening(served: Served, host: str = VIRTUAL) -> Endpoint:
    """Listen at a virtual address, at the port of the first listener."""
    endpoint = Endpoint(f"{host}:{served.server.addresses[0][1]}")
    served.run(lambda: served.server.listen_at(endpoint))
    return endpoint


def leave(served: Served, endpoint: Endpoint) -> None:
    async def leaving() -> None:
        served.server.leave(endpoint)

    served.run(leaving)


def client(endpoint: Endpoint) -> Client:
    return Client((endpoint.host, endpoint.port))


def test_clients_of_an_address_that_moves_go_and_others_stay() -> None:
    with serving() as served:
        endpoint = listening(served)
        with client(endpoint) as moved, client(endpoint) as busy, served.client() as other:
            for one in (moved, busy, other):
                one.greet()
            busy.begin()
            assert busy.ask("DATA").startswith("354")
            leave(served, endpoint)
            assert moved.reply().startswith("421 ")
            assert moved.reply() == ""
            with pytest.raises(ConnectionRefusedError):
                client(endpoint)
            # What was under way ends well, and then it goes, too.
            busy.send(b"text\r\n.\r\n")
            assert busy.reply().startswith("250 ")
            assert busy.reply().startswith("421 ")
            assert other.ask("NOOP").startswith("250 ")
        assert served.log.of(Event.LEFT) == [{"address": VIRTUAL, "port": endpoint.port}]


def test_it_comes_back() -> None:
    with serving() as served:
        endpoint = listening(served)
        leave(served, endpoint)
        leave(served, endpoint)
        listening(served)
        listening(served)
        with client(endpoint) as one:
            one.greet()
        assert len(served.log.of(Event.LEFT)) == 1


def test_an_address_that_this_machine_does_not_have_yet() -> None:
    with serving() as served:
        endpoint = listening(served, "192.0.2.10")
        leave(served, endpoint)


def test_one_that_another_process_still_serves() -> None:
    with serving() as served, socket.socket() as holder:
        holder.bind((VIRTUAL, served.server.addresses[0][1]))
        holder.listen()
        with pytest.raises(OSError, match="in use") as caught:
            listening(served)
        assert caught.value.errno == errno.EADDRINUSE
        holder.close()
        listening(served)


def test_clients_of_an_address_that_is_to_go_are_told_and_then_dropped() -> None:
    with serving() as served:
        endpoint = listening(served)

        async def see_off() -> None:
            served.server.see_off(VIRTUAL)

        async def cut_off() -> None:
            served.server.cut_off(VIRTUAL)

        with client(endpoint) as idle, client(endpoint) as busy, served.client() as other:
            for one in (idle, busy, other):
                one.greet()
            busy.begin()
            assert busy.ask("DATA").startswith("354")
            served.run(see_off)
            assert idle.reply().startswith("421 ")
            assert idle.reply() == ""
            with client(endpoint) as late:  # it is still served
                late.greet()
                served.run(cut_off)
                for one in (busy, late):
                    with suppress(ConnectionResetError):
                        assert one.reply() == ""
            assert other.ask("NOOP").startswith("250 ")
