r"""Scenarios of failover as text, played in virtual time.

    start a priority=200 preempt; start b priority=100; run 10s
    ----
    3.219 a Backup → Active: silence of the other
    a Active   b Backup   # nobody 3.219 s, both 0.000 s

Above the line: `start NAME [priority=N] [interval=CS] [preempt]`, `run SECONDSs`, `partition`,
`heal`, `loss PATH PERCENT%`, `stop NAME` and `continue NAME` (SIGSTOP, SIGCONT), `kill NAME`,
`shutdown NAME`, `health NAME PRIORITY`. Below it: every change with the time since the first
start, then what the machines are, and for how long of this block nobody or both held the address
(a stopped machine holds it still). `paths=2` in the first line gives two paths.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from appliance.failover.parameters import VirtualRouter
from appliance.failover.router import State
from tests.scenario.failover.world import SECOND, Machine, World

LINE = "----"
VIP = IPv4Address("192.0.2.100")


def play(text: str) -> str:
    """The same text with what came of it."""
    world = World(seed=1, paths=2 if "paths=2" in text.splitlines()[0] else 1)
    blocks = (block.split(f"\n{LINE}", 1)[0] for block in text.strip().split("\n\n"))
    return "\n\n".join("\n".join([block, LINE, *_play(world, block)]) for block in blocks) + "\n"


def _play(world: World, block: str) -> Iterator[str]:
    seen = {name: len(machine.transitions) for name, machine in world.machines.items()}
    world.double = world.nobody = 0
    lines = [line for line in block.splitlines() if not line.startswith("#")]
    for command in ";".join(lines).split(";"):
        _command(world, *command.split())
    changes = [
        (when, name, change)
        for name, machine in world.machines.items()
        for when, change in machine.transitions[seen.get(name, 0) :]
    ]
    for when, name, change in sorted(changes, key=lambda c: c[0]):
        yield f"{_seconds(when)} {name} {change.before} → {change.after}: {change.reason}"
    yield (
        "   ".join(f"{name} {_state(world, name)}" for name in sorted(world.machines))
        + f"   # nobody {_seconds(world.nobody)} s, both {_seconds(world.double)} s"
    )


_TO_MACHINES = {
    "stop": Machine.stall,
    "continue": Machine.go_on,
    "kill": Machine.die,
    "shutdown": Machine.shut_down,
}


def _command(world: World, verb: str, *words: str) -> None:
    if verb in _TO_MACHINES:
        (name,) = words
        _TO_MACHINES[verb](world.machines[name])
        return
    match verb, *words:
        case "start", name, *settings:
            _start(world, name, settings)
        case "run", duration:
            world.run(int(float(duration.removesuffix("s")) * SECOND))
        case (("partition" | "heal"), *_):
            for wire in world.wires.values():
                wire.cut = verb == "partition"
        case "loss", path, percent:
            world.wires[int(path)].loss = int(percent.removesuffix("%")) / 100
        case "health", name, priority:
            world.machines[name].health(int(priority))
        case _:
            assert verb.startswith("paths="), f"no command {verb} {words}"


def _start(world: World, name: str, settings: list[str]) -> None:
    if name in world.machines:
        world.machines[name].start()
        return
    numbers = {k: int(v) for k, _, v in (s.partition("=") for s in settings) if v}
    router = VirtualRouter(
        vrid=1,
        addresses=(VIP,),
        priority=numbers.get("priority", 100),
        interval=numbers.get("interval", 100),
        preempt="preempt" in settings,
    )
    world.after(0, world.add(name, router).start)  # once both are there


def _state(world: World, name: str) -> str:
    machine = world.machines[name]
    if machine.node is None:
        return "off"
    stopped = " (stopped)" if machine.stalled else ""
    return (machine.state() or State.INITIALIZE).value + stopped


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / SECOND:.3f}"
