"""What the state of failover means: alarms with what to do."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.control.schema import Alarm, Severity
from appliance.failover.router import State
from appliance.ipc.failover import FailoverView, RouterView

DOWN = Alarm(
    name="failover_down",
    severity=Severity.CRITICAL,
    text="The failover process does not answer: this node takes no virtual address.",
    hint="it is started again by itself; if it keeps failing, read log/failover.log",
)
_MAINTENANCE = Alarm(
    name="maintenance",
    severity=Severity.WARNING,
    text="In maintenance: this node takes no virtual address if the other one fails.",
    hint="when you are done: twinpost maintenance off",
)


def failover_alarms(view: FailoverView) -> Iterator[Alarm]:
    """Everything about failover that is not as it should be."""
    if view.maintenance:
        yield _MAINTENANCE
    for path in view.paths:
        if view.peer_alive and not path.alive:
            yield Alarm(
                name="path_down",
                severity=Severity.WARNING,
                text=f"No heartbeat comes from {path.peer}{f': {path.error}' * bool(path.error)}.",
                hint="repair that network, and let UDP through in both directions",
            )
    for router in view.routers:
        yield from _router_alarms(router, view.maintenance)
    for one in view.foreign:
        yield Alarm(
            name="address_conflict",
            severity=Severity.CRITICAL,
            text=f"{one.hardware} answers for {one.address}, which this node holds.",
            hint="find the machine with that hardware address and take the address from it",
        )


def _router_alarms(router: RouterView, maintenance: bool) -> Iterator[Alarm]:
    which = f"virtual router {router.vrid} ({', '.join(router.addresses)})"
    active = router.state == State.ACTIVE
    if active and router.peer_active:
        yield Alarm(
            name="both_active",
            severity=Severity.CRITICAL,
            text=f"Both nodes are Active for {which}.",
            hint="if it does not end within a second: see that both nodes use one [failover] table",
        )
    elif not active and not router.peer_active:
        yield Alarm(
            name="not_served",
            severity=Severity.CRITICAL,
            text=f"No node is Active for {which}: {router.why or 'this one is about to be'}.",
            hint="see `twinpost failover status` on both nodes",
        )
    if router.priority < router.configured and not maintenance:
        yield Alarm(
            name="priority_lowered",
            severity=Severity.WARNING,
            text=f"Less fit for {which}: {router.why}.",
            hint="remove the cause; the address stays with the node that has it",
        )
