"""Rules about the virtual addresses and the heartbeats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from appliance.failover.router import State
from appliance.ipc.failover import FailoverView, RouterView
from appliance.mail.visible import visible
from appliance.monitor.alerts.rule import HOUR, SECOND, Condition, Found, Rule, Severity
from appliance.monitor.snapshot import Snapshot


def _of_failover(condition: Callable[[FailoverView], Iterable[Found]]) -> Condition:
    return lambda seen: None if seen.failover is None else condition(seen.failover)


def _down(seen: Snapshot) -> Iterable[Found]:
    if seen.virtual and seen.failover is None:
        text = "The failover process does not answer: this node takes no virtual address."
        return [Found(text)]
    return []


def _maintenance(view: FailoverView) -> Iterator[Found]:
    if view.maintenance:
        yield Found("In maintenance: this node takes no virtual address if the other one fails.")


def _paths(view: FailoverView) -> Iterator[Found]:
    for path in view.paths:
        if view.peer_alive and not path.alive:
            why = f": {visible(path.error, 200)}" * bool(path.error)
            yield Found(f"No heartbeat comes from {path.peer}{why}.", path.peer)


def _foreign(view: FailoverView) -> Iterator[Found]:
    for one in view.foreign:
        text = f"{visible(one.hardware, 60)} answers for {one.address}, which this node holds."
        yield Found(text, one.address)


def _differ(seen: Snapshot) -> Iterable[Found] | None:
    """RFC 9568 §7.1: a receiver may verify that both list the same addresses."""
    if seen.failover is None or seen.peer_routers is None:
        return None
    here = {str(one.vrid): one.addresses for one in seen.failover.routers}
    there = seen.peer_routers
    return [
        Found(
            f"Virtual router {visible(vrid, 3)} has {_listed(here.get(vrid, ()))} on this node,"
            f" {_listed(there.get(vrid, ()))} on the other one.",
            visible(vrid, 3),
        )
        for vrid in sorted(here.keys() | there.keys())
        if set(here.get(vrid, ())) != set(there.get(vrid, ()))
    ]


def _listed(addresses: Sequence[str]) -> str:
    return visible(", ".join(addresses), 200) or "no address"


def _each(condition: Callable[[RouterView, FailoverView], str]) -> Condition:
    """`condition` says what is wrong with a virtual router, "" if nothing is."""

    def found(view: FailoverView) -> Iterator[Found]:
        for router in view.routers:
            if text := condition(router, view):
                yield Found(text, str(router.vrid))

    return _of_failover(found)


def _which(router: RouterView) -> str:
    return f"virtual router {router.vrid} ({', '.join(router.addresses)})"


def _both(router: RouterView, view: FailoverView) -> str:
    both = router.state == State.ACTIVE and router.peer_active
    return f"Both nodes are Active for {_which(router)}." if both else ""


def _nobody(router: RouterView, view: FailoverView) -> str:
    if router.state == State.ACTIVE or router.peer_active:
        return ""
    why = visible(router.why, 300) if router.why else "this one is about to be"
    return f"No node is Active for {_which(router)}: {why}."


def _lowered(router: RouterView, view: FailoverView) -> str:
    lowered = router.priority < router.configured and not view.maintenance
    return f"Less fit for {_which(router)}: {visible(router.why, 300)}." if lowered else ""


RULES: tuple[Rule, ...] = (
    Rule(
        "failover_down",
        Severity.CRITICAL,
        _down,
        "the failover process does not answer",
        "it is started again by itself; if it keeps failing, read log/failover.log",
        after=10 * SECOND,
    ),
    Rule(
        "both_active",
        Severity.CRITICAL,
        _each(_both),
        "both nodes hold the same virtual addresses",
        "if it does not end within a second: see that both nodes use one [failover] table",
        after=2 * SECOND,
        shared=True,
    ),
    Rule(
        "not_served",
        Severity.CRITICAL,
        _each(_nobody),
        "no node holds the virtual addresses",
        "see `twinpost failover status` on both nodes",
        after=5 * SECOND,
        shared=True,
    ),
    Rule(
        "addresses_differ",
        Severity.CRITICAL,
        _differ,
        "the two nodes' node.toml name different virtual addresses",
        "give both the same [failover] routers: screen Settings, key n",
        after=60 * SECOND,
        shared=True,
    ),
    Rule(
        "priority_lowered",
        Severity.WARNING,
        _each(_lowered),
        "health has lowered the priority of the node",
        "remove the cause; the address stays with the node that has it",
        after=30 * SECOND,
    ),
    Rule(
        "path_down",
        Severity.WARNING,
        _of_failover(_paths),
        "one of the heartbeat paths is silent, the peer is heard on another one",
        "repair that network, and let UDP through in both directions",
        after=30 * SECOND,
    ),
    Rule(
        "address_conflict",
        Severity.CRITICAL,
        _of_failover(_foreign),
        "another machine answers for a virtual address",
        "find the machine with that hardware address and take the address from it",
    ),
    Rule(
        "maintenance",
        Severity.WARNING,
        _of_failover(_maintenance),
        "the node has been in maintenance for hours: perhaps it was forgotten",
        "when you are done: twinpost maintenance off",
        after=4 * HOUR,
    ),
)
