"""What must hold once a pair is at rest again, whatever was done to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

from appliance.control.schema import Status
from appliance.mail.views import MailView
from appliance.monitor.events import Event
from tests.pair.disks import dumped
from tests.pair.harness import Cluster, Node, until
from tests.pair.traffic import Flows, NextHop

_BAD_EVENTS = (
    Event.FAILED,
    Event.CONTENT_DAMAGED,
    Event.REPLICATION_REFUSED,
    Event.OUTCOME_REFUSED,
    Event.SPOOL_FAILED,
    Event.SMTP_FAILED,
)
_BAD_SIGNS = ("Traceback", *(f'"event":"{event}"' for event in _BAD_EVENTS))


def mail_of(status: Status) -> MailView:
    """The mail process's own view; it answered."""
    assert status.mail is not None
    return status.mail


async def at_rest(cluster: Cluster, patience: float = 60.0) -> MailView:
    """Wait until both nodes are paired, hold the same and have nothing to deliver.

    Returns the view of node a. Fails if the two count duplicates differently.
    """

    async def rest() -> MailView | None:
        a, b = [await node.status() for node in cluster.nodes]
        if not (a and b and a.mail and b.mail and _idle(a) and _idle(b)):
            return None
        return a.mail if a.mail.positions == b.mail.positions and _counted(a, b) else None

    return await until(rest, "both nodes at rest with the same counts", patience)


def _idle(status: Status) -> bool:
    mail, queue = mail_of(status), status.queue
    if queue is None or mail.mode != "paired" or mail.exposed or mail.open_leases:
        return False
    return not (queue.queued or queue.leased or queue.deferred or queue.waiting)


def _counted(a: Status, b: Status) -> bool:
    mine, theirs = mail_of(a), mail_of(b)
    return (mine.duplicates, mine.doubts) == (theirs.duplicates, theirs.doubts)


async def all_delivered(flows: Flows, hop: NextHop, patience: float = 60.0) -> None:
    """Wait until everything that has got 250 by now is at the next hop."""
    accepted = frozenset(flows.tokens)  # while mail flows, some of it is always on its way

    async def arrived() -> bool:
        return accepted <= hop.sink.seen.keys()

    try:
        await until(arrived, "delivery", patience)
    except AssertionError as error:
        missing = sorted(accepted - hop.sink.seen.keys())
        raise AssertionError(f"{len(missing)} messages lost, first {missing[:5]}") from error


def same_on_disk(cluster: Cluster, folder: Path) -> None:
    """Kill both nodes; fail unless their canonical dumps are equal."""
    cluster.kill()
    a, b = (dumped(node, folder / f"copy-{node.name}") for node in cluster.nodes)
    if a != b:
        only = len(set(a) - set(b)), len(set(b) - set(a))
        raise AssertionError(f"dumps differ: {only[0]} lines on a only, {only[1]} on b only")


def no_bad_signs(node: Node) -> None:
    """Fail if a log shows that something broke which nobody had broken."""
    for log in [node.data / "stderr", *_logs(node)]:
        lines = log.read_text(errors="replace").splitlines()
        bad = [line for line in lines if any(sign in line for sign in _BAD_SIGNS)]
        assert not bad, f"{log}: {bad[:3]}"


def modes(node: Node) -> list[str]:
    """The modes that the node went through, as its log tells."""
    return [event["mode"] for event in told(node, Event.MODE)]


def told(node: Node, event: Event) -> list[dict[str, Any]]:
    """What the mail process said of an event, in order."""
    lines = [line for log in _logs(node, "mail") for line in log.read_text().splitlines()]
    events = [json.loads(line) for line in lines if f'"event":"{event}"' in line]
    return sorted(events, key=itemgetter("at"))


def _logs(node: Node, process: str = "*") -> Iterator[Path]:
    """The logs of a process, older ones that were put aside included."""
    return (node.data / "log").glob(f"{process}.log*")
