"""A Debian 13 with its own systemd, booted in namespaces: a machine but for its kernel.

It is switched off hard by killing its init, and boots again from the same disk.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.netns.lab import Host
from tests.netns.namespace import Failed

_BOOT = Path(__file__).with_name("boot.sh")
_CACHE = Path("/var/cache/twinpost-tests/debian13-bare")
_PACKAGES = "systemd-sysv,dbus,python3,openssl"
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/opt/twinpost/current/venv/bin"
_ENVIRONMENT = ("env", "-i", f"PATH={_PATH}")
_MAKE_DEBIAN = (
    *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase"),
    f"--include={_PACKAGES}",
)
NEEDED = ("mmdebstrap", "ip", "nft", "nsenter", "setpriv", "unshare", "openssl")


def debian() -> Path:
    """A bare Debian 13, made once."""
    if not _CACHE.exists():
        _CACHE.parent.mkdir(parents=True, exist_ok=True)
        draft = _CACHE.with_name("draft")
        shutil.rmtree(draft, ignore_errors=True)
        subprocess.run(
            [*_MAKE_DEBIAN, "trixie", str(draft)],
            check=True,
        )
        draft.rename(_CACHE)
    return _CACHE


class Machine:
    """One machine: its disk is the folder `root`, its network that of `host`."""

    def __init__(self, host: Host, root: Path) -> None:
        self.host = host
        self.root = root
        subprocess.run(["cp", "-a", "--reflink=auto", str(debian()), str(root)], check=True)
        self._boot: subprocess.Popen[bytes] | None = None

    def take_loops(self) -> None:
        """From the next start on its helper takes loop devices for sticks."""
        self.put(
            "/etc/systemd/system/twinpost-helper.service.d/loop.conf",
            "[Service]\nExecStart=\n"
            "ExecStart=/opt/twinpost/current/venv/bin/python -P -m appliance.machine --loop\n",
        )

    def power_on(self) -> None:
        """Boot, and wait until systemd has started everything."""
        group = f"twinpost-{os.getpid()}-{self.host.name}"
        self._boot = subprocess.Popen(
            self.host.namespace.command(str(_BOOT), str(self.root), group),
            stdin=subprocess.DEVNULL,
        )
        # Until there is a bus, systemctl has nobody to ask.
        self._until("test", "-S", "/run/dbus/system_bus_socket")
        self.run("systemctl", "is-system-running", "--wait", check=False)

    def plug_in(self, number: int, label: str, uuid: str) -> None:
        """Loop device `number` becomes a disk of the machine's, with what udev would say of it.

        There is no udev in here: systemd asks for one only where /sys can be written.
        """
        self.run("rm", "--force", f"/dev/loop{number}")  # of the stick before
        self.run("mknod", f"/dev/loop{number}", "b", "7", str(number))
        self.run("mount", "-o", "remount,bind,rw", "/sys")
        said = "I:1\nE:ID_FS_TYPE=ext4\nG:systemd\nQ:systemd\nV:1\n"
        said += f"E:ID_FS_LABEL_ENC={label}\nE:ID_FS_UUID_ENC={uuid}\n"
        self.run("mkdir", "--parents", "/run/udev/data", "/run/udev/tags/systemd")
        self.run("tee", f"/run/udev/data/b7:{number}", given=said)
        self.run("touch", f"/run/udev/tags/systemd/b7:{number}")
        self.run("systemctl", "daemon-reexec")

    def power_off(self) -> None:
        """Without a word, as when the power goes."""
        if self._boot is not None:
            os.kill(self._init, signal.SIGKILL)
            self._boot.wait(60)
            self._boot = None

    @property
    def on(self) -> bool:
        """It runs: nobody has switched it off, and it has not done so itself."""
        return self._boot is not None and self._boot.poll() is None

    def ends(self) -> None:
        """Wait until it has switched itself off: it has no firmware that would start it again."""
        assert self._boot is not None
        self._boot.wait(120)
        self._boot = None

    def run(self, *words: str, check: bool = True, given: str | None = None) -> str:
        """Run a command as root on the machine; raises Failed, with all that it said."""
        done = subprocess.run(
            self._entered(*words), input=given, capture_output=True, text=True, timeout=300
        )
        if check and done.returncode:
            raise Failed(f"{self.host.name}: {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command that goes on beside; its output is to be read."""
        command = self._entered(*words)
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def attach(self, line: socket.socket, *words: str) -> subprocess.Popen[bytes]:
        """A command that sees the machine's files, but is not of it: it outlives its end.

        It reads from `line`, and writes there.
        """
        command = ("nsenter", f"--target={self._init}", "--mount", "--", *_ENVIRONMENT, *words)
        return subprocess.Popen(command, stdin=line.fileno(), stdout=line.fileno())

    def start_as_root(self, *words: str) -> subprocess.Popen[str]:
        """The same as root; what goes wrong is in its output, too."""
        return subprocess.Popen(
            self._entered("twinpost", *words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _entered(self, *words: str) -> Sequence[str]:
        return ["nsenter", f"--target={self._init}", "--all", "--", *_ENVIRONMENT, *words]

    def put(self, path: str, text: str) -> None:
        """Write a file of the node's."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")

    @property
    def _init(self) -> int:
        """The process id, here, of the machine's first process."""
        assert self._boot is not None, "the machine is off"
        unshare = self._boot.pid  # boot.sh and nsenter have replaced themselves by it
        children = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
        return int(children[0])

    def _until(self, *words: str) -> None:
        while True:
            assert self._boot is not None
            assert self._boot.poll() is None, "the machine did not boot"
            try:
                self.run(*words)
            except (Failed, IndexError, ValueError):
                continue
            return
