"""What must hold of a disk after a crash: at first of each alone, then of the pair."""

from __future__ import annotations

from appliance.spool.dump import dump
from tests.powercut.chain import check_chain, note_journal
from tests.powercut.derived import check_contents, check_derived
from tests.powercut.machine import Machine
from tests.powercut.site import Site


def check_machine(site: Site, machine: Machine, whole: bool = True) -> None:
    """Raises AssertionError; the machine has booted, or is at rest.

    `whole`: no part of its journal was pruned, or replaced by a snapshot.
    """
    tips = check_chain(machine.db, whole)
    note_journal(site.registry, machine.db)
    for incarnation, seq in site.promised[machine.name].items():
        held = tips.get(incarnation, (0, b""))[0]
        assert held >= seq, f"{machine.name} acknowledged {seq} and holds {held}"
    check_contents(machine.db, machine.files)
    check_derived(machine.db, machine.id)
    site.ledger.check(machine.name, machine.db, machine.files)
    assert machine.engine.store.unapplied == 0


def check_alike(site: Site) -> None:
    """Raises AssertionError if nodes that have caught up with each other differ."""
    first, *others = [dump(machine.engine.store) for machine in site.machines]
    for other in others:
        assert other == first, f"{set(other) ^ set(first)}"
