"""The faults of one node, and how long a client is without service at each."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from types import TracebackType
from typing import Self

import msgspec

from tests.netns.contender import SMTP, Contender, signal_all
from tests.netns.lab import BACK, FRONT, VIRTUAL, Host, Lab
from tests.netns.probe import Probed, longest_gap
from tests.netns.watch import Holders

_LEAD = 0.5  # seconds of probing before a fault
_AFTER = 1.0  # and after everything is as it was
_TAKEN_OVER = 30.0
_ANSWER = 8.0


Deed = Callable[[Contender, Host], Awaitable[None]]


class Fault(msgspec.Struct, frozen=True):
    """`inflict` it on the node that is Active, `mend` it once the other has taken over."""

    name: str
    inflict: Deed
    mend: Deed
    takeovers: int | None = 1
    """How often the address has to move; None: it may stay."""
    pause: float = _AFTER
    """Seconds from the takeover to the mending."""


class Outcome(msgspec.Struct, frozen=True):
    """Seconds. `greeting`, `accepted`: the longest time without a 220, a 250.

    `returning`: the longest without a 220 while the node came back. `double`: how long both
    held the address, `double_after`: of that, after the mending began. `left`: until it was gone
    from the node that was hurt.
    """

    fault: Fault
    greeting: float
    accepted: float
    returning: float
    takeovers: int
    double: float
    double_after: float
    left: float
    probed: Probed


class ProbeProcess:
    """The probe in the client's namespace."""

    def __init__(
        self, lab: Lab, run: str, to: str = f"{VIRTUAL}:{SMTP}", patience: float = _ANSWER
    ) -> None:
        """`patience`: seconds that each attempt waits for its 250."""
        self._folder = TemporaryDirectory()
        self._result = Path(self._folder.name) / "result.json"
        self._process = subprocess.Popen(
            lab.client.namespace.command(
                *(sys.executable, "-m", "tests.netns.probe", "--to", to, "--run", run),
                *("--result", str(self._result), "--patience", f"{patience}"),
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout
        self._process.stdout.readline()

    def finish(self) -> Probed:
        """End it and return what it saw."""
        self._process.communicate()
        assert self._process.returncode == 0, f"the probe ended with {self._process.returncode}"
        return msgspec.json.decode(self._result.read_bytes(), type=Probed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._folder, self._process:  # which closes its pipes, too
            self._process.kill()


async def measure(contender: Contender, holders: Holders, fault: Fault, run: str) -> Outcome:
    """Inflict it once and see what it costs."""
    await contender.whole()
    active = await holders.settled()
    contender.lab.forget_neighbours()  # what the round before left there is that round's cost
    with ProbeProcess(contender.lab, run) as probe:
        await asyncio.sleep(_LEAD)
        struck = monotonic()
        await fault.inflict(contender, active)
        if fault.takeovers:
            await holders.moved(struck, _TAKEN_OVER)
        await asyncio.sleep(fault.pause)
        mended = monotonic()
        await fault.mend(contender, active)
        await contender.whole()
        await holders.only()
        await asyncio.sleep(_AFTER)
        ended = monotonic()
        probed = await asyncio.to_thread(probe.finish)
    back = ended - _AFTER / 2
    return Outcome(
        fault=fault,
        greeting=longest_gap(probed.greeted, struck, mended),
        accepted=longest_gap(probed.accepted, struck, mended),
        returning=longest_gap(probed.greeted, mended, back),
        takeovers=len(holders.takeovers(struck)),
        double=holders.overlap(struck, ended),
        double_after=holders.overlap(mended, ended),
        left=holders.left(active, struck) - struck,
        probed=probed,
    )


async def _link_down(contender: Contender, host: Host) -> None:
    contender.lab.link_down(host, FRONT)


async def _link_up(contender: Contender, host: Host) -> None:
    contender.lab.link_up(host, FRONT)


async def _isolate(contender: Contender, host: Host) -> None:
    contender.lab.link_down(host, FRONT, BACK)


async def _connect(contender: Contender, host: Host) -> None:
    contender.lab.link_up(host, FRONT, BACK)


async def _mute(contender: Contender, host: Host) -> None:
    contender.lab.mute(host)


async def _heal(contender: Contender, host: Host) -> None:
    contender.lab.heal()


async def _kill_node(contender: Contender, host: Host) -> None:
    contender.kill_node(host)


async def _kill_server(contender: Contender, host: Host) -> None:
    contender.kill_server(host)


async def _kill_failover(contender: Contender, host: Host) -> None:
    contender.kill_failover(host)


async def _kill_guardian(contender: Contender, host: Host) -> None:
    contender.kill_guardian(host)


async def _revive(contender: Contender, host: Host) -> None:
    contender.revive(host)


async def _power_off(contender: Contender, host: Host) -> None:
    contender.lab.link_down(host, FRONT, BACK)
    contender.kill_node(host)
    contender.lab.clear(host)


async def _power_on(contender: Contender, host: Host) -> None:
    contender.lab.link_up(host, FRONT, BACK)
    contender.revive(host)


def _pause(seconds: float) -> Deed:
    async def pause(contender: Contender, host: Host) -> None:
        signal_all(contender.pids(host), signal.SIGSTOP)
        await asyncio.sleep(seconds)

    return pause


async def _resume(contender: Contender, host: Host) -> None:
    signal_all(contender.pids(host), signal.SIGCONT)


async def _switch_over(contender: Contender, host: Host) -> None:
    await contender.switch_over(host)


async def _restart_all(contender: Contender, host: Host) -> None:
    """First the one that has the address, so it moves twice."""
    for each in sorted(contender.lab.nodes, key=lambda one: one is not host):
        await contender.restart(each)


async def _nothing(contender: Contender, host: Host) -> None:
    """It mended itself."""


FAULTS = (
    Fault("link down", _link_down, _link_up),
    Fault("all links down", _isolate, _connect),
    Fault("switch drops all", _mute, _heal),
    Fault("kill -9 node", _kill_node, _revive),
    Fault("kill -9 mail", _kill_server, _revive, takeovers=None),
    Fault("kill -9 failover", _kill_failover, _revive, takeovers=None),
    Fault("kill -9 guardian", _kill_guardian, _revive, takeovers=None),
    Fault("power off", _power_off, _power_on),
    Fault("SIGSTOP 1 s", _pause(1.0), _resume, pause=0.0),
    Fault("SIGSTOP 5 s", _pause(5.0), _resume, pause=0.0),
    Fault("switchover", _switch_over, _revive),
    Fault("rolling restart", _restart_all, _nothing, takeovers=2),
)
