"""Seeded schedules of faults: one Active when the faults are over, one takeover at a death.

A failing seed says all: `pytest -k 'seed and 17'`. FAILOVER_SEEDS=1000 plays more of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from appliance.failover.parameters import CENTISECOND, VirtualRouter, active_down_interval
from appliance.failover.router import Reason, State
from tests.scenario.failover.world import MILLISECOND, SECOND, Machine, Wire, World

SEEDS = range(int(os.environ.get("FAILOVER_SEEDS", "40")))
INTERVAL = 10 * CENTISECOND
VIPS = (IPv4Address("192.0.2.101"), IPv4Address("192.0.2.102"))
LONGEST = 5 * MILLISECOND  # delay of a packet on a sound wire
DRIFT = 10_000  # clocks are wrong by up to one in a hundred


def pair(
    world: World, priorities: tuple[int, int] = (200, 100), *, preempt: bool = False, both: bool
) -> tuple[Machine, Machine]:
    """Active-active if `both`: each node has the higher priority for one of two addresses."""

    def routers(*given: int) -> list[VirtualRouter]:
        return [
            VirtualRouter(vrid=vrid, addresses=(vip,), priority=priority, preempt=preempt)
            for vrid, (vip, priority) in enumerate(zip(VIPS, given, strict=False), 1)
        ]

    high, low = priorities
    a = world.add("a", *routers(*((high, low) if both else (high,))))
    b = world.add("b", *routers(*((low, high) if both else (low,))))
    for machine in (a, b):
        machine.base = world.random.randrange(SECOND)
        machine.rate = world.random.randint(-DRIFT, DRIFT)
    for wire in world.wires.values():
        wire.delay = (0, LONGEST)
    for machine in (a, b):
        machine.start()
    return a, b


def start(machine: Machine) -> None:
    if machine.node is None:
        machine.start()


def suffer(world: World) -> None:
    """A random fault, or the end of one."""
    random = world.random
    wire: Wire = random.choice(list(world.wires.values()))
    machine = random.choice(list(world.machines.values()))
    faults: list[Callable[[], None]] = [
        machine.stall,
        machine.go_on,
        machine.go_on,
        machine.die,
        lambda: start(machine),
        lambda: start(machine),
        machine.shut_down if not machine.stalled else machine.die,
        lambda: (
            machine.health(random.choice([0, 1, 50, 150, 250])) if not machine.stalled else None
        ),
        lambda: setattr(wire, "cut", random.random() < 0.5),
        lambda: setattr(wire, "loss", random.choice([0.0, 0.3, 0.9])),
        lambda: setattr(wire, "repeat", random.choice([0.0, 0.5])),
        lambda: setattr(wire, "delay", random.choice([(0, LONGEST), (0, 3 * INTERVAL)])),
    ]
    random.choice(faults)()


def heal(world: World, a: Machine, b: Machine) -> None:
    for wire in world.wires.values():
        wire.cut, wire.loss, wire.delay = False, 0.0, (0, LONGEST)
    for machine in (a, b):
        machine.go_on()
        start(machine)
        machine.health(200 if machine is a else 100)


def settled(world: World, a: Machine, b: Machine) -> bool:
    return all(len(world.active(vrid)) == 1 for vrid in a.node.routers) if a.node else False


@pytest.mark.parametrize("both", [False, True], ids=["passive", "active"])
@pytest.mark.parametrize("seed", SEEDS)
def test_one_active_once_the_faults_are_over(seed: int, both: bool) -> None:
    world = World(seed, paths=1 + seed % 2)
    a, b = pair(world, (200, 200 if seed % 3 == 0 else 100), preempt=seed % 5 == 0, both=both)
    for _ in range(40):
        world.run(world.random.randrange(6 * INTERVAL))
        suffer(world)
    heal(world, a, b)
    world.run(active_down_interval(1, 10))  # connectivity has lasted Active_Down_Interval
    world.double = 0
    world.run(5 * SECOND)
    assert world.double == 0
    assert settled(world, a, b)
    changes = len(a.transitions) + len(b.transitions)
    world.run(5 * SECOND)
    assert len(a.transitions) + len(b.transitions) == changes  # and so it stays
    assert a.alive[-1][1]
    assert b.alive[-1][1]


@pytest.mark.parametrize("both", [False, True], ids=["passive", "active"])
@pytest.mark.parametrize("seed", SEEDS)
def test_one_takeover_at_a_death(seed: int, both: bool) -> None:
    world = World(seed, paths=1 + seed % 2)
    a, b = pair(world, both=both)
    world.run(2 * SECOND + world.random.randrange(INTERVAL))
    assert settled(world, a, b)
    (name,) = world.active()
    dead = world.machines[name]
    (before, died) = (len(dead.peer.transitions), world.now)
    dead.die()
    world.run(10 * SECOND)
    ((when, change),) = dead.peer.transitions[before:]
    assert (change.after, change.reason) == (State.ACTIVE, Reason.SILENCE)
    down = active_down_interval(100, 10)
    slack = down // 50  # the clock of the Backup
    assert down - INTERVAL - slack <= when - died <= down + LONGEST + slack
    assert world.active() == [dead.peer.name]
    assert [alive for _, alive in dead.peer.alive] == [True, False]


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_loss_on_one_of_two_paths_moves_nothing(seed: int) -> None:
    world = World(seed, paths=2)
    a, b = pair(world, both=True)
    world.run(2 * SECOND)
    changes = len(a.transitions) + len(b.transitions)
    world.wires[1 + seed % 2].loss = 0.3
    world.run(30 * SECOND)
    assert len(a.transitions) + len(b.transitions) == changes
    assert [alive for _, alive in a.alive + b.alive] == [True, True]


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_a_stopped_node_drops_its_address_as_it_goes_on(seed: int) -> None:
    world = World(seed)
    a, b = pair(world, both=False)
    world.run(2 * SECOND)
    assert world.active() == ["a"]
    a.stall()
    world.run(5 * SECOND)
    assert world.active() == ["a", "b"]  # a's is still bound, and nobody can take it from it
    a.go_on()
    assert world.active() == ["b"]
    world.run(5 * SECOND)
    assert world.active() == ["b"]
    assert [change.reason for _, change in b.transitions] == [Reason.STARTUP, Reason.SILENCE]


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_a_planned_shutdown_never_has_two_holders(seed: int) -> None:
    world = World(seed)
    a, b = pair(world, both=False)
    world.run(2 * SECOND)
    world.double = world.nobody = 0
    a.shut_down()
    world.run(2 * SECOND)
    assert world.active() == ["b"]
    assert world.double == 0
    assert world.nobody < 100 * MILLISECOND  # of virtual time: skew and wire
    assert b.transitions[-1][1].reason is Reason.RELEASED
