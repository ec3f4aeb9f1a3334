"""A machine that is Twinpost's alone: its screen, network, clock and names, besides the node.

On a Debian that does other things, too, an operator chooses this (`install --appliance`). Once
chosen it stays: every later release puts its part of it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bundle import files

MARK = Path("etc/twinpost-appliance")
PLACES: Mapping[str, Path] = {
    "appliance/chrony.conf": Path("etc/chrony/chrony.conf"),
    "appliance/logind.conf": Path("usr/lib/systemd/logind.conf.d/twinpost.conf"),
    "appliance/manager.conf": Path("usr/lib/systemd/system.conf.d/twinpost.conf"),
    "appliance/sysctl.conf": Path("usr/lib/sysctl.d/60-twinpost.conf"),
}
_CONSOLES = ("twinpost-console@tty1.service", "twinpost-console@ttyS0.service")
_ENABLED = (*_CONSOLES, "systemd-networkd.service")
# Nobody else waits on a terminal, nothing sleeps, and no key combination ends anything.
_MASKED = (
    "getty@.service",
    "serial-getty@.service",
    "console-getty.service",
    "container-getty@.service",
    "debug-shell.service",
    "ctrl-alt-del.target",
    "sleep.target",
    "suspend.target",
    "hibernate.target",
    "hybrid-sleep.target",
    "systemd-networkd-wait-online.service",
)
_OTHERS = ("ssh.service", "ssh.socket", "networking.service", "NetworkManager.service")
"""Whoever else would let people in, or would give the machine addresses."""
_UNITS = ("etc/systemd/system", "usr/lib/systemd/system")
_NETWORKS = Path("etc/systemd/network")
_NETWORK = """\
# The addresses that this machine had when it was handed to Twinpost: `twinpost machine network`.
[Match]
Name={name}
[Network]
DHCP=no
IPv6AcceptRA=no
LinkLocalAddressing=ipv6
LLMNR=no
MulticastDNS=no
ConfigureWithoutCarrier=yes
KeepConfiguration=static
"""
Run = Callable[[Sequence[str]], object]


def hand_over(root: Path, run: Run, tell: Callable[[str], None]) -> None:
    """Make this machine Twinpost's alone from its next start on; raises Refused, OSError."""
    kept = [path.name for path in (root / _NETWORKS).glob("10-twinpost-*.network")]
    for name, text in network_files(*_addresses()).items():
        if name not in kept:
            (root / _NETWORKS).mkdir(parents=True, exist_ok=True)
            files.replace(root / _NETWORKS / name, text.encode("ascii"))
            (root / _NETWORKS / name).chmod(0o644)
    files.replace(root / MARK, b"This machine is Twinpost's alone.\n")
    for unit in _OTHERS:
        if any((root / folder / unit).exists() for folder in _UNITS):
            run(["systemctl", "disable", "--quiet", unit])
            tell(f"{unit} does not start any more.")
    run(["passwd", "--lock", "root"])
    tell("Nobody can log in as root with a password any more; the console is on tty1 and ttyS0.")


def enable(run: Run) -> None:
    """Its units from the next start on; nothing is started."""
    run(["systemctl", "mask", "--quiet", *_MASKED])
    run(["systemctl", "enable", "--quiet", *_ENABLED])


def network_files(links: Sequence[Mapping[str, object]], gateway: str) -> Mapping[str, str]:
    """Files for networkd with the addresses of `ip --json address` that are somebody's choice."""
    found: dict[str, str] = {}
    for link in links:
        name, addresses = str(link.get("ifname")), link.get("addr_info")
        lines, networks = [], 0
        for one in addresses if isinstance(addresses, list) else ():
            if one.get("scope") == "global" and one.get("prefixlen") not in (32, 128):
                lines.append(f"Address={one['local']}/{one['prefixlen']}")
                networks += 1
        if networks and name != "lo":
            text = _NETWORK.format(name=name) + "\n".join([*lines, ""])
            found[f"10-twinpost-{name}.network"] = text
    if gateway and found:
        first = next(iter(found))
        found[first] += f"Gateway={gateway}\n"
    return found


def _addresses() -> tuple[Sequence[Mapping[str, object]], str]:
    links = _ip("address")
    routes = _ip("route", "show", "default")
    return links, str(routes[0].get("gateway", "")) if routes else ""


def _ip(*words: str) -> Sequence[Mapping[str, object]]:
    """What iproute2 tells; nothing where it is not there, as no network is set up then."""
    try:
        done = subprocess.run(["ip", "-json", *words], capture_output=True, check=False)
    except FileNotFoundError:
        return []
    told = json.loads(done.stdout or b"[]")
    return told if isinstance(told, list) else []
