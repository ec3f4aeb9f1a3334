"""Versions of the site's document: the same set says the same on every node."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.replica import site_versions
from appliance.replica.site_versions import (
    Header,
    Lineage,
    SiteVersion,
    first,
    header,
    identity,
)

A, B = b"a" * 8, b"b" * 8
ROOT = header(first(b"one"))


def after(
    parent: Header,
    node: bytes = A,
    epoch: int = 0,
    comment: str = "",
    settles: tuple[Header, ...] = (),
) -> Header:
    return header(
        SiteVersion(
            parent.id,
            parent.number + 1,
            epoch,
            node,
            "root",
            7,
            comment,
            tuple(one.id for one in settles),
            b"document",
        )
    )


def test_a_set_without_versions_has_no_head() -> None:
    lineage = Lineage([])
    assert lineage.head is None
    assert not lineage.branches


def test_an_id_is_over_everything() -> None:
    version = SiteVersion(ROOT.id, 2, 1, A, "root", 5, "why", (), b"document")
    others = [
        msgspec.structs.replace(version, **{name: value})
        for name, value in {
            "parent": b"p" * 32,
            "number": 3,
            "epoch": 2,
            "node": B,
            "author": "bob",
            "at": 6,
            "comment": "",
            "settles": (ROOT.id,),
            "document": b"another",
        }.items()
    ]
    assert len({identity(one) for one in (version, *others)}) == 10


def test_nodes_that_were_set_up_alike_have_the_same_first_version() -> None:
    assert identity(first(b"one")) == identity(first(b"one")) != identity(first(b"two"))


@pytest.mark.parametrize("parent, number", [(b"", 2), (b"p" * 32, 1), (b"short", 2)])
def test_a_version_that_cannot_be(parent: bytes, number: int) -> None:
    with pytest.raises(ValueError, match="parent"):
        header(SiteVersion(parent, number, 0, A, "", 0, "", (), b""))


def test_a_child_is_the_head() -> None:
    child = after(ROOT)
    grandchild = after(child)
    lineage = Lineage([grandchild, ROOT, child])
    assert lineage.head == grandchild
    assert not lineage.branches
    assert list(lineage.line(grandchild.id)) == [grandchild, child, ROOT]


@pytest.mark.parametrize(
    "one, other",
    [((A, 2), (B, 1)), ((B, 1), (A, 1))],
    ids=["the higher epoch", "the higher node"],
)
def test_of_two_children_the_stronger_applies(
    one: tuple[bytes, int], other: tuple[bytes, int]
) -> None:
    winner, loser = after(ROOT, *one), after(ROOT, *other)
    lineage = Lineage([ROOT, loser, winner])
    assert lineage.head == winner
    assert lineage.branches == (loser,)
    assert lineage.fork(winner.id, loser.id) == ROOT


def test_two_first_versions_are_a_branch() -> None:
    other = header(first(b"two"))
    lineage = Lineage([ROOT, other])
    assert {lineage.head, *lineage.branches} == {ROOT, other}
    assert lineage.fork(ROOT.id, other.id) is None


def test_what_turns_up_late_does_not_undo_what_was_changed_since() -> None:
    change, late = after(ROOT, A), after(ROOT, B)
    mine = after(change, A)
    lineage = Lineage([ROOT, change, mine, late])
    assert lineage.head == mine
    assert lineage.branches == (late,)


def test_a_branch_is_none_once_it_is_settled() -> None:
    winner, loser = after(ROOT, B), after(ROOT, A)
    settled = after(winner, A, settles=(loser,))
    assert Lineage([ROOT, winner, loser, settled]).branches == ()
    assert Lineage([ROOT, winner, loser, after(winner)]).branches == (loser,)


def test_a_settled_branch_that_was_continued_is_one_again() -> None:
    between, loser = after(ROOT, B), after(ROOT, A)
    winner = after(between, B)
    settled, more = after(winner, B, settles=(loser,)), after(loser, A)
    lineage = Lineage([ROOT, between, winner, loser, settled, more])
    assert lineage.head == settled
    assert lineage.branches == (more,)


@st.composite
def histories(draw: st.DrawFn) -> list[Header]:
    """Versions as operators make them: each continues any known one, in no lower an epoch."""
    made = [ROOT]
    for number in range(draw(st.integers(0, 12))):
        parent = draw(st.sampled_from(made))
        epoch = parent.epoch + draw(st.integers(0, 1))
        settles = draw(st.lists(st.sampled_from(made), max_size=1))
        node = draw(st.sampled_from([A, B]))
        made.append(after(parent, node, epoch, str(number), tuple(settles)))
    return made


def says(lineage: Lineage) -> object:
    return lineage.head, lineage.branches, list(lineage)


@given(histories(), st.randoms())
def test_the_order_of_arrival_says_nothing(made: list[Header], random: Random) -> None:
    other = made[:]
    random.shuffle(other)
    assert says(Lineage(made)) == says(Lineage([*other, *made]))


@given(histories(), st.sampled_from([A, B]), st.integers(0, 1))
def test_what_continues_the_head_is_the_head(made: list[Header], node: bytes, more: int) -> None:
    head = Lineage(made).head
    assert head is not None
    child = after(head, node, head.epoch + more, "child")
    lineage = Lineage([*made, child])
    assert lineage.head == child
    assert lineage.branches == Lineage(made).branches


@given(histories(), st.data())
def test_cutting_down_before_or_after_a_merge_is_the_same(
    made: list[Header], data: st.DataObject
) -> None:
    keep = site_versions.KEEP
    site_versions.KEEP = 4
    try:
        one = data.draw(st.lists(st.sampled_from(made)))
        whole = Lineage([*one, *made]).kept()
        parts = Lineage([*Lineage(one).kept(), *Lineage(made).kept()]).kept()
        assert whole == parts
        assert Lineage(whole).head == Lineage(made).head
    finally:
        site_versions.KEEP = keep
