"""The indexer rests while mail needs the machine, keeps up with the floor, and catches up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.mail.views import Unavailable
from appliance.search.indexer import Activity
from appliance.search.load import Machine
from appliance.search.pace import PROMISED, Load, Pacer, Rule
from tests.unit.search.test_indexer import Rig

FLOOR = 10_000 / 60
BUSY, HALF = Load(0.0, 9000.0, 0.0), Load(1.0, 9000.0, 0.0)
CALM = Load(2.0, 3.0, 10.0)


def test_the_floor_is_kept_up_with_whatever_else_the_machine_does() -> None:
    assert FLOOR < PROMISED
    assert Rule().share(0, Load(0.0, FLOOR, 3 * FLOOR)) == 1.0


def test_above_it_the_index_takes_what_is_idle_but_for_a_reserve() -> None:
    rule = Rule()
    shares = [
        rule.share(200 * look, Load(idle, 20 * PROMISED, 0.0))
        for look, idle in enumerate((8.0, 8.0, 1.0, 1.0, 0.4, 0.0, 2.0, 2.0))
    ]
    # A moment in which much is idle is not believed before the next one says so, too.
    assert shares == [0.0, 1.0, 0.5, 0.5, 0.0, 0.0, 0.0, 1.0]


def test_a_queue_that_is_delivered_is_mail_at_work_too() -> None:
    rule = Rule()
    assert rule.share(0, Load(0.0, 0.0, 8 * PROMISED)) == 1.0
    assert rule.share(2000, Load(0.0, 0.0, 8 * PROMISED)) == 0.0


def test_a_pause_between_two_bursts_is_not_the_end_of_them() -> None:
    rule = Rule()
    assert rule.share(0, Load(0.0, 20 * PROMISED, 0.0)) == 0.0
    assert rule.share(100, Load(0.0, 0.0, 0.0)) == 0.0
    assert rule.share(4000, Load(0.0, 0.0, 0.0)) == 1.0


def test_mail_at_the_floor_that_comes_in_bursts_is_no_load() -> None:
    rule = Rule()
    for look in range(100):
        rate = 5 * FLOOR if look % 5 == 0 else 0.0
        assert rule.share(200 * look, Load(0.0, rate, 3 * rate)) == 1.0


class Machinery:
    """A clock that waiting moves, and loads one after the other."""

    def __init__(self, *loads: Load) -> None:
        self.now = 0
        self.rested = list[int]()
        self.stopping = False
        self._loads = iter((CALM, *loads))
        self._last = CALM

    def look(self) -> Load:
        self._last = next(self._loads, self._last)
        return self._last

    def wait(self, seconds: float) -> bool:
        self.rested.append(round(seconds * 1000))
        self.now += self.rested[-1]
        return self.stopping

    def pacer(self) -> Pacer:
        return Pacer(self.look, lambda: self.now, self.wait)


def test_pauses_give_back_what_the_share_is_less_than_a_core() -> None:
    machine = Machinery(HALF, HALF, HALF, HALF)
    pacer = machine.pacer()
    machine.now = 400
    pacer.pause()  # nothing is known yet: it rests until the second look
    machine.rested.clear()
    for _ in range(3):
        machine.now += 10
        pacer.pause()
    assert machine.rested == [10, 10, 10]


def test_in_the_middle_of_work_it_waits_until_mail_is_calm() -> None:
    machine = Machinery(*[BUSY] * 20, *[CALM] * 50)
    pacer = machine.pacer()
    machine.now = 200
    assert pacer.resting()
    pacer.pause()
    assert not pacer.resting()
    assert 20 * 200 <= sum(machine.rested) <= 60 * 200


def test_a_stop_ends_every_rest() -> None:
    machine = Machinery(*[BUSY] * 100)
    pacer = machine.pacer()
    machine.now, machine.stopping = 200, True
    pacer.pause()
    assert len(machine.rested) == 1


def test_questions_get_half_of_the_time_at_most() -> None:
    machine = Machinery(*[CALM] * 100)
    pacer = machine.pacer()
    with pacer.asked():
        pacer.pause()
        assert machine.now == 200  # a question that takes longer than that is waited for no more
        pacer.pause()
        assert machine.now == 200  # now it is the index's turn
        machine.now += 200
        pacer.pause()
        assert machine.now == 600
    machine.now += 200
    pacer.pause()
    assert machine.now == 800


def test_without_load_nothing_rests() -> None:
    machine = Machinery(*[CALM] * 100)
    pacer = machine.pacer()
    for _ in range(50):
        machine.now += 100
        pacer.pause()
    assert not machine.rested


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.stop()
    rig.writer.close()


def test_a_resting_indexer_says_so_and_how_far_it_is_behind(rig: Rig) -> None:
    rig.settle()
    rig.pace.rests = True
    names = [rig.accept("tide") for _ in range(30)]
    for _ in range(20):
        rig.now += 300
        assert not rig.indexer.turn()
    progress = rig.indexer.progress
    assert progress.activity is Activity.RESTING
    assert (progress.waiting, progress.complete) == (30, True)
    assert progress.lag >= 19 * 300
    assert rig.find("tide") == []
    rig.pace.rests = False
    rig.settle()
    assert rig.find("tide") == names[::-1]
    assert rig.indexer.progress.lag == 0


def test_the_load_of_this_machine() -> None:
    now = 0
    told = iter([(100, 1000), (400, 1700)])

    def counts() -> tuple[int, int]:
        try:
            return next(told)
        except StopIteration:
            raise Unavailable("no spool") from None

    machine = Machine(counts, lambda: now)
    now = 500
    load = machine.look()
    assert load[1:] == (600, 1400)
    assert load.idle >= 0
    assert machine.look()[1:] == (0, 0)  # the spool is away: nothing comes in
