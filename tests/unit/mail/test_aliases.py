"""Aliases: followed to their ends, without circles, and nobody gets a message twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.aliases import MAX_DEPTH, Aliases, followed
from appliance.mail.envelope import Recipient

TABLE = {
    "all@site.test": ("ann@site.test", "bob@site.test", "Else@Where.test"),
    "ann@site.test": ("ann@site.test", "backup@site.test"),
    "info@site.test": ("all@site.test", "carl@site.test"),
}


def test_they_are_followed_to_their_ends() -> None:
    assert followed(TABLE) == {
        "all@site.test": ("ann@site.test", "backup@site.test", "bob@site.test", "Else@Where.test"),
        "ann@site.test": ("ann@site.test", "backup@site.test"),
        "info@site.test": (
            "ann@site.test",
            "backup@site.test",
            "bob@site.test",
            "Else@Where.test",
            "carl@site.test",
        ),
    }


def test_circles_are_refused() -> None:
    with pytest.raises(ValueError, match="circles"):
        followed({"a@x.test": ("b@x.test",), "b@x.test": ("c@x.test", "A@x.test")})


@pytest.mark.parametrize("order", [1, -1])
def test_long_lines_are_refused_whatever_comes_first(order: int) -> None:
    def line(length: int) -> dict[str, tuple[str, ...]]:
        pairs = [(f"a{one}@x.test", (f"a{one + 1}@x.test",)) for one in range(length)]
        return dict(pairs[::order])

    assert len(followed(line(MAX_DEPTH))) == MAX_DEPTH
    with pytest.raises(ValueError, match="lead to one another"):
        followed(line(MAX_DEPTH + 1))
    with pytest.raises(ValueError, match="lead to one another"):
        followed(line(5000))


def test_too_many_are_refused() -> None:
    table = {
        f"l{one}@x.test": tuple(f"u{one}-{number}@x.test" for number in range(400))
        for one in range(3)
    }
    assert followed(table)
    with pytest.raises(ValueError, match="more than 1000"):
        followed({**table, "all@x.test": tuple(table)})


@given(
    st.dictionaries(
        st.sampled_from("abcdefgh"),
        st.lists(st.sampled_from("abcdefghxyz"), min_size=1, max_size=4).map(tuple),
    )
)
def test_whatever_stands_in_the_table(table: dict[str, tuple[str, ...]]) -> None:
    try:
        ends = followed(table)
    except ValueError:
        return
    assert ends.keys() == table.keys()
    for alias, addresses in ends.items():
        assert addresses
        assert len(set(addresses)) == len(addresses)
        # Only what names itself still is an alias at the end.
        assert all(one not in table or one in table[one] for one in addresses), alias


def test_nobody_gets_a_message_twice_because_of_an_alias() -> None:
    aliases = Aliases(followed(TABLE))
    found = aliases.expand([Recipient("BOB@site.test"), Recipient("All@Site.test")])
    assert [one.address for one in found] == [
        "BOB@site.test",
        "ann@site.test",
        "backup@site.test",
        "Else@Where.test",
    ]
    assert aliases.size("ALL@site.test") == 4
    assert aliases.size("bob@site.test") == 1


def test_the_senders_wishes_go_with_it() -> None:
    aliases = Aliases(followed(TABLE))
    asked = Recipient("all@site.test", ("SUCCESS", "FAILURE"), "rfc822;all+40site.test")
    assert {(one.notify, one.orcpt) for one in aliases.expand([asked])} == {
        (asked.notify, asked.orcpt)
    }
    silent = Recipient("all@site.test", ("NEVER",))
    assert {(one.notify, one.orcpt) for one in aliases.expand([silent])} == {
        (("NEVER",), "rfc822;all@site.test")
    }


def test_who_is_no_alias_is_left_alone() -> None:
    recipients = (Recipient("x@y.test"), Recipient("x@y.test", ("NEVER",)))
    assert Aliases({}).expand(recipients) == recipients
    assert Aliases(followed(TABLE)).expand(recipients) == recipients
