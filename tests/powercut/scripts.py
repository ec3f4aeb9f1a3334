"""What machines do while the power fails: every kind of change, in few steps."""

from __future__ import annotations

from appliance.spool.operations import HandOver, TakeOver
from tests.powercut.machine import Machine, Request
from tests.powercut.site import Site

LARGE = bytes(range(256)) * 20


def one_node(site: Site) -> None:
    """A node without a peer: mail in, mail out, commands, and what has ended is forgotten."""
    (node,) = site.machines
    site.send(node, ["a@ok.test", "b@ok.test"], b"first")
    site.send(node, ["c@never.test"], b"second")
    large = site.send(node, ["d@box.test", "e@later.test"], LARGE)
    site.run()
    _attempt(site, node)
    held = site.send(node, ["f@ok.test"], b"third")
    gone = site.send(node, ["g@ok.test"], LARGE[:3000])
    site.command(node, "hold", held, 0)
    site.command(node, "redirect", large, 1, "h@other.test")
    site.run()
    site.lease(node)
    site.command(node, "remove", gone, 0)
    site.command(node, "release", held, 0)
    site.run()
    site.wait(10)
    site.sweep(node)
    site.run()


def traffic(site: Site) -> None:
    """A pair: mail in at both, mail out, commands from both sides."""
    one, two = site.machines
    site.connect()
    site.settle()
    site.send(one, ["a@ok.test", "b@never.test"], b"first")
    site.send(two, ["c@box.test"], b"second")
    large = site.send(one, ["d@later.test"], LARGE)
    site.send(two, ["e@ok.test"], LARGE[:4000])
    site.run()
    for machine in (one, two):
        _attempt(site, machine)
    held = site.send(one, ["f@ok.test"], b"third")
    site.run()
    site.command(one, "hold", held, 0)
    site.command(two, "redirect", large, 0, "g@other.test")
    site.run()
    site.lease(one)
    site.command(one, "remove", held, 0)
    site.run()
    site.wait(10)
    site.sweep(two)
    site.run()
    site.sweep(one)
    site.run()


def claims(site: Site) -> None:
    """A pair: all is handed over; then a node adopts what a silent one left, which comes back."""
    one, two = site.machines
    site.connect()
    site.settle()
    site.hear(True)
    site.send(one, ["a@ok.test"], b"first")
    site.send(one, ["b@later.test"], LARGE[:2000])
    site.run()
    _attempt(site, one)
    site.submit(one, HandOver(Request()))
    site.run()
    _attempt(site, two)
    site.send(one, ["c@ok.test"], b"second")
    site.send(two, ["d@ok.test"], b"third")
    site.run()
    leases = site.lease(one)
    site.disconnect()
    site.send(one, ["e@ok.test"], LARGE[:2500])
    site.run()
    site.hear(False)
    site.wait(61_000)
    _attempt(site, two)
    site.report(one, leases)
    site.run()
    site.hear(True)
    site.connect()
    site.settle()


def take_over(site: Site) -> None:
    """A node that booted alone is told to act on its backlog, and meets its peer later."""
    one, two = site.machines
    site.submit(one, TakeOver(Request()))
    site.run()
    _attempt(site, one)
    site.send(two, ["a@ok.test"], b"first")
    site.run()
    site.connect()
    site.settle()


def changes(site: Site) -> None:
    """A pair: the site is changed on both nodes together, and on each alone; then they meet."""
    one, two = site.machines
    site.connect()
    site.settle()
    site.change(one, b"first")
    site.put(two, "key", b"one")
    site.run()
    site.change(two, b"second")
    site.put(one, "key", b"two")
    site.put(one, "other", LARGE)
    site.run()
    site.disconnect()
    site.change(one, b"of one")
    site.put(one, "of one", b"value")
    site.change(two, b"of two")
    site.put(two, "other", None)
    site.run()
    site.connect()
    site.settle()
    site.change(one, b"of both")
    site.run()


def meet(site: Site) -> None:
    """Nodes meet that hold different things; then they work on."""
    site.connect()
    site.settle()
    for machine in site.machines:
        site.send(machine, ["x@ok.test"], b"met")
        _attempt(site, machine)


def _attempt(site: Site, machine: Machine) -> None:
    site.present(machine)
    site.report(machine, site.lease(machine))
    site.run()
