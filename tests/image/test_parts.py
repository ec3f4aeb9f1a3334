"""What needs no machine: the terminal, sticks, and what the image's sources promise."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image import disk
from tests.support.terminal import Missing, Terminal

PACKER = Path(__file__).parents[2] / "packer"
SCRIPTS = sorted(PACKER.rglob("*.sh"))
MENU = PACKER / "live/etc/grub.d/11_twinpost"


@pytest.fixture
def line(tmp_path: Path) -> Iterator[tuple[Terminal, socket.socket]]:
    """A terminal, and the machine's end of its line."""
    ours, theirs = socket.socketpair()
    terminal = Terminal(ours, tmp_path / "log")
    with theirs:
        yield terminal, theirs
        terminal.close()


def test_the_terminal_shows_what_was_drawn_not_what_came(
    line: tuple[Terminal, socket.socket], tmp_path: Path
) -> None:
    terminal, machine = line
    machine.sendall(b"\x1b[2J\x1b[3;5HLog in\x1b[1;1Hover\x1b[1;1Hin  ")
    terminal.until(r"^in\s*$", 30)
    assert terminal.until(r"^    Log (\w+)$", 30)[1] == "in"
    assert b"over" in (tmp_path / "log").read_bytes()


def test_a_machine_that_has_gone_is_not_waited_for(
    line: tuple[Terminal, socket.socket],
) -> None:
    terminal, machine = line
    machine.close()
    with pytest.raises(Missing):
        terminal.until("never", 3600)


def test_keys_reach_the_machine(line: tuple[Terminal, socket.socket]) -> None:
    terminal, machine = line
    terminal.press("down", "enter")
    assert machine.recv(16) == b"\x1b[B\r"


@pytest.mark.skipif(not (shutil.which("mcopy") and shutil.which("mkfs.vfat")), reason="no mtools")
def test_what_is_put_on_a_stick_comes_off_it(tmp_path: Path) -> None:
    source = tmp_path / "report.html"
    source.write_text("healthy")
    stick = disk.stick(tmp_path / "stick", 16 << 20, "REPORTS", {"report.html": source})
    assert disk.names(stick) == ["report.html"]
    assert disk.read(stick, "report.html", tmp_path / "copy").read_text() == "healthy"
    assert disk.fat_start(stick) == 1 << 20


@pytest.mark.parametrize("script", [*SCRIPTS, MENU], ids=lambda path: path.name)
def test_scripts_are_whole(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)


def test_the_boot_menu_says_what_the_unit_waits_for() -> None:
    unit = (PACKER.parent / "bundle/system/twinpost-back.service").read_text()
    [word] = re.findall(r"^ConditionKernelCommandLine=(\S+)$", unit, re.MULTILINE)
    assert re.search(rf"^\tlinux .* {re.escape(word)}$", MENU.read_text(), re.MULTILINE)
    assert MENU.stat().st_mode & 0o111 == 0o111  # grub-mkconfig leaves out what it can't run


def test_packer_can_run_the_steps_it_names() -> None:
    """shell-local runs them as they are: without the bit it fails after minutes."""
    recipe = (PACKER / "image.pkr.hcl").read_text()
    steps = re.findall(r"scripts/[\w-]+\.sh", recipe)
    assert steps == sorted(steps)
    assert len(steps) == 4
    assert all((PACKER / step).stat().st_mode & 0o111 for step in steps)


def test_packer_gives_the_steps_what_they_read() -> None:
    recipe = (PACKER / "image.pkr.hcl").read_text()
    given = set(re.findall(r'"([A-Z_]+)=\$', recipe))
    read = {
        name
        for script in SCRIPTS
        for name in re.findall(r"\$\{?([A-Z][A-Z_]+)\b", script.read_text())
    }
    assert read == given


@pytest.mark.parametrize("path", ["boot/grub.cfg", "live/etc/default/grub"])
def test_no_boot_that_fails_gives_a_shell(path: str) -> None:
    """The initial file system starts one for whoever stands there, unless it is to start anew."""
    text = (PACKER / path).read_text()
    lines = [line for line in text.splitlines() if "console=tty1" in line]
    assert lines
    assert all(" panic=30" in line for line in lines)
    assert all("console=ttyS0,115200" in line for line in lines)
