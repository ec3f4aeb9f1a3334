"""Operators' commands, at the owner and at the other node: the answer counts recipients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.mail.reply import Refused
from tests.support.disk_vfs import DiskVFS
from tests.support.duo import Duo


@pytest.fixture
def two() -> Iterator[Duo]:
    with DiskVFS("desk") as vfs, Duo(vfs) as two:
        two.start()
        yield two


@pytest.mark.parametrize("where", ["a", "b"])
def test_the_answer_counts_recipients(two: Duo, where: str) -> None:
    _, queue_id = two.accept(two.a, b"one", "al@one.test", "bo@one.test", "cy@two.test")
    station = {"a": two.a, "b": two.b}[where]

    def told(action: str) -> object:
        return station.answers[two.command(station, action, queue_id)]

    assert [told(action) for action in ("hold", "hold", "release", "remove")] == [3, 0, 3, 3]
    assert told("remove") == 0
    assert two.same()


def test_what_the_owner_refuses_is_refused_at_the_other_node(two: Duo) -> None:
    _, queue_id = two.accept(two.a, b"one", "al@one.test")
    error = two.b.refusals[two.command(two.b, "forget", queue_id)]
    assert isinstance(error, Refused)
    assert "unknown command" in error.reply.text
    assert error.hint
