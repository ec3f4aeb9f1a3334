"""What the kernel says of processes, and of names that try to look like more."""

from __future__ import annotations

import os
from pathlib import Path

from appliance.monitor import procfs


def test_this_process() -> None:
    used = procfs.usage(os.getpid())
    assert used is not None
    assert used.memory > 1 << 20
    assert used.started > 0


def test_a_process_that_is_gone(tmp_path: Path) -> None:
    assert procfs.usage(7, tmp_path) is None


def test_a_name_may_hold_anything(tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    rest = " ".join(["S", *["0"] * 10, "25", "75", *["0"] * 6, "1000", "0"])
    (folder / "stat").write_text(f"7 (evil) S 1 2 (3) {rest}")
    (folder / "statm").write_text("100 50 1 1 1 1 1")
    used = procfs.usage(7, tmp_path)
    assert used is not None
    tick = 1000 // os.sysconf("SC_CLK_TCK")
    assert (used.cpu, used.started) == (100 * tick, 1000 * tick)
    assert used.memory == 50 * os.sysconf("SC_PAGE_SIZE")


def test_the_machine(tmp_path: Path) -> None:
    found = procfs.machine()
    assert found is not None
    assert 0 < found.memory_free <= found.memory
    assert 0 <= found.cpu_used <= found.cpu_total
    assert procfs.machine(tmp_path) is None
    assert procfs.boot_id(tmp_path) == ""
