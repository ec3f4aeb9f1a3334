"""QEMU's monitor: what a hand at the machine does, and pictures of its screen."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Refusal(Exception):
    """QEMU did not do what it was told."""


class Monitor:
    """One connection; raises OSError, Refusal."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")
        self._lines.readline()  # its greeting
        self.do("qmp_capabilities")

    def do(self, command: str, **arguments: Any) -> Any:
        """One command, and what it gives."""
        words = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(words).encode() + b"\n")
        while line := self._lines.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise Refusal(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise Refusal(f"{command}: QEMU has gone")

    def picture(self, path: Path) -> None:
        """The screen, as PNG."""
        self.do("screendump", filename=str(path), format="png")

    def lit(self, path: Path) -> bool:
        """Whether the screen's first corner is anything but black: a bar runs along its top."""
        self.do("screendump", filename=str(path), format="ppm")
        _, _, _, pixels = path.read_bytes().split(b"\n", 3)
        return any(pixels[:3])

    def press(self, keys: Sequence[str]) -> None:
        """Keys at the same time, by QEMU's names: ["ctrl", "alt", "f2"]."""
        self.do("send-key", keys=[{"type": "qcode", "data": key} for key in keys])

    def plug(self, name: str, image: Path, *, writable: bool) -> None:
        """Put a stick in."""
        node = {"driver": "raw", "node-name": name, "read-only": not writable}
        self.do("blockdev-add", **node, file={"driver": "file", "filename": str(image)})
        self.do("device_add", driver="usb-storage", id=name, drive=name, removable=True)

    def pull(self, name: str) -> None:
        """Pull it out."""
        self.do("device_del", id=name)

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()
