"""The helper begins updates, of what was received and of nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.ipc.machine_updates import GoBack, StartUpdate
from appliance.machine.helper import HelperError
from appliance.machine.updates import Updates
from bundle import files
from bundle.install import Prefix
from bundle.ledger import Ledger, Phase
from bundle.node import SystemClock, SystemNode
from bundle.update import Updater


class Machine:
    def __init__(self, folder: Path) -> None:
        self.prefix = Prefix(folder / "opt")
        self.prefix.path.mkdir()
        self.went_on = 0
        self.bundle = folder / "incoming" / "bundle"
        self.data = folder / "data"
        self.updates = Updates(self.bundle, self.updater, self.go_on)

    def updater(self) -> Updater:
        node, clock = SystemNode(self.data), SystemClock()
        return Updater(self.prefix, node, clock, lambda text: None, system="test")

    def go_on(self) -> None:
        self.went_on += 1


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    found = Machine(tmp_path)
    files.point(found.prefix.current, "releases/1.2.3")
    return found


async def test_an_update_is_noted_and_left_to_systemd(machine: Machine) -> None:
    begun = await machine.updates.start(StartUpdate(while_alone=True), lambda progress: None)
    state = Ledger(machine.prefix.path / "update").read()
    assert state is not None
    assert (state.phase, state.source, state.began) == (
        Phase.REQUESTED,
        str(machine.bundle),
        begun.began,
    )
    assert state.alone
    assert not state.allow_downgrade
    assert machine.went_on == 1


async def test_what_cannot_be_begun_is_told(machine: Machine) -> None:
    with pytest.raises(HelperError, match="no update to take back"):
        await machine.updates.back(GoBack(), lambda progress: None)
    await machine.updates.start(StartUpdate(), lambda progress: None)
    with pytest.raises(HelperError, match="under way"):
        await machine.updates.start(StartUpdate(), lambda progress: None)
    assert machine.went_on == 1
