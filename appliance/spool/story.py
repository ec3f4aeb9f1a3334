"""A message's story: what the journal still tells of it."""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from appliance.mail.views import Step
from appliance.replica.message import FINAL
from appliance.replica.record import (
    Accepted,
    Ended,
    Ending,
    Leased,
    Logged,
    Note,
    Record,
    Removed,
    Segment,
    decode,
)
from appliance.spool.messages import lsns
from appliance.spool.scene import Scene, reply_text

_SEGMENT = "SELECT segment FROM journal WHERE lsn=?"


def story(
    db: apsw.Connection, trace: bytes, queue_id: str, scene: Scene
) -> tuple[tuple[Step, ...], dict[int, Note]]:
    """The steps in the order in which this node learned of them, and recipients' final replies."""
    steps, last = list[Step](), dict[int, Note]()
    for lsn in lsns(trace):
        data = db.execute(_SEGMENT, (lsn,)).get
        if data is None:
            continue  # the journal was pruned meanwhile
        segment = decode(data)
        for record in segment.records:
            if getattr(record, "queue_id", None) == queue_id:
                steps += _steps(record, segment, scene)
                if isinstance(record, Ended):
                    last |= {
                        e.index: e.note for e in record.endings if e.note and e.result in FINAL
                    }
    return tuple(steps), last


def _steps(record: Record, segment: Segment, scene: Scene) -> Iterator[Step]:
    writer = scene.ownership.nodes.get(segment.incarnation, b"")
    ago = max(0, scene.now - scene.local(segment.at, writer))
    for kind, recipients, detail in _told(record):
        yield Step(
            ago=ago, node=scene.name_of(writer), kind=kind, recipients=recipients, detail=detail
        )


def _told(record: Record) -> Iterator[tuple[str, tuple[int, ...], str]]:
    match record:
        case Accepted():
            yield "accepted", (), "held" if record.held else ""
        case Leased():
            doubt = "the other node may have attempted it unseen" if record.stale else ""
            yield "leased", record.recipients, doubt
        case Ended():
            grouped = dict[str, list[int]]()
            for ending in record.endings:
                grouped.setdefault(_ending(ending), []).append(ending.index)
            for detail, recipients in grouped.items():
                yield "ended", tuple(recipients), detail
        case Logged():
            to = {log.address for _, log in record.logs if log.address}
            aim = f" to {', '.join(sorted(to))}" if record.action == "redirect" else ""
            yield "logged", tuple(index for index, _ in record.logs), record.action + aim
        case Removed():
            yield "removed", record.recipients, ""


def _ending(ending: Ending) -> str:
    text = ending.result.name.lower()
    if ending.mailbox is not None:
        text += f" to mailbox {ending.mailbox}"
    elif ending.note and ending.note.remote:
        text += f" by {ending.note.remote}"
    return f"{text}: {reply_text(ending.note)}" if ending.note and ending.note.code else text
