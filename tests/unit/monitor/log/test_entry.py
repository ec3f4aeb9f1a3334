"""Lines of logs become events, whatever else stands between them."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from appliance.monitor.events import Event, EventLog
from appliance.monitor.log.entry import (
    OUTPUT_LIMIT,
    Entry,
    entries,
    milliseconds,
    parsed,
    rfc3339,
)
from appliance.monitor.severity import KEEPS, RANKS, SEVERITIES, Severity
from tests.unit.monitor.log.rig import START, queue_id

VALUES = st.dictionaries(
    st.text(max_size=8).filter(lambda name: name not in ("id", "event", "at", "process")),
    st.text() | st.integers() | st.lists(st.text()) | st.none() | st.booleans(),
    max_size=4,
)


def line(event: Event = Event.SENT, number: int = 1, **values: object) -> bytes:
    lines: list[bytes] = []
    EventLog(lines.append, "mail", lambda: START)(event, queue_id(number), **values)
    return lines[0].removesuffix(b"\n")


def test_every_event_has_one_severity() -> None:
    assert set(SEVERITIES) == set(Event)
    assert set(KEEPS) <= set(Event)


@given(VALUES)
def test_what_the_log_writes_is_read_back(values: dict[str, object]) -> None:
    lines: list[bytes] = []
    log = EventLog(lines.append, "mail", lambda: START)
    log("sent", queue_id(7), **{f"_{name}": value for name, value in values.items()})
    (found,) = entries([lines[0].removesuffix(b"\n")], "mail", 0)
    assert (found.at, found.event, found.process, found.queue_id) == (
        START,
        "sent",
        "mail",
        queue_id(7),
    )
    written = msgspec.json.decode(lines[0], type=dict[str, object])
    for name in ("id", "event", "at", "process"):
        del written[name]
    assert msgspec.json.decode(found.fields) == written


@given(st.lists(st.binary(max_size=60)), st.lists(st.booleans()))
def test_anything_else_is_output_and_hides_no_event(foreign: list[bytes], put: list[bool]) -> None:
    lines: list[bytes] = []
    for number, text in enumerate(foreign):
        lines += text.split(b"\n")
        if number < len(put) and put[number]:
            lines.append(line(number=number))
    found = list(entries(lines, "mail", 5))
    told = [one.queue_id for one in found if one.queue_id]
    assert told == [queue_id(n) for n, there in enumerate(put[: len(foreign)]) if there]
    for one in found:
        msgspec.json.decode(msgspec.json.encode(one), type=Entry)


def test_a_traceback_is_one_event() -> None:
    text = [b"Traceback (most recent call last):", b'  File "x.py", line 1', b"KeyError: 'x'"]
    (found,) = entries(text, "mail", 5)
    assert (found.event, found.at, RANKS[found.severity]) == (Event.OUTPUT, 5, Severity.ERROR)
    assert msgspec.json.decode(found.fields) == {"text": b"\n".join(text).decode()}


def test_a_traceback_has_the_time_of_what_came_after_it() -> None:
    found = list(entries([b"Traceback", line()], "mail", 5))
    assert [(one.event, one.at) for one in found] == [("output", START), ("sent", START)]


def test_a_whole_line_behind_half_of_one_is_not_lost() -> None:
    broken = line(number=1)[:40] + line(number=2)
    assert [(one.event, one.queue_id) for one in entries([broken], "mail", 5)] == [
        ("output", ""),
        ("sent", queue_id(2)),
    ]


def test_zeros_of_a_power_cut_are_nothing() -> None:
    assert list(entries([b"\0" * 4096], "mail", 5)) == []


def test_output_is_cut() -> None:
    (found,) = entries([b"x" * 100_000], "mail", 5)
    assert len(found.fields) < OUTPUT_LIMIT + 100


def test_what_only_looks_like_an_event_is_none() -> None:
    good = line()
    assert parsed(good) is not None
    for bad in (
        good.replace(b'"sent"', b'"SENT; DROP"'),
        good.replace(b'"mail"', b'"../mail"'),
        good.replace(b'"sent"', b"7"),
        good.replace(b"2026", b"20261"),
        good.replace(b"Z", b""),
        b"[" * 50_000,
        b'{"id":"","event":' + b"[" * 50_000,
    ):
        assert parsed(bad) is None


def test_what_is_no_queue_id_is_a_field() -> None:
    found = parsed(line().replace(queue_id(1).encode(), b"\\u001b[2J"))
    assert found is not None
    assert (found.queue_id, msgspec.json.decode(found.fields)) == ("", {"id": "\x1b[2J"})


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_times_come_back(at: int) -> None:
    assert milliseconds(rfc3339(at)) == at


@given(st.integers())
def test_any_number_is_shown_as_some_time(at: int) -> None:
    milliseconds(rfc3339(at))
