"""What is found is what a scan of everything finds, in the same order."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mail.views import RecipientStatus
from appliance.search.catalogue import Kind, State
from appliance.search.query import parse
from appliance.search.tree import (
    And,
    Identity,
    Named,
    Node,
    Not,
    Or,
    Phrase,
    Prefix,
    Received,
    Standing,
    Word,
)
from appliance.search.upkeep import due, merge
from tests.unit.search.oracle import (
    Letter,
    add,
    brute_force,
    find,
    found_ids,
    gone,
    letter,
    opened,
    restated,
)

VOCABULARY = ("tide", "tides", "table", "harbour", "harbours", "a", "of", "zoë", "7")
words = st.sampled_from(VOCABULARY)
texts = st.lists(words, max_size=8).map(" ".join)
fields = st.sampled_from((None, "subject", "from", "to", "body", "attachment"))
statuses = st.sampled_from(
    (RecipientStatus.HELD, RecipientStatus.DELIVERED, RecipientStatus.DEFERRED)
)


@st.composite
def letters(draw: st.DrawFn, least: int = 0) -> list[Letter]:
    parts = st.tuples(texts, texts, words, statuses, st.integers(0, 9))
    drawn = draw(st.lists(parts, min_size=least, max_size=40))
    made = []
    for number, (subject, body, name, status, received) in enumerate(drawn):
        plain = letter(number, body, Subject=subject, From=f"{name} <x@site.test>", To="y@z.test")
        one = restated(plain, status)
        made.append(
            Letter(one.queue_id, one.content, received_at=received * 1000, status=one.status)
        )
    return made


folded = words.map(lambda word: word.replace("ë", "e"))
leaves: st.SearchStrategy[Node] = st.one_of(
    st.builds(Word, fields, folded),
    st.builds(Prefix, fields, st.sampled_from(("ti", "tide", "har", "zo", "xx"))),
    st.builds(Phrase, fields, st.lists(folded, min_size=2, max_size=3).map(tuple)),
    st.builds(
        Named,
        st.sampled_from((Kind.SENDER, Kind.RECIPIENT)),
        st.sampled_from(("anna@site.test", "x@site.test", "bob@site.test", "nobody@site.test")),
    ),
    st.builds(Identity, st.sampled_from(("TESTTESTTE0003", "5@site.test", "none"))),
    st.builds(Received, st.none() | st.integers(0, 9000), st.none() | st.integers(0, 9000)),
    st.builds(Standing, st.sampled_from((State.HELD, State.DELIVERED, State.HELD | State.QUEUED))),
)
nodes: st.SearchStrategy[Node] = st.recursive(
    leaves,
    lambda some: st.one_of(
        st.builds(Not, some),
        st.builds(And, st.lists(some, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(some, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)


@settings(max_examples=60)
@given(letters(), st.lists(nodes, min_size=1, max_size=8), st.integers(5, 50), st.integers(5, 20))
def test_the_first_hits_are_those_of_a_scan(
    some: list[Letter], asked: list[Node], room: int, batch: int
) -> None:
    with TemporaryDirectory() as folder:
        index = opened(Path(folder), room)
        add(index, some, batch)
        for node in asked:
            assert found_ids(index, node) == brute_force(some, node)
        index.close()


@settings(max_examples=20)
@given(
    letters(least=15),
    st.lists(nodes, min_size=4, max_size=8),
    st.integers(5, 10),
    st.integers(2, 4),
    st.sets(st.integers(0, 40)),
)
def test_merging_changes_nothing_but_drops_what_is_gone(
    some: list[Letter], asked: list[Node], room: int, batch: int, dead: set[int]
) -> None:
    with TemporaryDirectory() as folder:
        index = opened(Path(folder), room)
        add(index, some, batch)
        lost = {some[one].queue_id for one in dead if one < len(some)}
        index.note(index.mark, [], lost)
        expected = [brute_force(gone(some, lost), node) for node in asked]
        assert [found_ids(index, node) for node in asked] == expected
        while task := due(index, idle=True):
            for _ in merge(index, task):
                pass
        assert not index.damaged
        closed = [unit.partition for unit in index.units if unit.partition < len(index.partitions)]
        assert len(closed) == len(set(closed))
        assert [found_ids(index, node) for node in asked] == expected
        again = opened(Path(folder), room)
        assert [found_ids(again, node) for node in asked] == expected
        for one in (index, again):
            one.close()


@given(letters(), nodes, st.integers(1, 7))
@settings(max_examples=25)
def test_pages_put_together_are_the_whole(some: list[Letter], node: Node, page: int) -> None:
    with TemporaryDirectory() as folder:
        index = opened(Path(folder), 10)
        add(index, some, 3)
        whole = find(index, node, 1000).positions
        pages, before = list[int](), None
        while True:
            found = find(index, node, page, before)
            pages += found.positions
            if not found.more:
                break
            before = found.reached
        assert tuple(pages) == whole
        index.close()


def test_pages_stay_while_mail_comes_in(tmp_path: Path) -> None:
    index = opened(tmp_path)
    add(index, [letter(number, "tide") for number in range(10)])
    first = find(index, parse("tide", 0), 4)
    add(index, [letter(number, "tide") for number in range(10, 20)])
    second = find(index, parse("tide", 0), 4, first.reached)
    assert (first.positions, second.positions) == ((10, 9, 8, 7), (6, 5, 4, 3))


def test_it_stops_when_the_time_is_up_and_says_where(tmp_path: Path) -> None:
    from appliance.search.catalogue import Lookups
    from appliance.search.find import Search
    from appliance.search.index import CATALOGUE

    index = opened(tmp_path, 10)
    add(index, [letter(number, "tide") for number in range(40)])
    ticks = iter([False, False, True])
    lookups = Lookups(tmp_path / CATALOGUE)
    search = Search(parse("tide", 0), index.units, lookups, index.report, lambda: next(ticks))
    found = search.newest(50)
    assert not found.timely
    assert found.more
    assert found.positions == tuple(range(40, 20, -1))
    assert found.reached == 21
    assert find(index, parse("tide", 0), 50, found.reached).positions == tuple(range(20, 0, -1))
