"""What the owner of a message may decide about it, as records to be journalled."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from appliance.replica.message import MessageState, RecipientState
from appliance.replica.record import Attempt, Ended, Ending, Log, Logged, Removed, Result


def _open(state: MessageState, indexes: Iterable[int] | None) -> list[tuple[int, RecipientState]]:
    chosen = range(len(state.recipients)) if indexes is None else sorted(set(indexes))
    return [(i, state.recipients[i]) for i in chosen if state.recipients[i].final is None]


def _logged(
    queue_id: str, action: str, changes: list[tuple[int, RecipientState, Log]]
) -> Logged | None:
    logs = tuple((index, log) for index, recipient, log in changes if log != recipient.log)
    return Logged(queue_id, action, logs) if logs else None


def hold(queue_id: str, state: MessageState, indexes: Iterable[int] | None) -> Logged | None:
    """Keep recipients from being attempted until released; None if that changes nothing."""
    return _logged(
        queue_id, "hold", [(i, r, replace(r.log, held=True)) for i, r in _open(state, indexes)]
    )


def release(
    queue_id: str, state: MessageState, indexes: Iterable[int] | None, now: int
) -> Logged | None:
    """Make held recipients due now; `now` is this node's running time in milliseconds."""
    changes = [
        (i, r, replace(r.log, held=False, due=now)) for i, r in _open(state, indexes) if r.log.held
    ]
    return _logged(queue_id, "release", changes)


def retry(
    queue_id: str, state: MessageState, indexes: Iterable[int] | None, now: int
) -> Logged | None:
    """Make deferred recipients due now."""
    changes = [(i, r, replace(r.log, due=now)) for i, r in _open(state, indexes) if r.log.due > now]
    return _logged(queue_id, "retry", changes)


def redirect(
    queue_id: str,
    state: MessageState,
    indexes: Iterable[int] | None,
    address: str,
    domain: str,
    now: int,
) -> Logged | None:
    """Send recipients to another address, with tries counted anew."""
    changes = [
        (i, r, replace(r.log, address=address, domain=domain, due=now, tries=0))
        for i, r in _open(state, indexes)
    ]
    return _logged(queue_id, "redirect", changes)


def remove(queue_id: str, state: MessageState, indexes: Iterable[int] | None) -> Removed | None:
    """End recipients without a DSN."""
    chosen = tuple(i for i, _ in _open(state, indexes))
    return Removed(queue_id, chosen) if chosen else None


def touched(record: Logged | Removed | None) -> int:
    """How many recipients a command's record changes."""
    match record:
        case Logged():
            return len(record.logs)
        case Removed():
            return len(record.recipients)
        case None:
            return 0


def write_off(queue_id: str, state: MessageState, attempt: Attempt) -> Ended | None:
    """Declare an open attempt in doubt: its recipients are due again; None if it is not open."""
    endings = tuple(
        Ending(index, Result.DOUBT)
        for index, recipient in enumerate(state.recipients)
        for trial in recipient.trials
        if trial.attempt == attempt and trial.result is Result.OPEN
    )
    return Ended(queue_id, attempt, endings) if endings else None


def ending(
    recipient: RecipientState,
    told: Ending,
    now: int,
    retry_in: int,
    *,
    hold: bool = False,
    delayed: bool = False,
) -> Ending:
    """`told` completed by the log entry that a deferral or cancellation needs.

    A cancelled attempt was none: it does not count as a try.
    """
    if told.result not in (Result.DEFERRED, Result.CANCELLED):
        return told
    log = recipient.log
    return replace(
        told,
        log=replace(
            log,
            due=now + retry_in,
            held=log.held or hold,
            tries=log.tries + (told.result is Result.DEFERRED),
            delay_notified=log.delay_notified or delayed,
            note=told.note or log.note,
        ),
    )
