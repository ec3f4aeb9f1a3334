"""`python -m appliance.machine.unattended`: installs as a file on the stick says, if there is one.

twinpost-unattended.service runs it when the live system has started. The installer's screen on the
console shows how far it is, and why it stopped.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from appliance.config import toml
from appliance.config.answers import Answers
from appliance.config.document import ConfigError, parse
from appliance.config.install_file import LEFT, NAME, InstallFile, target
from appliance.config.plain import sparse
from appliance.config.units import Wrong
from appliance.ipc.installer import Installation, StartInstallation
from appliance.machine.command import Run, run, watch
from appliance.machine.disk_layout import MOUNTED_DATA
from appliance.machine.disks import DiskInstaller, Places
from appliance.machine.helper import HelperError
from appliance.machine.install import DESK, installed
from appliance.machine.installing import Desk

_MOUNTED = DESK / "stick"
_NETWORKS = Path("/sys/class/net")
_OWNER = "twinpost"
_LARGEST = 1 << 20
_COLUMNS = "NAME,PATH,FSTYPE,RM,TRAN,LABEL"
_NEXT: Mapping[str, Sequence[str]] = {
    "power off": ("systemctl", "--no-block", "poweroff"),
    "restart": ("systemctl", "--no-block", "reboot"),
}


class Unattended:
    """Looks for the file and does what it says; `networks` is /sys/class/net."""

    def __init__(
        self, run: Run, installer: DiskInstaller, desk: Desk, mounted: Path, networks: Path
    ) -> None:
        self._run = run
        self._installer = installer
        self._desk = desk
        self._mounted = mounted
        self._networks = networks

    async def go(self) -> bool:
        """Whether all is as the file wants it; True as well if there is none."""
        try:
            texts = await self._files()
            if not texts:
                return True
            file, answers, wanted = await self._understood(texts)
        except (Wrong, ConfigError, HelperError) as error:
            hint = getattr(error, "hint", "") or f"mend {NAME} on the stick, and start again"
            print(f"{NAME}: {error}\n  → {hint}", file=sys.stderr)
            self._desk.tell(Installation(state="failed", cause=f"{NAME}: {error}", hint=hint))
            return False

        def own(root: Path) -> None:
            if answers is not None and not file.keep:
                leave(root, answers)

        if not await installed(self._installer, wanted, self._desk.tell, own):
            return False
        if file.then != "wait":
            await self._run(*_NEXT[file.then])
        return True

    async def _understood(
        self, texts: Sequence[str]
    ) -> tuple[InstallFile, Answers | None, StartInstallation]:
        if len(texts) > 1:
            raise Wrong("there is more than one", "leave one of the sticks away")
        file = parse(texts[0], InstallFile, NAME)
        answers = file.answers_for(_hardware(self._networks))
        disk = target(file, await self._installer.disks())
        wanted = StartInstallation(
            disk=disk.name, size=disk.size, confirm=disk.name, keep=file.keep
        )
        return file, answers, wanted

    async def _files(self) -> Sequence[str]:
        """The texts of all there are, on whatever FAT is on removable disks."""
        said = await self._run("lsblk", "--json", "--bytes", "--output", _COLUMNS)
        found = []
        for device in _devices(msgspec.json.decode(said)["blockdevices"], removable=False):
            self._mounted.mkdir(parents=True, exist_ok=True)
            options = "ro,nosuid,nodev,noexec"
            await self._run("mount", "-t", "vfat", "-o", options, device, str(self._mounted))
            try:
                text = await asyncio.to_thread(_text, self._mounted / NAME)
            finally:
                await self._run("umount", str(self._mounted))
            found += [text] if text is not None else []
        return found


def leave(root: Path, answers: Answers) -> None:
    """For the first start of the system below `root`; nobody but the node can read them."""
    users = (root / "etc/passwd").read_text("utf-8").splitlines()
    _, _, uid, gid, *_ = next(one for one in users if one.startswith(f"{_OWNER}:")).split(":")
    data = root / MOUNTED_DATA[1:]
    os.chmod(data, 0o750)
    os.chown(data, int(uid), int(gid))
    said = sparse(answers)
    assert isinstance(said, Mapping)
    path = data / LEFT
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write(toml.written(said))
        os.fchown(opened.fileno(), int(uid), int(gid))
        opened.flush()
        os.fsync(opened.fileno())


def _devices(listed: Sequence[Mapping[str, Any]], *, removable: bool) -> list[str]:
    found = []
    for one in listed:
        stick = removable or bool(one["rm"]) or one["tran"] == "usb"
        if stick and one["fstype"] == "vfat":
            found.append(str(one["path"]))
        found += _devices(one.get("children", ()), removable=stick)
    return found


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as opened:
            return opened.read(_LARGEST).decode("utf-8", "replace")
    except FileNotFoundError:
        return None


def _hardware(networks: Path) -> Collection[str]:
    return {
        (one / "address").read_text("ascii").strip()
        for one in networks.iterdir()
        if one.name != "lo" and (one / "address").exists()
    }


def main() -> int:
    """Once, when the live system has started."""
    unattended = Unattended(
        run, DiskInstaller(run, watch, Places()), Desk(DESK), _MOUNTED, _NETWORKS
    )
    return 0 if asyncio.run(unattended.go()) else 1


if __name__ == "__main__":
    sys.exit(main())
