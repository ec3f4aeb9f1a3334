"""An event as it is kept, and how it is read from a line of a log file. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from appliance.monitor.events import Event
from appliance.monitor.severity import KEEPS, RANKS, SEVERITIES, Keep, Severity

LINE_LIMIT = 64 * 1024
"""A longer line is no event of ours."""
OUTPUT_LIMIT = 16 * 1024
"""Bytes that are kept of text between events, such as a traceback."""

_START = b'{"id":'
_EVENT = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PROCESS = re.compile(r"[a-z][a-z0-9_]{0,31}")
_QUEUE_ID = re.compile(r"[0-9A-Z]{14,40}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_decode = msgspec.json.Decoder(dict[str, object]).decode
_encode = msgspec.json.Encoder().encode


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One event; `number` is that of its node's store, 0 before it is stored.

    `at` is the wall clock of its node in milliseconds, `severity` a rank in `RANKS`, `keep` a
    `Keep`, `fields` the rest as a JSON object.
    """

    number: Annotated[int, Meta(ge=0, lt=1 << 40)]
    at: Annotated[int, Meta(ge=-(1 << 62), le=1 << 62)]
    event: str
    process: str
    queue_id: str
    severity: Annotated[int, Meta(ge=0, lt=len(RANKS))]
    keep: Annotated[int, Meta(ge=0, lt=len(Keep))]
    fields: str


def entries(lines: Iterable[bytes], process: str, at: int) -> Iterator[Entry]:
    """What the lines of a process's log tell.

    Text of others (a traceback, half a line) becomes `output`, one for each run of it, with the
    time of the event after it, or `at` if none follows.
    """
    foreign: list[bytes] = []
    for line in lines:
        entry = parsed(line)
        before = b""
        if entry is None and (start := line.rfind(_START)) > 0:
            # Half a line, as a full disk leaves it, and a whole one written behind it.
            before, entry = line[:start], parsed(line[start:])
        if entry is None:
            foreign.append(line)
            continue
        if before:
            foreign.append(before)
        yield from _output(foreign, process, entry.at)
        foreign = []
        yield entry
    yield from _output(foreign, process, at)


def parsed(line: bytes) -> Entry | None:
    """The event that a line tells, None if it is none of `EventLog`'s."""
    if len(line) > LINE_LIMIT or not line.startswith(b"{"):
        return None
    try:
        values = _decode(line)
        event, process = values.pop("event"), values.pop("process")
        at = milliseconds(str(values.pop("at")))
        queue_id = values.pop("id", "")
        if not isinstance(queue_id, str) or not _QUEUE_ID.fullmatch(queue_id):
            if queue_id:
                values["id"] = queue_id
            queue_id = ""
        fields = _encode(values).decode()
    except (KeyError, ValueError, OverflowError, RecursionError, msgspec.DecodeError):
        return None
    if not isinstance(event, str) or not _EVENT.fullmatch(event):
        return None
    if not isinstance(process, str) or not _PROCESS.fullmatch(process):
        return None
    return made(at, event, process, queue_id, fields)


def made(at: int, event: str, process: str, queue_id: str, fields: str) -> Entry:
    """An entry with the severity of its event."""
    severity = RANKS.index(SEVERITIES.get(event, Severity.INFO))
    keep = KEEPS.get(event, Keep.NORMALLY)
    return Entry(0, at, event, process, queue_id, severity, keep, fields)


def milliseconds(text: str) -> int:
    """RFC 3339 as milliseconds since 1970; ValueError if it is none, or without its zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} does not say its zone")
    return (moment - _EPOCH) // _MILLISECOND


def rfc3339(at: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC; what no calendar has as its nearest."""
    try:
        moment = _EPOCH + at * _MILLISECOND
    except OverflowError:
        return "0001-01-01T00:00:00.000Z" if at < 0 else "9999-12-31T23:59:59.999Z"
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _output(foreign: list[bytes], process: str, at: int) -> Iterator[Entry]:
    text = b"\n".join(foreign)[:OUTPUT_LIMIT].decode("utf-8", "backslashreplace")
    if text.strip("\0 \t\r\n"):
        # Blocks that a power cut left unwritten are zeros: nobody said them.
        fields = _encode({"text": text.strip("\0")}).decode()
        yield made(at, Event.OUTPUT, process, "", fields)
