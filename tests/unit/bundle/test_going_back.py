"""Back by hand, or from the boot menu: never where mail would be lost."""

from __future__ import annotations

import pytest

from bundle.errors import Refused
from bundle.ledger import Phase
from tests.unit.bundle.world import NEW, OLD, World


def test_back_by_hand_and_forth_again(world: World) -> None:
    world.update()
    world.updater().request_back("x")
    assert world.run().phase is Phase.DONE
    assert (world.version, world.spool.read_text()) == (OLD, f"data of {OLD}")
    world.updater().request_back("x")
    assert world.run().phase is Phase.DONE
    assert (world.version, world.spool.read_text()) == (NEW, f"data of {NEW}")


def test_back_by_hand_is_refused_where_mail_would_be_lost(world: World) -> None:
    world.update()
    world.paired = False
    with pytest.raises(Refused, match="would be lost"):
        world.updater().request_back("x")


def test_mail_that_came_until_the_node_stopped_is_not_lost_by_going_back(world: World) -> None:
    world.update()
    world.updater().request_back("x")
    world.alone_with = 1
    state = world.run()
    assert state.phase is Phase.FAILED
    assert "would be lost" in state.error
    assert (world.version, world.spool.read_text()) == (NEW, f"data of {NEW}")
    assert world.runs
    world.alone_with = 0
    world.updater().request_back("x")
    assert world.run().phase is Phase.DONE
    assert (world.version, world.spool.read_text()) == (OLD, f"data of {OLD}")


def test_back_from_the_boot_menu_needs_no_node_that_answers(world: World) -> None:
    """And is done by the release that made the update."""
    world.update()
    world.sick, world.runs = True, False
    world.updater().request_back_at_boot("x")
    assert world.prefix.updater.readlink().name == OLD
    assert world.run().phase is Phase.DONE
    assert (world.version, world.spool.read_text()) == (OLD, f"data of {OLD}")
    assert world.runs


def test_the_boot_menu_is_heeded_once(world: World) -> None:
    world.update()
    world.updater().request_back_at_boot("x")
    world.run()
    assert world.version == OLD
    world.updater().ledger.write(world.state.now(Phase.BACK))
    with pytest.raises(Refused, match="no update to take back"):
        world.updater().request_back_at_boot("x")


def test_without_migrated_data_a_node_alone_may_go_back(world: World) -> None:
    world.migrates = False
    world.update()
    world.paired = False
    world.updater().request_back("x")
    assert world.run().phase is Phase.DONE
    assert world.version == OLD


def test_back_by_hand_is_refused_when_the_old_data_is_gone(world: World) -> None:
    world.update()
    world.updater().finish()
    with pytest.raises(Refused, match="is not here any more"):
        world.updater().request_back("x")
