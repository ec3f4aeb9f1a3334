"""What a password has to be that a user chooses."""

from __future__ import annotations

import pytest

from appliance.identity.credential import BadPassword
from appliance.identity.own_password import check


@pytest.mark.parametrize(
    "new, why",
    [
        ("seven 7", "shorter than 8"),
        ("x" * 257, "longer than 256"),
        ("with\x07bell", "control characters"),
        ("until now", "is the old one"),
        ("Margaret1", "more than your name"),
        ("margaretMARGARET!!!", "more than your name"),
        ("aaaaaaaaaaaa", "again and again"),
        ("1111 1111", "again and again"),
    ],
)
def test_refused(new: str, why: str) -> None:
    with pytest.raises(BadPassword, match=why):
        check("margaret", "until now", new)


@pytest.mark.parametrize("new", ["margaret likes tea", "blåbær på toppen", "12345678"])
def test_taken(new: str) -> None:
    check("margaret", "until now", new)


def test_somebody_without_a_name() -> None:
    """What can be nobody's name is refused later, as a wrong password is."""
    check("", "until now", "correct horse")
