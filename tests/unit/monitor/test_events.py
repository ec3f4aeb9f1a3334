"""The event log: closed vocabulary, queue id first, rotation, and a disk that is full."""

from __future__ import annotations

import ast
import errno
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

import appliance
from appliance.monitor.events import Event, EventLog, LogFile, LogThread

AT = int(datetime(2026, 11, 22, 2, 30, tzinfo=UTC).timestamp()) * 1000 + 123


def log_to(lines: list[bytes]) -> EventLog:
    return EventLog(lines.append, "mail", lambda: AT)


def test_a_line_opens_with_the_queue_id() -> None:
    lines: list[bytes] = []
    log_to(lines)(Event.SMTP_ACCEPTED, "0123ABCDEF0001", size=42, client="127.0.0.1")
    assert lines == [
        b'{"id":"0123ABCDEF0001","event":"smtp_accepted","at":"2026-11-22T02:30:00.123Z",'
        b'"process":"mail","size":42,"client":"127.0.0.1"}\n'
    ]


def test_what_came_from_outside_stays_one_line_without_controls() -> None:
    lines: list[bytes] = []
    log_to(lines)(Event.SMTP_REJECTED, helo='a"\r\n\x1b[2J', sender="\udce9@site.test")
    (line,) = lines
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert not any(byte < 32 for byte in line[:-1])
    assert msgspec.json.decode(line)["sender"] == "\\udce9@site.test"


def test_lines_lost_to_a_full_disk_are_counted() -> None:
    lines: list[bytes] = []
    full = True

    def write(line: bytes) -> None:
        if full:
            raise OSError(28, "No space left on device")
        lines.append(line)

    log = EventLog(write, "mail", lambda: AT)
    log(Event.NODE_STARTED)
    log(Event.NODE_READY)
    full = False
    log(Event.NODE_STOPPING)
    told = [msgspec.json.decode(line) for line in b"".join(lines).splitlines()]
    assert [one["event"] for one in told] == ["log_lines_lost", "node_stopping"]
    assert told[0]["lines"] == 2


def test_a_disk_that_hangs_holds_nobody_up_and_costs_lines() -> None:
    lines: list[bytes] = []
    hangs, reached = threading.Event(), threading.Event()

    def write(line: bytes) -> None:
        reached.set()
        assert hangs.wait(60)
        lines.append(line)

    thread = LogThread(write, limit=2)
    log = EventLog(thread.write, "failover", lambda: AT)
    log(Event.NODE_STARTED)
    assert reached.wait(60)
    for _ in range(4):  # two wait, two are lost
        log(Event.TRANSITION)
    hangs.set()
    thread.close(60)
    assert [msgspec.json.decode(line)["event"] for line in lines] == [
        "node_started",
        "transition",
        "transition",
    ]


def test_a_full_disk_does_not_end_the_thread() -> None:
    lines: list[bytes] = []

    def write(line: bytes) -> None:
        lines.append(line)
        if len(lines) == 1:
            raise OSError(errno.ENOSPC, "full")

    thread = LogThread(write)
    thread.write(b"1")
    thread.write(b"2")
    thread.close(60)
    assert lines == [b"1", b"2"]


def test_the_lines_of_one_tick_are_one_write() -> None:
    writes: list[bytes] = []
    due: list[Callable[[], None]] = []
    log = EventLog(writes.append, "mail", lambda: AT, due.append)
    log(Event.NODE_STARTED)
    log(Event.NODE_READY)
    assert (writes, len(due)) == ([], 1)
    due.pop()()
    assert [one.count(b"\n") for one in writes] == [2]
    log(Event.NODE_STOPPING)
    other = threading.Thread(target=log, args=(Event.NODE_STOPPED,))
    other.start()
    other.join()
    assert [one.count(b"\n") for one in writes] == [2, 2]
    due.pop()()
    assert len(writes) == 2


def test_rotation_keeps_so_many_files_of_such_a_size(tmp_path: Path) -> None:
    fd = os.open(os.devnull, os.O_WRONLY)
    path = tmp_path / "mail.log"
    log = LogFile(path, fd, limit=100, keep=2)
    for number in range(12):
        log.write(b"%039d\n" % number)
    os.write(fd, b"Traceback\n")
    os.close(fd)
    assert {file.name for file in tmp_path.iterdir()} == {"mail.log", "mail.log.1", "mail.log.2"}
    assert (tmp_path / "mail.log.2").read_bytes() == b"%039d\n%039d\n" % (6, 7)
    assert path.read_bytes() == b"%039d\n%039d\nTraceback\n" % (10, 11)


def test_a_log_is_continued_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(b"x" * 90 + b"\n")
    fd = os.open(os.devnull, os.O_WRONLY)
    LogFile(path, fd, limit=100).write(b"twelve bytes\n")
    os.close(fd)
    assert path.read_bytes() == b"twelve bytes\n"


_EMITTERS = {"emit", "_emit", "_happened", "Happened"}


def _events_named() -> list[tuple[str, object]]:
    """(file, event) of every event named in the product, in enums and in calls."""
    root = Path(appliance.__file__).parent
    found: list[tuple[str, object]] = []
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name == "Event":
                found += [
                    (str(path.relative_to(root)), statement.value.value)
                    for statement in node.body
                    if isinstance(statement, ast.Assign)
                    and isinstance(statement.value, ast.Constant)
                ]
            elif isinstance(node, ast.Call) and _name(node.func) in _EMITTERS and node.args:
                if isinstance(node.args[0], ast.Constant):
                    found.append((str(path.relative_to(root)), node.args[0].value))
    return found


def _name(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def test_the_vocabulary_is_closed() -> None:
    known = {event.value for event in Event}
    assert [entry for entry in _events_named() if entry[1] not in known] == []
