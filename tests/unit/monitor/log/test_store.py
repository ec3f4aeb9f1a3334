"""The database keeps each event once: after crashes, repeated pulls, restored copies, damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.mail.views import Unavailable
from appliance.monitor.events import Event
from appliance.monitor.log.follow import Follower, Harvest
from appliance.monitor.log.store import Feed, Source, Store
from appliance.monitor.log.told import Wanted
from tests.unit.monitor.log.rig import START, Node, Process, entry, queue_id


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    one = Node(tmp_path / "a")
    yield one
    one.close()


@pytest.fixture
def mail(node: Node) -> Iterator[Process]:
    process = Process(node.log, "mail", node.clock)
    yield process
    process.close()


def tell(process: Process, first: int, last: int) -> None:
    for number in range(first, last):
        process.emit(Event.SENT, queue_id(number))


def expected(first: int, last: int) -> list[str]:
    return [queue_id(number) for number in range(first, last)]


def feed(after: int, upto: int, *numbers: int, store: str = "b1", node: str = "b") -> Feed:
    return Feed(
        sources=(Source(store=store, node=node, last=upto, own=True),),
        store=store,
        after=after,
        upto=upto,
        entries=tuple(entry(number, START + number) for number in numbers),
    )


@pytest.mark.parametrize("step", ["before", "rows", "marks", "commit"])
def test_a_crash_at_each_step_loses_and_doubles_nothing(
    node: Node, mail: Process, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(mail, 0, 10)
    node.collect()
    tell(mail, 10, 60)

    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    add = Store.add

    def half(store: Store, harvest: Harvest) -> None:
        add(store, harvest)
        raise Crash

    with monkeypatch.context() as patch:
        if step == "before":
            patch.setattr(Store, "add", crash)
        elif step == "rows":
            patch.setattr(Store, "_insert", crash)
        elif step == "marks":
            patch.setattr(Store, "add", half)
        else:
            patch.setattr(Follower, "stored", crash)
        with pytest.raises(Crash):
            node.collector.turn()
    node.restart()
    node.collect()
    assert node.ids() == expected(0, 60)


def test_what_a_power_cut_took_from_a_log_file_is_kept_and_not_doubled(
    node: Node, mail: Process
) -> None:
    tell(mail, 0, 10)
    node.collect()
    content = mail.path.read_bytes()
    mail.path.write_bytes(content[: content.index(queue_id(7).encode()) - 7])
    tell(mail, 20, 30)
    node.restart()
    node.collect()
    assert node.ids() == expected(0, 10) + expected(20, 30)


def test_what_the_peer_gives_again_is_there_once(node: Node) -> None:
    for given in (feed(0, 3, 1, 2, 3), feed(0, 3, 1, 2, 3), feed(2, 5, 3, 4, 5)):
        done = node.collector.take(given)
        node.collect()
        done.result(0)
    assert node.ids() == expected(1, 6)
    assert {one.node for one in node.events()} == {"b"}
    assert node.emitted == []


def test_what_the_peer_has_no_more_is_said(node: Node) -> None:
    node.collector.take(feed(0, 3, 2, 3))  # what was before the first pull is no gap
    node.collector.take(feed(3, 9, 7, 9))
    node.collect()
    assert node.emitted == [
        ("events_missed", {"of": "b", "events": 4, "reason": "no longer there"})
    ]


def test_feeds_bring_one_node_what_the_other_has(node: Node, mail: Process, tmp_path: Path) -> None:
    other = Node(tmp_path / "b", "b")
    tell(mail, 0, 25)
    node.collect()
    (own,) = node.reader.feed("", 0, 10).sources
    after = 0
    while after < own.last:
        given = node.reader.feed(own.store, after, 10)
        after = given.upto
        other.collector.take(msgspec.json.decode(msgspec.json.encode(given), type=Feed))
        other.collect()
    assert other.ids() == expected(0, 25)
    assert {one.node for one in other.events()} == {"a"}
    assert node.reader.feed(own.store, after, 10).entries == ()
    other.close()


def test_numbers_of_a_restored_database_are_not_given_twice(node: Node, mail: Process) -> None:
    tell(mail, 0, 5)
    node.collect()
    (before,) = node.reader.feed("", 0, 1).sources
    node.collector.begin_anew()
    tell(mail, 5, 8)
    node.collect()
    assert node.ids() == expected(0, 8)
    old, new = node.reader.feed("", 0, 1).sources
    assert (old.store, old.last, old.own) == (before.store, 5, False)
    assert (new.last, new.own) == (3, True)


def test_damage_is_put_aside_and_the_logs_are_read_anew(node: Node, mail: Process) -> None:
    tell(mail, 0, 20)
    node.collect()
    node.store.close()
    node.reader.close()
    node.path.write_bytes(b"no database" * 1000)
    for suffix in ("-wal", "-shm"):
        Path(f"{node.path}{suffix}").unlink(missing_ok=True)
    node.restart()
    node.collect()
    assert node.ids() == expected(0, 20)
    assert node.emitted[0][0] == "events_damaged"
    assert Path(f"{node.path}.damaged").read_bytes().startswith(b"no database")


def test_damage_found_by_a_reader_is_put_aside(node: Node, mail: Process) -> None:
    tell(mail, 0, 400)
    node.collect()
    node.store.close()  # and with it the write-ahead log
    size = node.path.stat().st_size
    with node.path.open("r+b") as file:
        file.seek(4096 * 7)  # behind the names of sources, in the events
        file.write(b"\xff" * (size - 4096 * 7))
    assert node.store.open()
    with pytest.raises(Unavailable):
        node.reader.page(Wanted(), 1000)
    node.collect()
    assert ("events_damaged", {"path": node.path}) in node.emitted
    assert node.ids()[-1] == queue_id(399)


def test_what_a_new_database_gets_back_from_the_peer_is_not_doubled(
    node: Node, mail: Process
) -> None:
    """The peer has what this node had before its disk was damaged; the logs have the end of it."""
    node.clock.now = START + 8
    tell(mail, 8, 12)
    node.collect()
    node.collector.take(feed(0, 9, *range(1, 10), store="a0", node="a"))
    node.collect()
    assert node.ids() == expected(1, 12)


def test_nothing_is_lost_while_nothing_can_be_stored(
    node: Node, mail: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(mail, 0, 5)
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        patch.setattr(Store, "_insert", full)
        done = node.collector.take(feed(0, 1, 1))
        node.collect()
        node.collect()
    with pytest.raises(sqlite3.OperationalError):
        done.result(0)
    assert [name for name, _ in node.emitted] == ["events_not_kept"]
    node.collect()
    assert node.ids() == expected(0, 5)
