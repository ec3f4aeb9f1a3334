"""Two nodes and a client on a bridge, in namespaces of their own, and what can befall them.

    a   eth0 ──┐         ┌── eth0   b
               front ────┤
    client eth0 ─────────┘
    a   eth1 ───── back ──── eth1   b

Both bridges are in a fourth namespace, the switch. There is no way from here to anywhere else.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

from tests.netns.namespace import Failed, Namespace

FRONT, BACK = 0, 1
BRIDGES = ("front", "back")
PREFIX, PREFIX6 = 24, 64
VIRTUAL = "192.0.2.10"  # RFC 5737: for documentation, so it is nobody's outside
VIRTUAL6 = "2001:db8::10"
CLIENT = "192.0.2.20"
CLIENT6 = "2001:db8::20"
_NEEDED = ("ip", "nft", "nsenter", "setpriv")

_RULES = """\
flush table bridge lab
table bridge lab {
    chain forward {
        type filter hook forward priority 0
        %s
    }
}
"""


class Host:
    """A namespace with an address on the bridges that it is on."""

    def __init__(self, name: str, number: int, bridges: Sequence[int]) -> None:
        self.name = name
        self.namespace = Namespace()
        self.addresses = tuple(_NETS[bridge] + str(number) for bridge in bridges)
        self.address6 = f"2001:db8::{number}"
        """On the front bridge."""
        self._number = number
        self._bridges = bridges

    def port(self, bridge: int) -> str:
        """The switch's end of its cable."""
        return f"{self.name}{bridge}"

    @property
    def hardware(self) -> str:
        """The hardware address on the front bridge."""
        told = self.namespace.run("ip", "-json", "link", "show", "dev", f"eth{FRONT}")
        return str(json.loads(told)[0]["address"])

    def plug(self, switch: Namespace) -> None:
        """Lay its cables."""
        for bridge in self._bridges:
            port, address = self.port(bridge), _NETS[bridge] + str(self._number)
            switch.run(
                *("ip", "link", "add", port, "type", "veth"),
                *("peer", "name", f"eth{bridge}", "netns", self.namespace.path),
            )
            switch.run("ip", "link", "set", port, "master", BRIDGES[bridge], "up")
            lines = [f"address add {address}/{PREFIX} dev eth{bridge}"]
            if bridge == FRONT:
                lines.append(f"address add {self.address6}/{PREFIX6} dev eth{bridge} nodad")
            _ip(self.namespace, *lines, f"link set eth{bridge} up")


_NETS = ("192.0.2.", "198.51.100.")


class Lab:
    """The hosts while `with Lab()` lasts. Nothing of it outlives this process."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._rules: dict[str, str] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._switch = Namespace()
            stack.callback(self._switch.close)
            for bridge in BRIDGES:
                self._switch.run("ip", "link", "add", bridge, "type", "bridge")
                self._switch.run("ip", "link", "set", bridge, "up")
            self.a = self._host(stack, "a", 11, (FRONT, BACK))
            self.b = self._host(stack, "b", 12, (FRONT, BACK))
            self.client = self._host(stack, "c", 20, (FRONT,))
            self.nodes = (self.a, self.b)
            self._switch.run("nft", "add", "table", "bridge", "lab")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _host(self, stack: ExitStack, name: str, number: int, bridges: Sequence[int]) -> Host:
        host = Host(name, number, bridges)
        stack.callback(host.namespace.close)
        host.plug(self._switch)
        return host

    def link_down(self, host: Host, *bridges: int) -> None:
        """Pull its cables out at the switch: both ends lose the carrier."""
        _ip(self._switch, *(f"link set {host.port(bridge)} down" for bridge in bridges))

    def link_up(self, host: Host, *bridges: int) -> None:
        """Put them in again."""
        _ip(self._switch, *(f"link set {host.port(bridge)} up" for bridge in bridges))

    def forget_neighbours(self) -> None:
        """The client asks anew which machine has which address."""
        _ip(self.client.namespace, "neigh flush all")

    def clear(self, host: Host) -> None:
        """Forget the virtual addresses, as a machine without power does."""
        for line in (
            f"address del {VIRTUAL}/{PREFIX} dev eth0",
            f"address del {VIRTUAL6}/{PREFIX6} dev eth0",
        ):
            with suppress(Failed):  # it did not hold this one
                _ip(host.namespace, line)

    def split(self) -> None:
        """The nodes hear nothing of each other; the client reaches both."""
        a, b = (
            " , ".join(f'"{host.port(bridge)}"' for bridge in (FRONT, BACK)) for host in self.nodes
        )
        self._rule(
            "split",
            f"iifname {{ {a} }} oifname {{ {b} }} drop\niifname {{ {b} }} oifname {{ {a} }} drop",
        )

    def mute(self, host: Host) -> None:
        """Drop all that comes from a host: a broken switch, whose ports keep their carrier."""
        ports = ", ".join(f'"{host.port(bridge)}"' for bridge in (FRONT, BACK))
        self._rule("mute", f"iifname {{ {ports} }} drop\noifname {{ {ports} }} drop")

    def lose(self, bridge: int, percent: int) -> None:
        """Drop so many of a hundred frames between the nodes, by chance, on one bridge."""
        a, b = (host.port(bridge) for host in self.nodes)
        chance = f"numgen random mod 100 < {percent} drop"
        self._rule(
            f"lose {bridge}",
            f'iifname "{a}" oifname "{b}" {chance}\niifname "{b}" oifname "{a}" {chance}',
        )

    def heal(self) -> None:
        """Everything comes through again."""
        self._rules.clear()
        self._apply()

    def _rule(self, name: str, rule: str) -> None:
        self._rules[name] = rule
        self._apply()

    def _apply(self) -> None:
        self._switch.run("nft", "-f", "-", given=_RULES % "\n".join(self._rules.values()))


def _ip(namespace: Namespace, *lines: str) -> None:
    namespace.run("ip", "-batch", "-", given="".join(f"{line}\n" for line in lines))


def unusable() -> str | None:
    """Why no lab can be built here, None if one can."""
    if os.geteuid():
        return "network namespaces need root"
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    try:
        with Lab() as lab:
            lab.split()
    except (OSError, Failed) as error:
        return f"no network namespaces here: {error}"
    return None
