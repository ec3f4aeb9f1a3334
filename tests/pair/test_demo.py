"""The demo as a script uses it: real processes, real sockets, one run through its life."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from appliance.cli.errors import Exit
from appliance.cli.main import run
from appliance.control.client import Client, NotRunning
from appliance.control.schema import Selection, Status
from appliance.mail.views import QueueFilter, RecipientStatus

Capture = pytest.CaptureFixture[str]
# A network of this process's own, so that runs side by side don't meet.
NET = f"127.{1 + os.getpid() % 250}.{os.getpid() // 250 % 250}"
_LIMIT = 60.0


class Demo:
    """A demo in a process of its own; ready once made."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                *f"appliance.cli demo --headless --net {NET} --data".split(),
                data,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        if not said.startswith("READY "):
            self.process.kill()
            raise AssertionError(f"{said}{self.process.communicate()[1]}")
        self.server = said.split("smtp=")[1].strip()

    def client(self, node: str) -> Client:
        return Client(self.data / node / "run" / "control.sock")

    def pids(self, node: str) -> dict[str, int]:
        """The processes of a node, its supervisor included."""
        services = json.loads((self.data / node / "run" / "processes.json").read_bytes())
        found = {one["name"]: one["pid"] for one in services}
        return {**found, "node": int((self.data / node / "lock").read_text().split()[0])}

    def __enter__(self) -> Demo:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever went wrong: its nodes end with it."""
        self.process.kill()
        self.process.communicate()

    def stop(self) -> str:
        """End in order; returns what it said on standard error."""
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=_LIMIT)
        assert self.process.returncode == 0, err
        return err


def until(true: Callable[[], bool]) -> None:
    """Ask until it is true; each question goes to another process, so this is no busy loop."""
    end = time.monotonic() + _LIMIT
    while not true():
        assert time.monotonic() < end, "it never became true"


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "demo"
    for log in sorted((tmp_path / "demo").glob("*/log/*.log")):
        print(f"--- {log}\n{log.read_text()[-2000:]}")


def status(client: Client) -> Status | None:
    try:
        return client.status()
    except NotRunning:
        return None


def modes(demo: Demo) -> list[str | None]:
    found = [status(demo.client(node)) for node in ("a", "b")]
    return [one.mode if one else None for one in found]


def mailbox(client: Client, name: str) -> set[str]:
    return {entry.queue_id for page in client.mailbox(name) for entry in page.entries}


def send(demo: Demo, recipient: str, subject: str, tmp_path: Path, capsys: Capture) -> str:
    """One message through the virtual address, when it is served; returns its queue id."""
    message = tmp_path / "message.eml"
    message.write_text(f"Subject: {subject}\n\nhello\n")
    arguments = ["--server", demo.server, "--from", "alice@site.test", "--to", recipient]
    found: list[str] = []

    def taken() -> bool:
        code = run(["send", "--json", *arguments, str(message)])
        found[:] = json.loads(capsys.readouterr().out)["queue_ids"]
        return code == Exit.OK

    until(taken)
    (queue_id,) = found
    assert isinstance(queue_id, str)
    return queue_id


def test_the_life_of_a_demo(data: Path, tmp_path: Path, capsys: Capture) -> None:
    with Demo(data) as demo:
        queue_id = _a_full_day(demo, tmp_path, capsys)
    # The data directory survives and starts again.
    with Demo(data) as demo:
        assert queue_id in mailbox(demo.client("b"), "bob")
        demo.stop()


def _a_full_day(demo: Demo, tmp_path: Path, capsys: Capture) -> str:
    """Everything the demo is for; returns the queue id of a message that was delivered."""
    a, b = demo.client("a"), demo.client("b")
    assert modes(demo) == ["paired", "paired"]

    # Mail is in the mailbox of both nodes, byte for byte the same.
    queue_id = send(demo, "bob@site.test", "one", tmp_path, capsys)
    until(partial(_is_filed, queue_id, a, b, "bob"))
    assert b"".join(a.content(queue_id)) == b"".join(b.content(queue_id))

    # What is held on its owner is released by a command to the other node.
    held = send(demo, "x@held.test", "two", tmp_path, capsys)
    everything_held = QueueFilter(status=(RecipientStatus.HELD,))

    def in_hold(client: Client) -> list[str]:
        return [one.queue_id for page in client.queue(everything_held) for one in page.entries]

    until(lambda: in_hold(a) == [held] and in_hold(b) == [held])
    (redirected,) = b.command("redirect", [Selection(held)], "carol@site.test")
    assert (redirected.changed, redirected.error) == (1, "")
    (released,) = b.command("release", [Selection(held)])
    assert (released.changed, released.error) == (1, "")
    until(partial(_is_filed, held, a, b, "carol"))

    # A service that dies comes back, and so does a whole node.
    for victim in ("mail", "delivery", "control", "failover", "node"):
        before = demo.pids("a")[victim]
        os.kill(before, signal.SIGKILL)
        until(partial(_came_back, demo, victim, before))
        until(lambda: modes(demo) == ["paired", "paired"])
        again = send(demo, "dave@site.test", victim, tmp_path, capsys)
        until(partial(_is_filed, again, a, b, "dave"))

    _second_start_is_refused(demo, capsys)
    _the_active_node_dies(demo)
    again = send(demo, "bob@site.test", "moved", tmp_path, capsys)
    until(lambda: modes(demo) == ["paired", "paired"])
    until(partial(_is_filed, again, a, b, "bob"))

    everyone = [pid for node in ("a", "b") for pid in demo.pids(node).values()]
    watched = [os.pidfd_open(pid) for pid in everyone]
    assert "starts it again" in demo.stop()
    ended, _, _ = select.select(watched, [], [], 0)
    assert sorted(ended) == sorted(watched)
    for descriptor in watched:
        os.close(descriptor)
    return queue_id


def _holds(client: Client) -> bool:
    found = status(client)
    return found is not None and found.virtual[0].here


def _the_active_node_dies(demo: Demo) -> None:
    """The other one has the virtual address then."""
    until(lambda: any(_holds(demo.client(node)) for node in ("a", "b")))
    active, other = ("a", "b") if _holds(demo.client("a")) else ("b", "a")
    os.kill(demo.pids(active)["node"], signal.SIGKILL)
    until(lambda: _holds(demo.client(other)))


def _is_filed(queue_id: str, a: Client, b: Client, name: str) -> bool:
    return queue_id in mailbox(a, name) and queue_id in mailbox(b, name)


def _came_back(demo: Demo, name: str, before: int) -> bool:
    try:
        return demo.pids("a").get(name) not in (None, before)
    except FileNotFoundError:
        return False


def _second_start_is_refused(demo: Demo, capsys: Capture) -> None:
    assert run(["demo", "--headless", "--data", str(demo.data)]) == Exit.UNAVAILABLE
    assert re.search(r"is taken by another program\n  → is another demo", capsys.readouterr().err)
    node = str(demo.data / "a")
    assert run(["node", "--data", node]) == Exit.UNAVAILABLE
    assert "is in use by process" in capsys.readouterr().err
    assert run(["status", "--data", node]) == Exit.OK
    assert "Healthy" in capsys.readouterr().out
