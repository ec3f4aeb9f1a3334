"""What people write becomes what they mean, or a hint."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.search.catalogue import Kind, State
from appliance.search.query import LONGEST, Mistake, parse
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
    meant,
)

NOW = int(datetime(2026, 11, 22, 15, 30, tzinfo=UTC).timestamp() * 1000)
DAY = 86_400_000


def at(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


def word(text: str, field: str | None = None) -> Word:
    return Word(field, text)


A, B, C = word("a"), word("b"), word("c")


@pytest.mark.parametrize(
    "query, node",
    [
        ("tide", word("tide")),
        ("  Tide  ", word("tide")),
        ("a b", And((A, B))),
        ("a AND b", And((A, B))),
        ("a OR b", Or((A, B))),
        ("a b OR c", Or((And((A, B)), C))),
        ("a (b OR c)", And((A, Or((B, C))))),
        ("NOT a", Not(A)),
        ("a NOT b", And((A, Not(B)))),
        ("a AND NOT b OR c", Or((And((A, Not(B))), C))),
        ("NOT NOT a", Not(Not(A))),
        ("-a b", And((Not(A), B))),
        ("a -(b c)", And((A, Not(And((B, C)))))),
        ("a-b", Phrase(None, ("a", "b"))),
        ("and", word("and")),
        ('"AND"', word("and")),
        ('"tide tables"', Phrase(None, ("tide", "tables"))),
        ('a"b c"', And((A, Phrase(None, ("b", "c"))))),
        ("harbo*", Prefix(None, "harbo")),
        ("Müll*", Prefix(None, "mull")),
        ("subject:tide", word("tide", "subject")),
        ("SUBJECT:tide", word("tide", "subject")),
        ('subject:"the tide"', Phrase("subject", ("the", "tide"))),
        ("subject:ti*", Prefix("subject", "ti")),
        ("subject:(a OR b) c", And((Or((word("a", "subject"), word("b", "subject"))), C))),
        ("subject:(a body:b)", And((word("a", "subject"), word("b", "body")))),
        ("from:anna", word("anna", "from")),
        ("from:Anna@Site.test", Named(Kind.SENDER, "anna@site.test")),
        ("to:<b@c.test>", Named(Kind.RECIPIENT, "b@c.test")),
        ("from:@site.test", Phrase("from", ("site", "test"))),
        ('from:"a@b.test"', Phrase("from", ("a", "b", "test"))),
        ("anna@site.test", Phrase(None, ("anna", "site", "test"))),
        ("id:<1@x.test>", Identity("1@x.test")),
        ("before:2026-10-31", Received(None, at(2026, 10, 31))),
        ("after:2026-10", Received(at(2026, 10, 1), None)),
        ("during:2026", Received(at(2026, 1, 1), at(2027, 1, 1))),
        ("during:2026-12", Received(at(2026, 12, 1), at(2027, 1, 1))),
        ("during:2026-02-28T23:59", Received(at(2026, 2, 28, 23, 59), at(2026, 3, 1))),
        ("during:today", Received(at(2026, 11, 22), at(2026, 11, 23))),
        ("during:yesterday", Received(at(2026, 11, 21), at(2026, 11, 22))),
        ("after:7d", Received(NOW - 7 * DAY, None)),
        ("before:12h", Received(None, NOW - DAY // 2)),
        ("is:held", Standing(State.HELD)),
        ("is:Delivered", Standing(State.DELIVERED)),
        ("http://x.test/y", Phrase(None, ("http", "x", "test", "y"))),
        ("12:30", Phrase(None, ("12", "30"))),
        ("日本", Phrase(None, ("日", "本"))),
    ],
)
def test_it_means(query: str, node: Node) -> None:
    assert parse(query, NOW) == node


@pytest.mark.parametrize(
    "query, hint",
    [
        ("", "for example"),
        ("   ", "for example"),
        ('"tide', "end the phrase"),
        ('""', "for example"),
        ("(a", "close the parenthesis"),
        ("(", "close the parenthesis"),
        ("a)", "in quotes"),
        (")", "in quotes"),
        ("()", "in quotes"),
        ("a AND", 'write "and"'),
        ("OR a", 'write "or" in small letters'),
        ("a OR OR b", "small letters"),
        ("NOT", 'write "not"'),
        ("form:anna", "did you mean from:?"),
        ("colour:red", "known: subject:, from:"),
        ("subject:", "for example"),
        ("is:", "queued"),
        ("is:lost", "is:held"),
        ("before:soon", "2026-10-31"),
        ("during:2026-13", "2026-10-31"),
        ("during:2026-02-30", "2026-10-31"),
        ("during:9999", "2026-10-31"),
        ("after:99999w9", "2026-10-31"),
        ("*", "harbo*"),
        ("*x", "harbo*"),
        ("a*b", "harbo*"),
        ("a-b*", "harbo*"),
        ("a*", "at least 2 letters"),
        ("!!!", "only words"),
        ("a " * LONGEST, str(LONGEST)),
        ("(" * 100 + "a", "simpler"),
        ("NOT " * 150 + "a", "one is enough"),
        ("a " * 300, "at most 100"),
    ],
)
def test_a_mistake_has_a_hint(query: str, hint: str) -> None:
    with pytest.raises(Mistake) as caught:
        parse(query, NOW)
    assert hint in caught.value.hint


@given(
    st.lists(
        st.sampled_from(
            ["a", "tide", "(", ")", '"', "AND", "OR", "NOT", "-", "*", ":", "from:", "is:", "id:",
             "held", "during:", "2026", "x@y.test", "\x00", "é", "日", "\ud800"]
        )
        | st.text(max_size=3),
        max_size=12,
    ),
    st.sampled_from(["", " "]),
)  # fmt: skip
def test_whatever_is_written_it_is_a_tree_or_a_mistake(pieces: list[str], between: str) -> None:
    with suppress(Mistake):
        meant(parse(between.join(pieces), NOW))


def test_what_a_hit_shows_is_what_was_wanted() -> None:
    node = parse('tide "ebb flow" harbo* NOT storm from:anna is:held', NOW)
    assert meant(node) == [
        ("tide", False),
        ("ebb", False),
        ("flow", False),
        ("harbo", True),
        ("anna", False),
    ]
