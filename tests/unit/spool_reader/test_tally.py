"""The tally and the stages are what counting every message would give, whatever happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.replica.record import Claimed, Ended, Ending, Leased, Log, Record, Removed, Result
from appliance.spool.schema import Stage, rows
from appliance.spool.tally import standing
from tests.unit.spool_reader.writer import OK, A, B, Writer

RECIPIENTS = ("al@one.test", "bo@one.test", "cy@two.test")
RESULTS = st.sampled_from([Result.DELIVERED, Result.DEFERRED, Result.DOUBT, Result.BOUNCED])
STEPS = st.lists(
    st.one_of(
        st.just(("accept", 0, 0, Result.OPEN)),
        st.tuples(
            st.sampled_from(["lease", "end", "hold", "release", "remove"]),
            st.integers(0, 5),
            st.integers(0, 2),
            RESULTS,
        ),
        st.tuples(st.just("claim"), st.integers(0, 1), st.integers(1, 12), st.just(Result.OPEN)),
    ),
    min_size=5,
    max_size=40,
)


@contextmanager
def fresh() -> Iterator[Writer]:
    with TemporaryDirectory() as folder:
        writer = Writer(Path(folder))
        yield writer
        writer.close()


def counted(writer: Writer) -> tuple[Counter[tuple[int, int]], dict[int, Stage]]:
    """Everything counted anew from the states."""
    store, tally, stages = writer.store, Counter[tuple[int, int]](), {}
    for entry in store.messages.after(0, 1000):
        lane = store.lanes.of(entry.key >> 40, entry.state.seq).id
        for recipient in entry.state.recipients:
            stands = standing(recipient)
            if stands is not None:
                tally[lane, stands] += 1
        filed = any(t.mailbox for r in entry.state.recipients for t in r.trials)
        ended = Stage.KEPT if filed else Stage.ENDED
        stages[entry.key] = ended if entry.state.finished else Stage.OPEN
    return tally, stages


def act(writer: Writer, names: list[str], step: tuple[str, int, int, Result]) -> None:
    action, which, index, result = step
    if action == "accept" or not names:
        names.append(writer.accept(*RECIPIENTS))
        return
    store = writer.store
    if action == "claim":  # cuts the lane anywhere, also before what was accepted last
        writer.write(Claimed(B if which else A, {store.incarnation: index}, "adopted"))
        return
    name = names[which % len(names)]
    recipient = store.messages.get(name).state.recipients[index]
    store.messages.forget()
    log = Log(writer.now, recipient.log.domain, tries=1)
    record: Record
    match action:
        case "lease":
            record = Leased(name, (index,))
        case "end":
            if not recipient.trials:
                return
            mailbox = "bob" if result is Result.DELIVERED and which % 2 else None
            attempt = recipient.trials[-1].attempt
            record = Ended(name, attempt, (Ending(index, result, OK, mailbox, log),))
        case "remove":
            record = Removed(name, (index,))
        case _:
            writer.log(name, action, Log(5, "two.test", held=action == "hold"), index)
            return
    writer.write(record)


@settings(max_examples=60)
@given(STEPS)
def test_the_tally_is_what_counting_gives(steps: list[tuple[str, int, int, Result]]) -> None:
    with fresh() as writer:
        names = list[str]()
        for step in steps:
            writer.now += 1
            act(writer, names, step)
        tally, stages = counted(writer)
        kept = {
            (lane, stands): n
            for lane, stands, n in rows(writer.db, "SELECT lane, standing, recipients FROM tally")
            if n
        }
        assert kept == dict(tally)
        assert dict(rows(writer.db, "SELECT key, stage FROM message")) == stages
        lanes = {lane for (lane,) in rows(writer.db, "SELECT DISTINCT lane FROM schedule")}
        assert lanes <= {lane.id for lane in writer.store.lanes}
