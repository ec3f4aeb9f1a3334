"""The line on how the site is does not puzzle whoever has not logged in yet."""

from __future__ import annotations

from tui.node import GONE, UNAUTHORIZED, Trouble
from tui.site import Side, Site
from tui.widgets.bars import sentence


def said(code: str) -> str:
    return sentence(Site(Side(trouble=Trouble("that is for operators", "log in", code)))).plain


def test_a_login_does_not_say_that_one_has_to_log_in_as_if_it_were_a_fault() -> None:
    assert said(UNAUTHORIZED) == ""


def test_a_node_that_is_away_or_in_trouble_is_told() -> None:
    assert "NODE AWAY" in said(GONE)
    assert "that is for operators" in said("unavailable")
