"""What the processes of a node say they do: a closed vocabulary, one JSON object a line.

A line opens with the queue id ("" for an event that concerns no message), so a
message's story is one grep away. Emitting never fails and never waits for more
than a write: a full disk costs lines of the log, not mail.
"""

from __future__ import annotations

import errno
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import msgspec


class Event(StrEnum):
    """Every event of every process; the value is what a log shows."""

    # mail in
    SMTP_LISTENING = "smtp_listening"
    SMTP_LEFT = "smtp_left"
    SMTP_STOPPED = "smtp_stopped"
    SMTP_CONNECTION_REFUSED = "smtp_connection_refused"
    SMTP_CONNECTED = "smtp_connected"
    SMTP_DISCONNECTED = "smtp_disconnected"
    SMTP_ACCEPTED = "smtp_accepted"
    SMTP_REJECTED = "smtp_rejected"
    SMTP_DISCARDED = "smtp_discarded"
    RECIPIENT_NOT_VERIFIED = "recipient_not_verified"
    RECIPIENT_UNKNOWN = "recipient_unknown"
    SMTP_PROTOCOL_ERROR = "smtp_protocol_error"
    SMTP_FAILED = "smtp_failed"
    SMTP_TLS_FAILED = "smtp_tls_failed"
    LOGGED_IN = "logged_in"
    LOGIN_FAILED = "login_failed"
    PASSWORD_CHANGED = "password_changed"
    ACCOUNT_LISTENING = "account_listening"
    ACCOUNT_CLOSED = "account_closed"
    ACCOUNT_NOT_LISTENING = "account_not_listening"

    # mail out
    SENT = "sent"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    EXPIRED = "expired"
    RETURNED = "returned"
    HELD = "held"
    NOTIFIED = "notified"
    CONTENT_DAMAGED = "content_damaged"
    HOP_DOWN = "hop_down"
    HOP_UP = "hop_up"
    PAUSED = "paused"
    RESUMED = "resumed"
    SPOOL_LOST = "spool_lost"
    SPOOL_FOUND = "spool_found"
    FAILED = "failed"

    # the pair and the spool
    MODE = "mode"
    LINK_UP = "link_up"
    LINK_DOWN = "link_down"
    LINK_REFUSED = "link_refused"
    LINK_RESET = "link_reset"
    PAIRED = "paired"
    NOT_PAIRED = "not_paired"
    REPLICATION_REFUSED = "replication_refused"
    ADOPTED = "adopted"
    TAKEN_OVER = "taken_over"
    HANDED_OVER = "handed_over"
    NOT_HANDED_OVER = "not_handed_over"
    STANDING_ASIDE = "standing_aside"
    LEASES_IN_DOUBT = "leases_in_doubt"
    OUTCOME_REFUSED = "outcome_refused"
    SPOOL_FAILED = "spool_failed"
    COMMAND = "command"
    AUDIT = "audit"

    # the site
    SITE_CHANGED = "site_changed"
    SITE_BRANCHED = "site_branched"
    SITE_NOT_APPLIED = "site_not_applied"
    SITE_FILE_IGNORED = "site_file_ignored"

    # TLS
    TLS_AUTHORITY_MADE = "tls_authority_made"
    TLS_AUTHORITY_SHARED = "tls_authority_shared"
    TLS_CERTIFICATE_ISSUED = "tls_certificate_issued"
    TLS_CERTIFICATE_REVOKED = "tls_certificate_revoked"
    TLS_FAILED = "tls_failed"
    CLOCK_IMPLAUSIBLE = "clock_implausible"

    # the virtual addresses
    ADDRESS_LEFT_BEHIND = "address_left_behind"
    ADDRESS_PUT_BACK = "address_put_back"
    ADDRESS_NOT_RENEWED = "address_not_renewed"
    ADDRESS_NOT_ANNOUNCED = "address_not_announced"

    # failover
    TRANSITION = "transition"
    PRIORITY = "priority"
    PEER_HEARD = "peer_heard"
    PEER_SILENT = "peer_silent"
    ADDRESS_FAILED = "address_failed"
    ADDRESS_FOREIGN = "address_foreign"
    ADDRESSES_TAKEN_AWAY = "addresses_taken_away"
    CARRIER = "carrier"
    CHECK = "check"
    MAINTENANCE = "maintenance"
    SWITCHOVER = "switchover"
    NOT_HURRIED = "not_hurried"

    # the balancer
    BALANCE_LISTENING = "balance_listening"
    BALANCE_CLOSED = "balance_closed"
    BALANCE_NOT_LISTENING = "balance_not_listening"
    BALANCE_SERVER_UP = "balance_server_up"
    BALANCE_SERVER_DOWN = "balance_server_down"
    BALANCE_MISSED = "balance_missed"
    BALANCE_REFUSED = "balance_refused"
    BALANCE_CUT_OFF = "balance_cut_off"

    # search
    INDEX = "index"

    # the monitor
    ALERT_RAISED = "alert_raised"
    ALERT_CLEARED = "alert_cleared"
    ALERT_ACKNOWLEDGED = "alert_acknowledged"
    ALERT_MAILED = "alert_mailed"
    ALERT_NOT_TOLD = "alert_not_told"
    HISTORY_FAILED = "history_failed"
    HISTORY_WORKS = "history_works"
    MONITOR_FILE_DAMAGED = "monitor_file_damaged"

    # backups
    BACKUP_MADE = "backup_made"
    BACKUP_FAILED = "backup_failed"
    BACKUP_VERIFIED = "backup_verified"

    # jobs
    JOB_DONE = "job_done"
    JOB_FAILED = "job_failed"
    JOBS_NOT_REMEMBERED = "jobs_not_remembered"

    # the machine
    MACHINE_CALLER_REFUSED = "machine_caller_refused"
    MACHINE_CHANGED = "machine_changed"
    NETWORK_TAKEN_BACK = "network_taken_back"
    SETUP_DONE = "setup_done"
    SETUP_REFUSED = "setup_refused"

    # another release
    UPDATE = "update"
    ROLL = "roll"

    # a node and its processes
    NODE_STARTED = "node_started"
    NODE_READY = "node_ready"
    NODE_SETTINGS_REFUSED = "node_settings_refused"
    NODE_STOPPING = "node_stopping"
    NODE_STOPPED = "node_stopped"
    SERVICE_STARTED = "service_started"
    SERVICE_READY = "service_ready"
    SERVICE_EXITED = "service_exited"
    SERVICE_KILLED = "service_killed"
    SERVICE_HUNG = "service_hung"
    LOG_LINES_LOST = "log_lines_lost"

    # what is kept of all this
    OUTPUT = "output"
    EVENTS_MISSED = "events_missed"
    EVENTS_DAMAGED = "events_damaged"
    EVENTS_NOT_KEPT = "events_not_kept"
    EVENTS_SHED = "events_shed"


class Emit(Protocol):
    """What a part of the product is handed to tell events with.

    The parts may name their events in enums of their own; the tests hold them to `Event`.
    """

    def __call__(self, event: Event, queue_id: str = "", **values: object) -> None:
        """Tell `event`; never raises, never waits."""


def wall_clock() -> int:
    """Milliseconds since 1970, shown to people only."""
    return time.time_ns() // 1_000_000


class EventLog:
    """An `Emit` that writes JSON lines; safe to call from any thread.

    With `later` (a loop's call_soon) the lines of one tick are written in one go, as a write
    costs more than a line does; what other threads tell is written at once. Whoever ends the
    loop calls `flush` after it.
    """

    def __init__(
        self,
        write: Callable[[bytes], object],
        process: str,
        clock: Callable[[], int] = wall_clock,
        later: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        """`write` may raise OSError; `clock` tells milliseconds since 1970."""
        self._write = write
        self._process = process
        self._clock = clock
        self._later = later
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._lost = 0
        self._second = -1
        self._time = ""
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def __call__(self, event: str, queue_id: object = "", **values: object) -> None:
        """Write one line; a line that cannot be written is counted and told of later."""
        with self._lock:
            self._lines.append(self._line(event, queue_id, values))
            waiting = len(self._lines)
        if self._later is None or threading.get_ident() != self._thread:
            self.flush()
        elif waiting == 1:
            self._later(self.flush)

    def flush(self) -> None:
        """Write what is there."""
        with self._lock:
            lines, self._lines = self._lines, []
            if not lines:
                return
            if self._lost:
                lines.insert(0, self._line(Event.LOG_LINES_LOST, "", {"lines": self._lost}))
            try:
                self._write(b"".join(lines))
            except OSError:
                self._lost += len(lines) - bool(self._lost)
            else:
                self._lost = 0

    def _line(self, event: str, queue_id: object, values: dict[str, object]) -> bytes:
        at, process = self._now(), self._process
        fields = {"id": queue_id, "event": event, "at": at, "process": process, **values}
        try:
            return self._encode(fields) + b"\n"
        except UnicodeEncodeError:  # a lone surrogate: bytes that some client sent
            return self._encode({name: _printable(fields[name]) for name in fields}) + b"\n"

    def _now(self) -> str:
        """RFC 3339 in UTC; what stays the same for a second is put together once a second."""
        second, millisecond = divmod(self._clock(), 1000)
        if second != self._second:
            self._second = second
            self._time = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
        return f"{self._time}.{millisecond:03d}Z"


class LogThread:
    """Hands lines to `write` in a thread: for a process that must not wait for a disk.

    At most `limit` lines wait; one more is refused with OSError, so an EventLog counts it.
    """

    def __init__(self, write: Callable[[bytes], object], limit: int = 10_000) -> None:
        self._write = write
        self._lines: queue.Queue[bytes | None] = queue.Queue(limit)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Have it written soon; raises OSError if too much waits."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            raise OSError(errno.ENOBUFS, "too many lines wait for the disk") from None

    def close(self, patience: float = 2.0) -> None:
        """Return when everything is written, or after `patience` seconds."""
        with suppress(queue.Full):
            self._lines.put(None, timeout=patience)
        self._thread.join(patience)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            with suppress(OSError):  # a full disk costs lines of the log, nothing else
                self._write(line)


def _printable(value: object) -> str:
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


class LogFile:
    """Appends to the file at `path`, keeping `keep` older ones of about `limit` bytes each.

    It takes over the descriptor `fd` (2: standard error), so that what a dying interpreter
    says lands in the same file, also after a rotation.
    """

    def __init__(self, path: Path, fd: int = 2, limit: int = 10 << 20, keep: int = 5) -> None:
        self._path = path
        self._fd = fd
        self._limit = limit
        self._keep = keep
        self._lock = threading.Lock()
        self._size = 0
        self._open()

    def write(self, line: bytes) -> None:
        """Append whole lines; raises OSError."""
        with self._lock:
            if self._size + len(line) > self._limit:
                self._rotate()
            self._size += os.write(self._fd, line)

    def _open(self) -> None:
        opened = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        os.dup2(opened, self._fd, inheritable=self._fd <= 2)
        os.close(opened)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        for number in range(self._keep - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
