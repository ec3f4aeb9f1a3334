"""What the update of a pair does next, given how both nodes are. No I/O.

The node that serves no address goes first; its own update hands over what the other one has to be
given. Everything is decided from what the nodes say of themselves: so it can be begun again at any
time, also by a control process of the release that has come meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.control.schema_updates import RollView, Updates

_ENDED_BADLY = ("failed", "back")


@dataclass(frozen=True)
class Facts:
    """A node as it says it is: `active` holds a virtual address, `whole`: all services run."""

    updates: Updates
    mode: str
    whole: bool
    active: bool


@dataclass(frozen=True)
class Wait:
    """Nothing can be done now; `text` says what for."""

    text: str


@dataclass(frozen=True)
class Send:
    """Have the other node get the bundle."""


@dataclass(frozen=True)
class Start:
    """Have the node called `name` update itself."""

    name: str


@dataclass(frozen=True)
class Stop:
    """Something is not well: nobody goes on by himself."""

    error: str
    hint: str


@dataclass(frozen=True)
class Finished:
    """Both nodes run it, and are paired."""


Step = Wait | Send | Start | Stop | Finished


def first_of(own: Facts, peer: Facts) -> str:
    """Who is updated first: the Backup, and of two like ones the other node."""
    return own.updates.node if peer.active and not own.active else peer.updates.node


def next_step(roll: RollView, own: Facts, peer: Facts | None) -> Step:
    """See above."""
    if peer is None:
        return Wait("waiting for the other node to answer")
    facts: Mapping[str, Facts] = {own.updates.node: own, peer.updates.node: peer}
    order = sorted(facts, key=lambda name: name != roll.first)
    for name in order:
        node, update = facts[name], facts[name].updates.update
        if update is not None and not update.over:
            return Wait(f"{name}: {update.text or update.phase}")
        if node.updates.release == roll.release:
            continue
        if update is not None and update.began == roll.started.get(name):
            if update.phase in _ENDED_BADLY:
                return Stop(f"{name}: {update.error}", update.hint)
        if waiting := _not_well(own, peer):
            return Wait(f"{waiting}, before {name} is updated")
        if own.updates.received != roll.bundle:
            hint = "begin the update of the pair again, with the bundle that is meant"
            return Stop("another bundle has been sent to this node", hint)
        if peer.updates.received != roll.bundle:
            return Send()
        return Start(name)
    waiting = _not_well(own, peer)
    return Wait(waiting) if waiting else Finished()


def _not_well(own: Facts, peer: Facts) -> str:
    for node in (own, peer):
        if not node.whole:
            return f"waiting for all services of {node.updates.node}"
        if node.mode != "paired":
            return "waiting for the nodes to be paired"
    return ""
