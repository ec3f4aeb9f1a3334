"""What a restored node must have in common with the one that was backed up, and what not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from appliance.replica.digest import MessageDump
from appliance.replica.message import RecipientState
from appliance.replica.record import Result
from appliance.spool.bodies import Bodies
from appliance.spool.dump import dump
from appliance.spool.messages import Entry
from appliance.spool.store import Store


class Report(Protocol):
    """What a restore told."""

    @property
    def messages(self) -> int: ...
    @property
    def held(self) -> int: ...
    @property
    def lost(self) -> int: ...


class Spool(Protocol):
    """A spool that nobody works on."""

    @property
    def store(self) -> Store: ...
    @property
    def bodies(self) -> Bodies: ...


def kept(recipient: RecipientState) -> object:
    """What a restore must not change: all but the log's stamp, that it is held, open attempts."""
    trials = [
        (trial.attempt, Result.DOUBT if trial.result is Result.OPEN else trial.result)
        for trial in recipient.trials
    ]
    log = recipient.log
    return (log.domain, log.tries, log.address, log.note, log.bulk), recipient.final, trials


def check_same(node: Spool, restored: Spool, report: Report) -> None:
    """The canonical dumps differ only in what a restore is to change."""
    store = restored.store
    old = {m.queue_id: m for m in _messages(dump(node.store))}
    new = {m.queue_id: m for m in _messages(dump(store))}
    assert old.keys() == new.keys()
    for name, one in old.items():
        other = new[name]
        assert msgspec.structs.replace(other, state=one.state) == one
        for before, after in zip(one.state.recipients, other.state.recipients, strict=True):
            assert kept(after) == kept(before), name
            assert after.log.held or after.final is not None
        entry = store.messages.get(name)
        assert store.mine(store.lanes.of(entry.key >> 40, entry.state.seq))
        assert content(store, restored.bodies, entry) == content(node.store, node.bodies, entry)
    assert [one.id for one in store.site.lineage] == [one.id for one in node.store.site.lineage]
    assert list(store.site.registers()) == list(node.store.site.registers())
    waiting = sum(any(r.final is None for r in one.state.recipients) for one in old.values())
    assert (report.held, report.lost) == (waiting, 0)
    assert report.messages >= len(old)


def content(store: Store, bodies: Bodies, entry: Entry) -> bytes | None:
    if entry.external:
        return bodies.read(entry.queue_id, 0, 1 << 30)
    return store.content(entry.queue_id)


def _messages(lines: Sequence[bytes]) -> Iterator[MessageDump]:
    for line in lines:
        try:
            yield msgspec.msgpack.decode(line, type=MessageDump)
        except msgspec.ValidationError:
            continue
