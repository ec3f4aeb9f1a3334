"""Plays a script again and again, with the power cut at another step of a disk each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from tests.powercut.check import check_alike, check_machine
from tests.powercut.machine import USUAL, Build, Machine
from tests.powercut.site import Cut, Site
from tests.support.disk import Image
from tests.support.disk_vfs import DiskVFS

Script = Callable[[Site], None]


@dataclass(frozen=True)
class Play:
    """A script, the machines it is played on, and the disks they begin with.

    `whole`: the journals are never pruned in it.
    """

    script: Script
    names: tuple[str, ...]
    build: Build = USUAL
    images: Mapping[str, Image] | None = None
    whole: bool = True


class Stage:
    """One site, set up for a play; give it back with `close`."""

    def __init__(self, vfs: DiskVFS, play: Play, seed: int) -> None:
        self._play, self._vfs = play, vfs
        alone = len(play.names) == 1
        machines = [
            Machine(name, vfs, Random(f"{seed} {name}"), play.build, alone) for name in play.names
        ]
        for machine in machines:
            vfs.attach(machine.disk)
            if play.images is not None:
                machine.disk.restore(play.images[machine.name])
        self.rng = Random(seed)
        self.site = Site(machines, self.rng)

    def close(self) -> None:
        """Close what is open."""
        for machine in self.site.machines:
            machine.off()
            self._vfs.detach(machine.disk)

    def perform(self) -> Machine | None:
        """Boot and play until the power of a machine is cut, which is returned."""
        try:
            for machine in self.site.machines:
                self.site.boot(machine)
            self._play.script(self.site)
        except Cut as cut:
            return cut.machine
        return None

    def recover(self, victim: Machine) -> None:
        """Cut the power, boot, look at the disk alone, meet the peer, and go on working."""
        site, again = self.site, self.rng.random() < 0.3
        site.cut(victim)
        victim.disk.faults.clear()
        if again:  # the power fails again while the machine comes up
            victim.disk.faults.crash_at(nth=self.rng.randint(1, 25))
        try:
            site.boot(victim)
        except Cut:
            site.cut(victim)
            victim.disk.faults.clear()
            site.boot(victim)
        victim.disk.faults.clear()
        check_machine(site, victim, self._play.whole)
        for machine in site.machines:
            if not machine.up:
                site.boot(machine)
        self.come_together()
        self._go_on()

    def come_together(self) -> None:
        """Meet the peer, if there is one, and compare."""
        site = self.site
        if len(site.machines) > 1:
            site.disconnect()
            site.hear(True)
            site.connect()
            site.settle()
        else:
            site.run()
        for machine in site.machines:
            check_machine(site, machine, self._play.whole)
        check_alike(site)

    def _go_on(self) -> None:
        """New mail is accepted and kept, on every machine."""
        site = self.site
        for machine in site.machines:
            site.send(machine, ["z@after.test"], b"after " * 100)
            site.present(machine)
            site.lease(machine)
        site.run()
        for machine in site.machines:
            check_machine(site, machine, self._play.whole)
        check_alike(site)


def steps(vfs: DiskVFS, play: Play, seed: int, victim: int) -> int:
    """How many labelled steps the disk of a machine takes; the play must pass its checks."""
    stage = Stage(vfs, play, seed)
    try:
        faults = stage.site.machines[victim].disk.faults
        faults.record()
        assert stage.perform() is None
        total = len(faults.trace)
        faults.clear()
        stage.come_together()
        return total
    finally:
        stage.close()


def crash(vfs: DiskVFS, play: Play, seed: int, victim: int, nth: int) -> None:
    """Cut the power of a machine at a step of its disk, and check what becomes of it."""
    stage = Stage(vfs, play, seed)
    try:
        machine = stage.site.machines[victim]
        # Each step has its own luck in what of the cache survives.
        machine.disk.rng.seed(f"{seed} {victim} {nth}")
        machine.disk.faults.crash_at(nth=nth)
        struck = stage.perform()
        assert struck is machine, f"step {nth} did not come"
        stage.recover(machine)
    finally:
        stage.close()
