"""Every action of every screen has a test that brings it about by its key, and says so."""

from __future__ import annotations

from tests.tui.acts import bound, named


def test_every_action_has_a_test() -> None:
    assert bound() - named() == set()


def test_no_test_names_what_there_is_not() -> None:
    assert named() - bound() == set()
