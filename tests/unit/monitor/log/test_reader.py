"""Pages of events equal a brute-force look at all of them, whatever is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.monitor.events import Event
from appliance.monitor.log import reader as reader_module
from appliance.monitor.log.entry import Entry, rfc3339
from appliance.monitor.log.reader import Reader
from appliance.monitor.log.store import Feed, Source
from appliance.monitor.log.told import EventPage, Told, Wanted
from appliance.monitor.severity import RANKS, Severity
from tests.unit.monitor.log.rig import START, Clock, Node, entry, queue_id

EVENTS = (Event.SENT, Event.BOUNCED, Event.MODE, Event.FAILED, Event.SMTP_CONNECTED)
TEXTS = ("", "Grüße", '100% "sure"_', "a\\b", "\x1b[2J\n")
KEPT = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.integers(0, 12),
        st.sampled_from(EVENTS),
        st.integers(0, 3),
        st.sampled_from(TEXTS),
    ),
    max_size=30,
)
ASKED = st.builds(
    Wanted,
    events=st.lists(st.sampled_from(EVENTS), max_size=3).map(tuple),
    node=st.sampled_from(("", "", "a", "b", "c")),
    process=st.sampled_from(("", "", "mail", "delivery")),
    queue_id=st.sampled_from(("", "", queue_id(1), queue_id(9))),
    severity=st.sampled_from(Severity),
    since=st.none() | st.integers(-1, 13).map(lambda n: START + n),
    until=st.none() | st.integers(-1, 13).map(lambda n: START + n),
    text=st.sampled_from(("", "", "GRüßE", '100% "', "_", "\\b", "\x1b[2", "BOUNCE", "nothing")),
)
LIMITS = st.integers(1, 7)


def fill(node: Node, kept: Sequence[tuple[str, int, Event, int, str]]) -> list[Told]:
    """Keep them; returns all of them as they should be told, newest first."""
    numbered = dict[str, list[Entry]]()
    for name, at, event, message, text in kept:
        mine = numbered.setdefault(name, [])
        fields = json.dumps({"text": text}, ensure_ascii=False)
        one = entry(message, START + at, event, fields)
        mine.append(
            Entry(len(mine) + 1, *[getattr(one, key) for key in Entry.__struct_fields__][1:])
        )
    told = list[tuple[int, int, int, Told]]()
    for order, (name, entries) in enumerate(sorted(numbered.items())):
        source = Source(store=f"store{name}", node=name, last=len(entries))
        feed = Feed(
            sources=(source,), store=source.store, upto=len(entries), entries=tuple(entries)
        )
        node.collector.take(feed)
        node.collect()
        told += [(one.at, order, one.number, shown(name, one)) for one in entries]
    return [one for *_, one in sorted(told, key=lambda row: row[:3], reverse=True)]


def shown(node: str, one: Entry) -> Told:
    return Told(
        at=rfc3339(one.at),
        node=node,
        process=one.process,
        severity=RANKS[one.severity],
        event=one.event,
        queue_id=one.queue_id,
        fields=json.loads(one.fields),
    )


def fits(one: Told, wanted: Wanted) -> bool:
    fields = json.dumps(one.fields, ensure_ascii=False)
    text = json.dumps(wanted.text, ensure_ascii=False)[1:-1]
    return (
        (not wanted.events or one.event in wanted.events)
        and wanted.node in ("", one.node)
        and wanted.process in ("", one.process)
        and wanted.queue_id in ("", one.queue_id)
        and RANKS.index(one.severity) >= RANKS.index(wanted.severity)
        and (wanted.since is None or one.at >= rfc3339(wanted.since))
        and (wanted.until is None or one.at < rfc3339(wanted.until))
        and (folded(text) in folded(fields) or folded(wanted.text) in one.event)
    )


def folded(text: str) -> str:
    """LIKE takes letters of ASCII for the same in either case."""
    return "".join(one.lower() if one.isascii() else one for one in text)


def walk(
    ask: Callable[[str], EventPage], onward: Callable[[EventPage], str]
) -> Iterator[EventPage]:
    place = ""
    while True:
        page = ask(place)
        yield page
        place = onward(page)
        if not place or not (page.events or page.searched_to):
            return


@pytest.fixture(params=[1_000, 2, 1], ids=lambda size: f"slices of {size}")
def slices(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "_FIRST_SLICE", request.param)
    monkeypatch.setattr(reader_module, "_LARGEST_SLICE", request.param)


@pytest.mark.usefixtures("slices")
@pytest.mark.parametrize("hurry", [False, True])
def test_pages_are_what_a_look_at_everything_finds(hurry: bool) -> None:
    @settings(max_examples=60)
    @given(KEPT, ASKED, LIMITS)
    def check(kept: Sequence[tuple[str, int, Event, int, str]], wanted: Wanted, limit: int) -> None:
        with TemporaryDirectory() as folder:
            node = Node(Path(folder))
            node.collect()  # its own source, with nothing in it, comes first
            everything = fill(node, kept)
            expected = [one for one in everything if fits(one, wanted)]
            reader = Reader(node.path, Hurry() if hurry else Clock(0), lambda: None)
            pages = list(
                walk(lambda at: reader.page(wanted, limit, older=at), lambda page: page.older)
            )
            assert [one for page in pages for one in page.events] == expected
            assert hurry or all(len(page.events) == limit for page in pages[:-1])
            assert not pages[-1].older
            assert not pages[-1].searched_to
            # And back again, from before the oldest of all.
            oldest = f"{-(1 << 62)}.0"
            back = list(
                walk(
                    lambda at: reader.page(wanted, limit, newer=at or oldest),
                    lambda page: page.newer,
                )
            )
            assert [one for page in back[::-1] for one in page.events] == expected
            reader.close()
            node.close()

    check()


class Hurry(Clock):
    """The time is always up."""

    def __call__(self) -> int:
        self.now += 1000
        return self.now


def test_pages_stay_while_events_come_in(tmp_path: Path) -> None:
    node = Node(tmp_path)
    first = fill(node, [("a", at, Event.SENT, at % 4, "") for at in range(20)])
    page = node.reader.page(Wanted(), 8)
    more = Feed(
        sources=(Source(store="storeb", node="b", last=2),),
        store="storeb",
        upto=2,
        entries=(entry(1, START + 19), entry(2, START + 50)),
    )
    node.collector.take(more)
    node.collect()
    older = node.reader.page(Wanted(), 100, older=page.older)
    assert [*page.events, *older.events] == first
    assert [one.node for one in node.reader.page(Wanted(), 100, newer=page.newer).events] == [
        "b",
        "b",
    ]
    node.close()


def test_news_are_told_once_as_they_come(tmp_path: Path) -> None:
    node = Node(tmp_path)
    fill(node, [("b", at, Event.SENT, at % 4, "") for at in range(5)])
    end = node.reader.page(Wanted(), 2).end
    assert node.reader.news(Wanted(), end, 10).events == ()
    came = (entry(1, START - 1000), entry(2, START + 50, Event.BOUNCED))
    late = tuple(msgspec.structs.replace(one, number=6 + n) for n, one in enumerate(came))
    feed = Feed(
        sources=(Source(store="storeb", node="b", last=7),), store="storeb", upto=7, entries=late
    )
    node.collector.take(feed)
    node.collect()
    first = node.reader.news(Wanted(), end, 1)
    second = node.reader.news(Wanted(), first.end, 1)
    assert [one.queue_id for one in (*first.events, *second.events)] == [queue_id(1), queue_id(2)]
    assert node.reader.news(Wanted(), second.end, 1).events == ()
    chosen = node.reader.news(Wanted(events=("bounced",)), end, 5)
    assert [one.queue_id for one in chosen.events] == [queue_id(2)]
    assert chosen.end == second.end
    node.close()


@pytest.mark.parametrize("wrong", ["x", "1", "1.x", "99999999999999999999.1", "1.2.3"])
def test_what_is_no_place_is_refused(tmp_path: Path, wrong: str) -> None:
    node = Node(tmp_path)
    node.collect()
    with pytest.raises(LookupError):
        node.reader.page(Wanted(), 1, older=wrong)
    with pytest.raises(LookupError):
        node.reader.news(Wanted(), "x-y", 1)
    node.close()
