"""Two machines that are no nodes yet: `twinpost node` without settings, on loopback addresses."""

from __future__ import annotations

import asyncio
import os
import signal
import smtplib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from appliance.config import Layout
from appliance.config.node import PathSettings
from appliance.control.client import ApiError, Client, NotRunning
from appliance.control.schema import Status
from appliance.services.process import SUPERVISOR
from tests.bench.processes import kill_tree
from tests.pair.harness import addresses, until

PORTS = {
    "smtp": 2525,
    "submission": 2587,
    "submissions": 2465,
    "page": 8443,
    "plain": 8480,
    "link": 2526,
    "pairing": 2527,
    "heartbeat": 2528,
}
PASSWORD = "correct horse battery"


class NewNode:
    """One of them."""

    def __init__(self, data: Path) -> None:
        data.mkdir()
        self.layout = Layout(data, PathSettings())
        self.client = Client(self.layout.control_socket, timeout=60.0)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = [sys.executable, "-P", "-m", "appliance.cli", "node"]
        with (self.layout.data / "stderr").open("ab") as errors:
            self._process = subprocess.Popen(
                [*words, "--data", str(self.layout.data)],
                env={**os.environ, SUPERVISOR: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )

    def kill(self) -> None:
        if self._process is not None:
            kill_tree(self._process.pid)
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        """End in order; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(60)
        self._process = None
        return code

    async def waits(self) -> None:
        """Return when it asks to be set up."""

        async def look() -> bool:
            try:
                return (await asyncio.to_thread(self.client.setup)).state == "first boot"
            except (ApiError, NotRunning):
                return False

        await until(look, "the setup is there")

    async def mode(self, wanted: str) -> Status:
        """Return when it is a node in that mode."""

        async def look() -> Status | None:
            try:
                status = await asyncio.to_thread(self.client.status)
            except (ApiError, NotRunning):
                return None
            return status if status.mail is not None and status.mode == wanted else None

        return await until(look, f"{self.layout.data.name} is {wanted}")

    def tails(self) -> str:
        """What its logs end with."""
        logs = [self.layout.data / "stderr", *sorted(self.layout.log.glob("*.log"))]
        return "\n".join(
            line
            for one in logs
            if one.exists()
            for line in [f"--- {one}", *one.read_text(errors="replace").splitlines()[-12:]]
        )


class NewPair:
    """Both, killed at the end; `virtual` and `hosts` are addresses for them."""

    def __init__(self, folder: Path) -> None:
        self.virtual, *self.hosts = addresses(3)
        self.nodes: Sequence[NewNode] = [NewNode(folder / name) for name in "ab"]

    def first(self) -> dict[str, Any]:
        """Answers that begin a pair."""
        return {
            "name": "a",
            "pair": "new",
            "domain": "site.test",
            "network": {"interface": "lo", "address": f"{self.hosts[0]}/24"},
            "virtual": [f"{self.virtual}/24"],
            "administrator": {"name": "anna", "password": PASSWORD},
            "ports": PORTS,
        }

    def second(self, code: str) -> dict[str, Any]:
        """Answers that join it."""
        return {
            "name": "b",
            "pair": "join",
            "network": {"interface": "lo", "address": f"{self.hosts[1]}/24"},
            "join": {"at": f"{self.hosts[0]}:{PORTS['pairing']}", "code": code},
            "ports": PORTS,
        }

    async def become(self) -> None:
        """Return when they are a pair, by answers alone."""
        a, b = self.nodes
        await asyncio.to_thread(a.client.set_up, self.first())
        await a.mode("solo")
        code = (await asyncio.to_thread(a.client.invite)).code
        await asyncio.to_thread(b.client.set_up, self.second(code))
        for node in self.nodes:
            await node.mode("paired")

    async def __aenter__(self) -> Self:
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            await node.waits()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for node in self.nodes:
                print(node.tails())
        for node in self.nodes:
            node.kill()


async def send(host: str) -> None:
    """Return when a message to the postmaster is accepted there."""
    await asyncio.to_thread(_send, host)


def _send(host: str) -> None:
    with smtplib.SMTP(host, PORTS["smtp"], timeout=30) as client:
        text = b"Subject: of before\r\n\r\nHi\r\n"
        client.sendmail("x@elsewhere.test", ["postmaster@site.test"], text)
