"""The history on disk: what was added is told, whatever clocks, restarts and damage do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.monitor.history import Curve, HistoryFile
from appliance.monitor.ring import DAY, HOUR, LEVELS, MINUTE, Level, Moment

STEP = LEVELS[0].step
WALL = 1_790_000_000_000 // (10 * MINUTE) * 10 * MINUTE


def rows(path: Path) -> dict[int, int]:
    """How many rows each level has."""
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT key >> 44, count(*) FROM row GROUP BY 1"))


def moment(running: int, wall: int = WALL, boot: str = "boot") -> Moment:
    return Moment(boot, running, wall + running)


class World:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: list[str] = []
        self.file = HistoryFile(path, self.damage.append)
        self.running = STEP // 2

    def add(self, *told: float, name: str = "x") -> None:
        for figure in told:
            self.file.add(moment(self.running), {name: figure})
            self.running += STEP

    def curve(self, span: int, points: int, name: str = "x") -> Curve:
        return self.file.read([name], moment(self.running), span, points).curves[name]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "history.db")
    yield made
    made.file.close()


def test_samples_are_told_where_they_were_taken(world: World) -> None:
    world.add(1, 2, 3)
    told = world.file.read(["x"], moment(world.running), 4 * STEP, 4)
    assert (told.start, told.width) == (WALL, STEP)
    assert told.curves["x"].mean == (1, 2, 3, None)


def test_a_part_tells_the_least_the_mean_and_the_greatest(world: World) -> None:
    world.add(*range(12))
    curve = world.curve(2 * MINUTE, 2)
    assert (curve.least, curve.mean, curve.greatest) == ((6, None), (8.5, None), (11, None))


def test_what_was_not_sampled_is_a_gap(world: World) -> None:
    world.add(1)
    world.running += 3 * STEP
    world.add(2)
    assert world.curve(6 * STEP, 6).mean == (1, None, None, None, 2, None)


@pytest.mark.parametrize("level", [1, 2])
def test_the_coarser_levels_tell_the_same_and_what_is_not_over_yet(
    world: World, level: int
) -> None:
    minutes = [float(number) for number in range(25) for _ in range(6)]
    world.add(*minutes, 100)
    width = LEVELS[level].step
    curve = world.curve(3 * 10 * MINUTE, 3 * 10 * MINUTE // width)
    if level == 2:
        told = list(zip(curve.least, curve.mean, curve.greatest, strict=True))
        assert told[:2] == [(0, 4.5, 9), (10, 14.5, 19)]
        assert curve.greatest[2] == 100
    else:
        assert curve.mean == (None,) * 4 + (*range(25), 100)


def test_a_step_of_the_wall_clock_is_neither_gap_nor_spike(world: World) -> None:
    world.add(1, 2)
    world.file.add(moment(world.running, WALL - 9 * 365 * DAY), {"x": 3})
    told = world.file.read(["x"], moment(world.running + STEP, WALL - 9 * 365 * DAY), 4 * STEP, 4)
    assert told.start == WALL - 9 * 365 * DAY, "an hour ago is an hour ago by today's clock"
    assert told.curves["x"].mean == (1, 2, 3, None)


def test_levels_keep_so_many_rows_and_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = (Level(STEP, 6), Level(MINUTE, 3), Level(10 * MINUTE, 2))
    monkeypatch.setattr("appliance.monitor.history.LEVELS", small)
    world.add(*range(200))
    world.file.close()
    assert rows(world.path) == {0: 6, 1: 3, 2: 2}
    assert world.curve(6 * STEP, 6).mean == (*range(195, 200), None)


def test_a_clock_far_ahead_after_a_restart_removes_nothing(world: World) -> None:
    world.add(*range(10))
    world.file.add(Moment("other", 5, WALL + 300 * DAY), {"x": 1})
    world.file.close()
    assert rows(world.path)[0] == 11


def test_a_series_that_came_later_has_no_figures_before(world: World) -> None:
    world.add(1)
    world.file.add(moment(world.running), {"x": 2, "y": 7})
    world.running += STEP
    assert world.curve(3 * STEP, 3, "y").mean == (None, 7, None)
    assert world.curve(3 * STEP, 3, "never").mean == (None, None, None)
    assert world.curve(3 * STEP, 3).mean == (1, 2, None)


def test_a_mean_over_a_time_says_how_many_samples_it_has(world: World) -> None:
    world.add(1, 1, 0, 1)
    assert world.file.mean("x", moment(world.running), DAY) == (0.75, 4)
    assert world.file.mean("x", moment(world.running), 30 * DAY) == (0.75, 4)
    assert world.file.mean("y", moment(world.running), DAY) is None


def test_history_survives_a_restart(world: World) -> None:
    world.add(1, 2)
    world.file.close()
    assert world.curve(3 * STEP, 3).mean == (1, 2, None)


@pytest.mark.parametrize("content", [b"this is no database at all" * 300, None])
def test_a_damaged_file_is_put_aside_and_begun_anew(world: World, content: bytes | None) -> None:
    world.add(*range(300))
    world.file.close()
    if content is None:  # its first page says what it is, what follows does not
        whole = world.path.read_bytes()
        content = whole[:4096] + b"\xff" * (len(whole) - 4096)
    world.path.write_bytes(content)
    world.add(5)
    assert len(world.damage) == 1
    assert world.curve(2 * STEP, 2).mean == (5, None)
    assert world.path.with_name("history.db.damaged").read_bytes() == content


def test_a_disk_that_fails_is_told_and_the_file_used_again(world: World) -> None:
    world.add(1)
    world.file.close()
    folder = world.path.parent
    hidden = folder.with_name("elsewhere")
    folder.rename(hidden)
    with pytest.raises(sqlite3.OperationalError):
        world.file.add(moment(world.running), {"x": 2})
    hidden.rename(folder)
    world.running += STEP
    world.add(3)
    assert world.curve(4 * STEP, 4).mean == (1, None, 3, None)
    assert not world.damage


def test_an_hour_needs_no_more_than_its_rows(world: World) -> None:
    """Fold what is needed: an hour in 60 parts is told from the minutes."""
    world.add(*[1.0] * (HOUR // STEP))
    assert world.curve(HOUR, 60).mean[:59] == (1.0,) * 59
