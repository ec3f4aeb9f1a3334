"""A node is watched like its services: the demo, or systemd, starts one again that hangs."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.services.notify import NOTIFY_SOCKET, WATCHDOG, NotifyListener
from tests.pair.harness import Node, Settings, addresses, until


async def test_a_node_says_that_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that did not was killed a minute after its start, and again and again."""
    listener = NotifyListener()
    monkeypatch.setenv(NOTIFY_SOCKET, listener.address)
    monkeypatch.setenv(WATCHDOG, "300000")
    own, other = addresses(2)
    node = Node("a", own, tmp_path / "a")
    node.write(Settings(hop="127.0.0.1:9"), f"{other}:2526")
    node.start()
    said = {"READY": 0, "WATCHDOG": 0}

    async def lives() -> bool:
        while (message := listener.receive()) is not None:
            if message[0] == node.pids[0]:
                for name in message[1]:
                    said[name] += 1
        return said["READY"] == 1 and said["WATCHDOG"] > 2

    try:
        await until(lives, "it is ready and goes on living")
    finally:
        node.kill()
        listener.close()
