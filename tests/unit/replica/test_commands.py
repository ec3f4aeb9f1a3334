"""What an owner may decide: records that change something, or none."""

from __future__ import annotations

from msgspec.structs import replace

from appliance.replica import commands
from appliance.replica.message import MessageState, RecipientState, Stamp, Trial, logged, removed
from appliance.replica.record import Attempt, Ending, Log, Note, Result

STAMP = Stamp(0, b"a", 0, b"A", 1)
LATER = Stamp(0, b"a", 9, b"A", 9)
OPEN = Attempt(b"A", 2)


def state(*results: Result | None, held: bool = False, due: int = 100) -> MessageState:
    return MessageState(
        b"A",
        1,
        tuple(
            RecipientState(
                STAMP,
                Log(due, "one.test", held),
                () if result is None else (Trial(OPEN, result),),
            )
            for result in results
        ),
    )


def test_hold_and_release() -> None:
    queued = state(None, Result.DELIVERED, None)
    record = commands.hold("Q", queued, None)
    assert record is not None
    assert [index for index, _ in record.logs] == [0, 2], "who has come to an end is left alone"
    held = logged(queued, record, LATER)
    assert commands.hold("Q", held, None) is None
    released = commands.release("Q", held, [0], 500)
    assert released is not None
    assert [(index, log.held, log.due) for index, log in released.logs] == [(0, False, 500)]
    assert commands.release("Q", queued, None, 500) is None, "nothing is held"


def test_retry_hastens_and_never_delays() -> None:
    record = commands.retry("Q", state(None, due=100), None, 40)
    assert record is not None
    assert record.logs[0][1].due == 40
    assert commands.retry("Q", state(None, due=100), None, 100) is None


def test_a_redirect_counts_tries_anew() -> None:
    tried = state(None)
    log = replace(tried.recipients[0].log, tries=4)
    tried = MessageState(b"A", 1, (replace(tried.recipients[0], log=log),))
    record = commands.redirect("Q", tried, None, "new@two.test", "two.test", 7)
    assert record is not None
    (_, changed), *_ = record.logs
    assert changed == replace(log, address="new@two.test", domain="two.test", due=7, tries=0)


def test_remove_ends_what_is_open() -> None:
    before = state(None, Result.BOUNCED)
    record = commands.remove("Q", before, None)
    assert record is not None
    after = removed(before, record, LATER)
    assert [one.final for one in after.recipients] == [Result.REMOVED, Result.BOUNCED]
    assert commands.remove("Q", after, None) is None


def test_a_write_off_tells_of_open_attempts_only() -> None:
    record = commands.write_off("Q", state(Result.OPEN, None, Result.DOUBT), OPEN)
    assert record is not None
    assert record.endings == (Ending(0, Result.DOUBT),)
    assert commands.write_off("Q", state(Result.OPEN), Attempt(b"A", 3)) is None


def test_a_deferral_is_a_try_and_a_cancelling_is_none() -> None:
    (recipient,) = state(Result.OPEN).recipients
    note = Note(450, "4.2.0", "later")
    deferred = commands.ending(recipient, Ending(0, Result.DEFERRED, note), 50, 7, delayed=True)
    assert deferred.log == replace(recipient.log, due=57, tries=1, delay_notified=True, note=note)
    cancelled = commands.ending(recipient, Ending(0, Result.CANCELLED), 50, 7, hold=True)
    assert cancelled.log == replace(recipient.log, due=57, held=True)
    fact = Ending(0, Result.DELIVERED)
    assert commands.ending(recipient, fact, 50, 7) is fact


def test_a_recipient_named_twice_is_changed_once() -> None:
    record = commands.remove("Q", state(None, None), [1, 1])
    assert record is not None
    assert record.recipients == (1,)
    assert commands.touched(record) == 1
    assert commands.touched(None) == 0
