"""A computer in QEMU: without KVM, since what offers it here does not boot stock kernels."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from tests.image.qmp import Monitor
from tests.netns.namespace import Namespace
from tests.support.terminal import Terminal

MEMORY = 2048
_KEYS = {" ": "spc", "\n": "ret"}
_OVMF = Path("/usr/share/OVMF")
_ACCELERATOR = ("-accel", "tcg,thread=multi", "-cpu", "max,-erms,-fsrm", "-smp", "1")


class Firmware(StrEnum):
    """What it boots by."""

    BIOS = "bios"
    UEFI = "uefi"


class Machine:
    """Off until `power_on`. Its disk stays what it is; `folder` keeps logs and pictures."""

    def __init__(
        self, name: str, folder: Path, firmware: Firmware, network: Namespace, tap: str
    ) -> None:
        self.name = name
        self.folder = folder
        self.disk: Path | None = None
        self._firmware = firmware
        self._network = network
        self._tap = tap
        self._number = 0
        self._pictures = 0
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def power_on(self, *sticks: Path) -> None:
        """Boot: from the first stick if there is one, from the disk if not."""
        assert self._process is None, "it is on"
        self._number += 1
        serial, monitor = self.folder / "serial.sock", self.folder / "qmp.sock"
        listener = socket.socket(socket.AF_UNIX)
        serial.unlink(missing_ok=True)
        monitor.unlink(missing_ok=True)
        listener.bind(str(serial))
        listener.listen()
        listener.settimeout(30)
        self._process = self._network.start(
            *self._command(sticks, serial, monitor), output=self.folder / "qemu.log"
        )
        try:
            line, _ = listener.accept()
        finally:
            listener.close()
        self.terminal = Terminal(line, self.folder / f"serial-{self._number}.log")
        self.monitor = self._monitor(monitor)

    def _monitor(self, path: Path) -> Monitor:
        while True:
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "qemu.log").read_text()
            try:
                return Monitor(path)
            except (FileNotFoundError, ConnectionRefusedError):
                continue  # it is about to listen

    def _command(self, sticks: Sequence[Path], serial: Path, monitor: Path) -> Sequence[str]:
        words = ["qemu-system-x86_64", "-name", self.name, *_ACCELERATOR, "-m", str(MEMORY)]
        words += ["-nodefaults", "-vga", "std", "-display", "none"]
        words += ["-chardev", f"socket,id=serial,path={serial}", "-serial", "chardev:serial"]
        words += ["-qmp", f"unix:{monitor},server=on,wait=off"]
        words += ["-netdev", f"tap,id=net,ifname={self._tap},script=no,downscript=no"]
        words += ["-device", f"virtio-net-pci,netdev=net,mac={self.hardware},romfile="]
        words += ["-device", "qemu-xhci"]
        for number, stick in enumerate(sticks):
            drive = f"if=none,id=stick{number},format=raw,file={stick},readonly=on"
            device = f"usb-storage,drive=stick{number},removable=on,bootindex={number}"
            words += ["-drive", drive, "-device", device]
        if self.disk is not None:
            words += ["-drive", f"if=none,id=disk,format=raw,cache=unsafe,file={self.disk}"]
            words += ["-device", "virtio-blk-pci,drive=disk,serial=DISK,bootindex=9"]
        if self._firmware is Firmware.UEFI:
            variables = self.folder / "variables.fd"
            if not variables.exists():
                shutil.copyfile(_OVMF / "OVMF_VARS_4M.fd", variables)
            flash = "if=pflash,format=raw,unit="
            words += ["-drive", f"{flash}0,readonly=on,file={_OVMF / 'OVMF_CODE_4M.fd'}"]
            words += ["-drive", f"{flash}1,file={variables}"]
        return words

    @property
    def hardware(self) -> str:
        """The address of its network interface."""
        return "52:54:00:00:00:" + self.name.encode()[-1:].hex()

    def picture(self, what: str) -> Path:
        """Keep a picture of its screen."""
        self._pictures += 1
        path = self.folder / f"{self._pictures:02}-{what}.png"
        self.monitor.picture(path)
        return path

    def types(self, text: str) -> None:
        """At its own keyboard: letters, digits, spaces, ends of lines."""
        for letter in text:
            shift = ["shift"] * letter.isupper()
            self.monitor.press([*shift, _KEYS.get(letter, letter.lower())])

    def shows_a_screen(self, patience: float) -> None:
        """Wait until its own screen has a title bar: until then only boxes stand there."""
        end = time.monotonic() + patience
        while not self.monitor.lit(self.folder / "now.ppm"):
            assert time.monotonic() < end, "nobody was let in"
            time.sleep(1)  # QEMU does not tell when its picture changes

    def look(self, what: str) -> None:
        """Keep what it shows, and print what its serial line does, if it is on."""
        if self._process is not None:
            self.picture(what)
            print(f"{self.name}:\n{self.terminal.text}", flush=True)

    def power_off(self) -> None:
        """Without a word, as when the power goes."""
        if self._process is not None:
            self._process.kill()
            self._ended(60)

    def until_off(self, patience: float) -> None:
        """Wait until it has switched itself off; raises TimeoutExpired."""
        assert self._process is not None, "it is off"
        self._ended(patience)

    def _ended(self, patience: float) -> None:
        assert self._process is not None
        self._process.wait(patience)
        self._process = None
        self.terminal.close()
        self.monitor.close()
