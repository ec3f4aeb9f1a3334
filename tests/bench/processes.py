"""What /proc tells of the processes under measurement, and the helpers run beside them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec

_TICK = os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """`root` and everything below it, now."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        fields = _stat(pid)
        if fields:
            children.setdefault(int(fields[1]), []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu(root: int) -> float:
    """Seconds of CPU used by `root` and everything below it, ended processes included."""
    ticks = 0
    for pid in tree(root):
        fields = _stat(pid)
        if fields:
            # utime, stime, and those of the children it has waited for
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICK


def memory(root: int) -> dict[str, int]:
    """The highest resident size, in bytes, that one process of each name has had."""
    highest: dict[str, int] = {}
    for pid in tree(root):
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                name = _name(pid)
                highest[name] = max(highest.get(name, 0), int(line.split()[1]) * 1024)
    return highest


def kill_tree(*roots: int) -> None:
    """kill -9 for everything, with no chance to restart, report or write."""
    doomed = [pid for root in roots for pid in tree(root)]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in doomed:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def _pids() -> Iterator[int]:
    return (int(entry) for entry in os.listdir("/proc") if entry.isdigit())


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, the state first; [] if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return text[text.rindex(")") + 2 :].split()


def _name(pid: int) -> str:
    """`mail` for `… service mail …`, otherwise the program's name."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "?"
    if "service" in words[:-1]:
        return words[words.index("service") + 1]
    if "appliance.cli" in words or any(word.endswith("/twinpost") for word in words):
        return "supervisor"
    return os.path.basename(words[0])


class SinkFigures(msgspec.Struct, frozen=True):
    """What the sink counted; `last`: when a message came last, on the machine's clock."""

    messages: int
    distinct: int
    refused: int
    last: float
    cpu: float


class SinkProcess:
    """The sink in a process of its own, on a port that the kernel chose."""

    def __init__(self, host: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.sink", "--listen", f"{host}:0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.listen = (host, int(json.loads(self._answer())["port"]))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ask(self, order: str) -> SinkFigures:
        """Give one of the sink's orders and wait for its answer."""
        assert self._process.stdin
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._answer(), type=SinkFigures)

    def _answer(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()

    def __enter__(self) -> Self:
        """Nothing: it runs since it was made."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.communicate()


class LoadFigures(msgspec.Struct, frozen=True):
    """What the load generator measured; times in seconds, `started` on the machine's clock."""

    accepted: int
    started: float
    seconds: float
    p50: float
    p99: float
    longest: float
    cpu: float
    errors: dict[str, int]


class GuessFigures(msgspec.Struct, frozen=True):
    """What guesses of passwords were answered, by reply code."""

    answers: dict[str, int]


class Guesser:
    """Guesses passwords in a process of its own, while the `with` lasts and until it is done."""

    figures = GuessFigures({})

    def __init__(self, to: tuple[str, int], guesses: int, seconds: float) -> None:
        self._command = [
            *(sys.executable, "-m", "tests.bench.guess", "--to", f"{to[0]}:{to[1]}"),
            *("--guesses", str(guesses), "--seconds", str(seconds)),
        ]

    def __enter__(self) -> Self:
        """Begin."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
        return self

    @property
    def cpu(self) -> float:
        """Seconds of CPU that it has used so far."""
        return cpu(self._process.pid)

    def __exit__(self, *end: object) -> None:
        """Wait for the last answers."""
        said = self._process.communicate()[0]
        self.figures = msgspec.json.decode(said, type=GuessFigures)


def run_load(to: tuple[str, int], tokens: Path, **options: str | float) -> LoadFigures:
    """Run the load generator to its end; `options` are those of its command line."""
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench.load"),
            *("--to", f"{to[0]}:{to[1]}", "--tokens", str(tokens)),
            *arguments,
        ],
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=LoadFigures)
