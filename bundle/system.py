"""What a release puts into a Debian around it: units, a user, limits. All of it can be put again.

Files of the release in use are written where they belong; one that an administrator wants otherwise
gets a drop-in beside it (`systemctl edit`), which stays.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from bundle import appliance, files
from bundle.errors import Refused

_UNITS = Path("usr/lib/systemd/system")
_PLACES = {
    "twinpost.service": _UNITS / "twinpost.service",
    "twinpost-settle.service": _UNITS / "twinpost-settle.service",
    "twinpost-back.service": _UNITS / "twinpost-back.service",
    "twinpost-update.service": _UNITS / "twinpost-update.service",
    "twinpost-firewall.service": _UNITS / "twinpost-firewall.service",
    "twinpost-firewall.path": _UNITS / "twinpost-firewall.path",
    "twinpost-firewall-again.service": _UNITS / "twinpost-firewall-again.service",
    "twinpost-clock.service": _UNITS / "twinpost-clock.service",
    "twinpost-console@.service": _UNITS / "twinpost-console@.service",
    "twinpost-helper.service": _UNITS / "twinpost-helper.service",
    "twinpost-helper.socket": _UNITS / "twinpost-helper.socket",
    "sysusers.conf": Path("usr/lib/sysusers.d/twinpost.conf"),
    "tmpfiles.conf": Path("usr/lib/tmpfiles.d/twinpost.conf"),
    "journald.conf": Path("usr/lib/systemd/journald.conf.d/twinpost.conf"),
    "profile.sh": Path("etc/profile.d/twinpost.sh"),
}
_ENABLED = (
    "twinpost.service",
    "twinpost-clock.service",
    "twinpost-firewall.service",
    "twinpost-firewall.path",
)
_AT_BOOT = ("twinpost-back.service", "twinpost-update.service", "twinpost-helper.socket")


def place(release: Path, root: Path) -> bool:
    """Write the files of `release` below `root`; whether any of them is another than before."""
    changed, more = False, appliance.PLACES if (root / appliance.MARK).exists() else {}
    for name, target in {**_PLACES, **more}.items():
        content, path = (release / "system" / name).read_bytes(), root / target
        if path.exists() and path.read_bytes() == content:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        files.replace(path, content)
        changed = True
    return changed


def activate(release: Path, tell: Callable[[str], None]) -> None:
    """Have systemd run `release`; raises Refused, OSError."""
    if not Path("/run/systemd/system").is_dir():
        raise Refused(
            "systemd does not run here", "start it by hand: twinpost node --data /var/lib/twinpost"
        )
    if not Path("/usr/sbin/nft").exists():
        raise Refused("there is no nft, the firewall's command", "apt install nftables")
    put(release)
    _systemd(["systemctl", "start", "twinpost-helper.socket"])
    if runs("ssh.service", "ssh.socket"):
        tell("SSH runs here. Twinpost's firewall lets in its own ports only: once the node runs,")
        tell("  nobody logs in over the network. See docs/machine.md for a rule that lets it in.")
    if Path("/var/lib/twinpost/node.toml").exists():
        tell("Starting the node.")
        _systemd(["systemctl", "restart", *_ENABLED])
    else:
        tell("The node has no settings yet: write /var/lib/twinpost/node.toml, then")
        tell("  systemctl start twinpost")


def runs(*units: str) -> bool:
    """Whether one of them does."""
    command = ["systemctl", "is-active", "--quiet", *units]
    return subprocess.run(command, check=False).returncode == 0


def put(release: Path) -> None:
    """What systemd is to know of `release`; starts and stops nothing. Raises Refused, OSError."""
    place(release, Path("/"))
    _systemd(["systemd-sysusers", "twinpost.conf"])
    _systemd(["systemd-tmpfiles", "--create", "twinpost.conf"])
    _systemd(["systemctl", "daemon-reload"])
    _systemd(["systemctl", "try-reload-or-restart", "systemd-journald.service"])
    _systemd(["systemctl", "enable", "--quiet", *_ENABLED, *_AT_BOOT])
    if Path("/", appliance.MARK).exists():
        appliance.enable(_systemd)


def hand_over(release: Path, tell: Callable[[str], None]) -> None:
    """Make all of this machine Twinpost's, from its next start on; raises Refused, OSError."""
    appliance.hand_over(Path("/"), _systemd, tell)
    put(release)


def _systemd(command: Sequence[str]) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it failed without a word"])[-1]
        raise Refused(f"{' '.join(command)}: {last}", "see journalctl -xe; then install again")
