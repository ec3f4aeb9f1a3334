"""Plays a script again and again, with the power cut at another step of a disk each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from random import Random

from tests.powercut.chain import Registry
from tests.powercut.check import check_alike, check_machine
from tests.powercut.ledger import Ledger
from tests.powercut.machine import USUAL, Build, Machine
from tests.powercut.site import Down, Site
from tests.support.disk import Image
from tests.support.disk_vfs import DiskVFS

Script = Callable[[Site], None]


@dataclass(frozen=True)
class Past:
    """What was before: the disks, what was answered, and which records were seen."""

    images: Mapping[str, Image]
    ledger: Ledger
    registry: Registry


@dataclass(frozen=True)
class Play:
    """A script, the machines it is played on, and what they did before.

    `whole`: their journals were never pruned.
    """

    script: Script
    names: tuple[str, ...]
    build: Build = USUAL
    past: Past | None = None
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
        self.rng = Random(seed)
        self.site = Site(machines, self.rng)
        if play.past is not None:
            self.site.ledger = deepcopy(play.past.ledger)
            self.site.registry = dict(play.past.registry)
            for machine in machines:
                machine.disk.restore(play.past.images[machine.name])

    def close(self) -> None:
        """Close what is open."""
        for machine in self.site.machines:
            machine.off()
            self._vfs.detach(machine.disk)

    def perform(self) -> Down | None:
        """Boot and play; what ended it before its time."""
        try:
            for machine in self.site.machines:
                self.site.boot(machine)
            self._play.script(self.site)
        except Down as down:
            return down
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
        except Down:
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

    def restart(self, machine: Machine) -> None:
        """The spool process starts anew, or ran all the time; later the power fails."""
        site = self.site
        if not machine.up:
            site.boot(machine)
        check_machine(site, machine, self._play.whole)
        for other in site.machines:
            if not other.up:
                site.boot(other)
        self.come_together()
        self._go_on()
        site.cut(machine)
        site.boot(machine)
        check_machine(site, machine, self._play.whole)
        self.come_together()

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


def past(vfs: DiskVFS, play: Play, seed: int) -> Past:
    """What a play leaves behind."""
    stage = Stage(vfs, play, seed)
    try:
        assert stage.perform() is None
        stage.come_together()
        site = stage.site
        images = {machine.name: machine.disk.snapshot() for machine in site.machines}
        return Past(images, site.ledger, site.registry)
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
        down = stage.perform()
        assert down is not None, f"step {nth} did not come"
        assert (down.machine, down.error) == (machine, None)
        stage.recover(machine)
    finally:
        stage.close()
