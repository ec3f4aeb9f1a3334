"""Log files are followed: nothing is lost and nothing doubled, whenever the follower dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from appliance.monitor.events import Event
from appliance.monitor.log.follow import Follower, Harvest
from tests.unit.monitor.log.rig import Clock, Process, queue_id


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def mail(folder: Path) -> Iterator[Process]:
    process = Process(folder, "mail", Clock())
    yield process
    process.close()


def tell(process: Process, first: int, last: int) -> None:
    for number in range(first, last):
        process.emit(Event.SENT, queue_id(number))


def ids(harvest: Harvest) -> list[str]:
    return [one.queue_id for one in harvest.entries]


def expected(first: int, last: int) -> list[str]:
    return [queue_id(number) for number in range(first, last)]


def test_what_was_read_counts_when_it_is_stored(folder: Path, mail: Process) -> None:
    tell(mail, 0, 5)
    follower = Follower(folder)
    assert ids(follower.read()) == expected(0, 5)
    harvest = follower.read()
    assert ids(harvest) == expected(0, 5)
    follower.stored(harvest)
    assert ids(follower.read()) == []


@pytest.mark.parametrize("stored_before", range(0, 60, 7))
def test_rotation_at_every_point_loses_and_doubles_nothing(
    folder: Path, mail: Process, stored_before: int
) -> None:
    """About 35 lines fit into a file: the restart comes before, amid and after a rotation."""
    tell(mail, 0, stored_before)
    follower = Follower(folder)
    first = follower.read()
    follower.stored(first)
    tell(mail, stored_before, 60)
    after = Follower(folder, first.marks)  # a new process, with what the last one stored
    second = after.read()
    assert ids(first) + ids(second) == expected(0, 60)
    assert second.missed == ()


def test_each_round_across_many_rotations(folder: Path, mail: Process) -> None:
    """A rotation gives the inode of the file it removes to the one it makes."""
    follower, found, inodes = Follower(folder), list[str](), list[int]()
    for number in range(400):
        tell(mail, number, number + 1)
        if number % 13 == 0:
            harvest = follower.read()
            follower.stored(harvest)
            found += ids(harvest)
        inodes.append(mail.path.stat().st_ino)
    harvest = follower.read()
    assert found + ids(harvest) == expected(0, 400)


def test_an_inode_that_is_used_again_is_another_file(folder: Path, mail: Process) -> None:
    tell(mail, 0, 10)
    follower = Follower(folder)
    harvest = follower.read()
    follower.stored(harvest)
    # The same inode with other content, and longer than what was read.
    with mail.path.open("r+b") as file:
        content = file.read()
        file.seek(0)
        file.write(content.replace(b"0123456789", b"9876543210"))
    assert [one[:10] for one in ids(Follower(folder, harvest.marks).read())] == ["9876543210"] * 10


def test_half_a_line_waits_for_its_other_half(folder: Path, mail: Process) -> None:
    follower = Follower(folder)
    tell(mail, 0, 1)
    whole = mail.path.read_bytes()
    mail.write(whole.replace(queue_id(0).encode(), queue_id(1).encode())[:50])
    harvest = follower.read()
    follower.stored(harvest)
    assert ids(harvest) == expected(0, 1)
    mail.write(whole[50:])
    assert ids(follower.read()) == expected(1, 2)


def test_half_a_line_at_the_end_of_a_finished_file_is_output(folder: Path, mail: Process) -> None:
    tell(mail, 0, 2)
    mail.write(b'{"id":"","eve')
    follower = Follower(folder)
    follower.stored(follower.read())
    tell(mail, 2, 60)
    harvest = follower.read()
    assert [one.event for one in harvest.entries if not one.queue_id] == ["output"]
    # It stands before the next line of that file, so that line is found behind it.
    assert [one for one in ids(harvest) if one] == expected(2, 60)


@pytest.mark.parametrize("written_since", [0, 1, 5, 20])
def test_a_file_that_a_power_cut_shortened_is_read_again(
    folder: Path, mail: Process, written_since: int
) -> None:
    tell(mail, 0, 10)
    follower = Follower(folder)
    harvest = follower.read()
    os.truncate(mail.path, mail.path.stat().st_size - 60)
    mail.write(b"\n")
    tell(mail, 10, 10 + written_since)
    after = Follower(folder, harvest.marks)
    found = after.read()
    after.stored(found)
    assert [one for one in ids(found) if one] == []
    again = [one.queue_id for one in found.again if one.queue_id]
    assert again == expected(0, 9) + expected(10, 10 + written_since)
    tell(mail, 30, 32)
    last = after.read()
    assert [one.queue_id for one in (*last.again, *last.entries)] == expected(30, 32)


def test_what_was_rotated_away_unread_is_said(folder: Path, mail: Process) -> None:
    tell(mail, 0, 5)
    follower = Follower(folder)
    harvest = follower.read()
    tell(mail, 5, 400)
    late = Follower(folder, harvest.marks).read()
    assert late.missed == ("mail",)
    assert ids(late)[-1] == queue_id(399)


def test_a_quiet_process_is_not_read_again(
    folder: Path, mail: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(mail, 0, 5)
    follower = Follower(folder)
    follower.stored(follower.read())
    opened = list[Path]()
    real = Path.open

    def noting(path: Path, mode: str) -> IO[bytes]:
        opened.append(path)
        return real(path, mode)

    monkeypatch.setattr(Path, "open", noting)
    assert follower.read() == Harvest()
    assert opened == []


def test_the_logs_of_several_processes_are_told_in_one_order(folder: Path) -> None:
    clock = Clock()
    one, other = Process(folder, "mail", clock), Process(folder, "delivery", clock)
    for number in range(6):
        clock.now += 10
        tell((one, other)[number % 2], number, number + 1)
    assert ids(Follower(folder).read()) == expected(0, 6)
    one.close()
    other.close()


def test_rotated_files_go_only_when_they_are_read(folder: Path, mail: Process) -> None:
    tell(mail, 0, 60)
    follower = Follower(folder)
    harvest = follower.read()
    assert list(follower.spent()) == []
    follower.stored(harvest)
    assert [path.name for path in follower.spent()] == ["mail.log.1"]


def test_more_than_one_read_takes_is_said(folder: Path) -> None:
    mail = Process(folder, "mail", Clock(), limit=10 << 20)
    for number in range(3000):
        mail.emit(Event.SENT, queue_id(number % 10_000), reply="x" * 200)
    follower, found = Follower(folder), list[str]()
    while True:
        harvest = follower.read()
        follower.stored(harvest)
        found += ids(harvest)
        if not harvest.more:
            break
    assert found == expected(0, 3000)
    mail.close()
