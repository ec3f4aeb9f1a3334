"""An update ends with the new release or the old one, each with its data, wherever it is cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bundle import swap
from bundle.errors import Refused
from bundle.ledger import Phase, State
from bundle.manifest import Version
from tests.unit.bundle.world import NEW, OLD, Crash, Power, World


def test_the_new_release_runs_with_a_migrated_copy(world: World) -> None:
    state = world.update()
    assert state.phase is Phase.DONE
    assert (world.version, world.spool.read_text()) == (NEW, f"data of {NEW}")
    assert swap.beside(world.spool, "previous").read_text() == f"data of {OLD}"
    assert not world.trial.exists()
    assert world.runs
    assert world.events[-4:] == ["switching", "trial", "keeping", "done"]


def test_what_does_not_work_is_taken_back(world: World) -> None:
    world.sick = True
    state = world.update()
    assert state.phase is Phase.BACK
    assert "ends again and again" in state.error
    assert (world.version, world.spool.read_text()) == (OLD, f"data of {OLD}")
    assert swap.beside(world.spool, "failed").read_text() == f"data of {NEW}"
    assert not world.trial.exists()
    assert world.runs


@pytest.mark.parametrize("fault", ["unmigratable", "loses"])
def test_a_migration_that_fails_leaves_all_as_it_was(world: World, fault: str) -> None:
    setattr(world, fault, True)
    state = world.update()
    assert state.phase is Phase.FAILED
    assert state.error
    assert world.runs
    assert world.version == OLD
    assert [path.name for path in world.data.iterdir()] == ["spool.db"]


def test_a_node_without_its_peer_is_not_stopped_unasked(world: World) -> None:
    world.paired = False
    assert "not paired" in world.update().error
    assert world.runs
    assert world.update(alone=True).phase is Phase.DONE


def test_a_node_that_serves_leaves_its_addresses_first(world: World) -> None:
    world.active = True
    assert world.update().phase is Phase.DONE
    assert world.left == 1


def test_a_node_that_was_paired_must_be_again(world: World) -> None:
    start = world.start

    def cut_off() -> None:
        start()
        world.paired = world.version == OLD

    world.start = cut_off  # type: ignore[method-assign]
    state = world.update()
    assert state.phase is Phase.BACK
    assert "not paired again" in state.error
    assert world.paired


@pytest.mark.parametrize("phase", [Phase.SWITCHING, Phase.GOING_BACK])
def test_nobody_starts_the_node_in_the_middle_of_the_exchange(world: World, phase: Phase) -> None:
    ledger = world.updater().ledger
    ledger.write(State(phase, OLD, NEW, files=(str(world.spool),)))
    with ledger.locked(), pytest.raises(Refused, match="under way"):
        world.updater().settle()


def test_one_update_at_a_time(world: World) -> None:
    updater = world.updater()
    updater.request("x", alone=False, allow_downgrade=False, by="x")
    with pytest.raises(Refused, match="under way"):
        updater.request("y", alone=False, allow_downgrade=False, by="x")


def test_what_is_no_bundle_changes_nothing(world: World) -> None:
    (world.folder / "new.bundle").write_bytes(b"no bundle")
    assert world.update().phase is Phase.FAILED
    assert world.version == OLD
    assert world.runs


# The power goes.


def prepared(world: World, scenario: str) -> Callable[[], State]:
    """What is done while the power may go, from here on."""
    world.sick = scenario == "sick"
    world.migrates = scenario != "no migration"
    if scenario == "back by hand":
        world.update()
        world.updater().request_back("x")
        return world.run
    return world.update


SCENARIOS = ["healthy", "sick", "no migration", "back by hand"]


@pytest.mark.parametrize(
    "scenario, how", [*((one, "power") for one in SCENARIOS), ("sick", "process")]
)
def test_a_crash_at_any_change_ends_old_or_new(
    make: Callable[[], World], power: Power, scenario: str, how: str
) -> None:
    """`power`: the machine goes, and boots. `process`: only the updater, which systemd restarts."""
    at = 0
    while True:
        world = make()
        act = prepared(world, scenario)
        power.fresh(at, "" if scenario in ("healthy", "back by hand") else "write stopping")
        try:
            act()
        except Crash:
            power.fresh()
        else:
            break
        if world.updater().ledger.read() is None:
            at += 1
            continue  # it was not even begun
        if how == "power":
            world.boot()
        state = world.run()
        assert state.phase.over
        world.check_sides()
        assert world.runs
        assert world.version in (OLD, NEW)
        assert not world.trial.exists()
        if scenario == "sick":
            assert world.version == OLD
        at += 1
    assert at > 15


def test_a_crash_while_it_recovers_from_a_crash(make: Callable[[], World], power: Power) -> None:
    """In the middle of the exchange, and at each change of what finishes it."""
    for first in range(100):
        for second in range(0, 12, 3):
            world = make()
            power.fresh(first, "write switching")
            try:
                world.update()
            except Crash:
                pass
            else:
                return
            power.fresh(second)
            try:
                world.boot()
            except Crash:
                power.fresh()
                world.boot()
            power.fresh()
            assert world.run().phase.over
            world.check_sides()
            assert world.runs
    pytest.fail("the update never came to its end")


def test_a_state_of_another_release_can_be_read() -> None:
    state = State(Phase.TRIAL, OLD, NEW)
    told = state.encode().replace(b'"old"', b'"new field": 1, "old"')
    assert State.decode(told) == state
    assert Version.parse(State.decode(told).new) == Version.parse(NEW)
