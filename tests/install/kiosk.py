"""A node's own screen: the console's unit at a terminal of the machine, and somebody before it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.install.machine import Machine
from tests.support.operator import Operator
from tests.support.terminal import COLUMNS, LINES, Terminal

# As tty1 is one, but for the kernel's part: what appears on it goes out, what comes in is typed.
_TERMINAL = f"""\
import fcntl, os, pty, select, struct, termios
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", {LINES}, {COLUMNS}, 0, 0))
os.write(1, os.ttyname(slave).encode() + b"\\n")
while True:
    for one in select.select([0, master], [], [])[0]:
        data = os.read(one, 65536)
        if not data:
            raise SystemExit
        os.write(1 if one == master else master, data)
"""


@contextmanager
def kiosk(machine: Machine, log: Path) -> Iterator[tuple[Operator, str]]:
    """Whoever sits there, and the name of the unit; `log` gets all that came."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = machine.attach(theirs, "python3", "-c", _TERMINAL)
    name = _line(ours).removeprefix("/dev/").replace("/", "-")
    unit = f"twinpost-console@{name}.service"
    machine.run("systemctl", "start", unit)
    terminal = Terminal(ours, log)
    try:
        yield Operator(terminal), unit
    finally:
        if machine.on:
            machine.run("systemctl", "stop", unit)
        terminal.close()
        process.wait(60)


def _line(line: socket.socket) -> str:
    found = b""
    while not found.endswith(b"\n"):
        found += line.recv(1)
    return found.decode().strip()
