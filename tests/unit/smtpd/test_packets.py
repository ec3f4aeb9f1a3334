"""Filters of listening sockets, in the kernel: who is kept out must not keep out anybody else."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from appliance.smtpd.packets import keep_out

MANY = [f"192.0.2.{number}" for number in range(128)] + [
    f"2001:db8:0:{number:x}::" for number in range(128)
]


@contextmanager
def listening(host: str) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as server:
        try:
            server.bind((host, 0))
        except OSError:
            pytest.skip(f"no {host} on this machine")
        server.listen()
        yield server


def connects(server: socket.socket, source: str) -> bool:
    """On loopback a connection is there at once, or not before TCP tries again."""
    with socket.socket(server.family) as client:
        client.bind((source, 0))
        client.setblocking(False)
        client.connect_ex(server.getsockname()[:2])
        return bool(select.select([], [client], [], 0)[1])


def test_only_who_is_named_is_kept_out() -> None:
    with listening("127.0.0.1") as server:
        assert connects(server, "127.0.0.5")
        keep_out(server, [*MANY, "127.0.0.5", "127.0.0.7"])
        assert not connects(server, "127.0.0.5")
        assert not connects(server, "127.0.0.7")
        assert connects(server, "127.0.0.6")
        keep_out(server, ["127.0.0.7"])
        assert connects(server, "127.0.0.5")
        keep_out(server, [])
        assert connects(server, "127.0.0.7")


def test_of_ipv6_a_64_is_kept_out() -> None:
    with listening("::1") as server:
        keep_out(server, [*MANY, "127.0.0.1"])
        assert connects(server, "::1")
        keep_out(server, [*MANY, "::"])
        assert not connects(server, "::1")
        keep_out(server, [])
        assert connects(server, "::1")


def test_what_is_connected_goes_on() -> None:
    with listening("127.0.0.1") as server, socket.create_connection(server.getsockname()) as client:
        early, _ = server.accept()
        keep_out(server, ["127.0.0.1"])
        with early:
            client.sendall(b"x")
            assert early.recv(1) == b"x"
