"""What a node finds when it looks at itself."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from appliance.jobs.scheduler import JobFailed
from appliance.jobs.selftest import Finding, self_test, sync_time
from appliance.spool import sampling
from appliance.spool.sampling import sample
from tests.unit.spool_reader.writer import Writer


async def test_every_bad_finding_is_told_with_what_to_do() -> None:
    async def good() -> Finding:
        return Finding("disk fine")

    async def bad() -> Finding:
        return Finding("peer away", False, "look at the cable")

    async def nothing() -> None:
        return None

    assert await self_test([good, nothing]) == "disk fine"
    with pytest.raises(JobFailed) as caught:
        await self_test([bad, good, nothing])
    assert (str(caught.value), caught.value.hint) == ("peer away", "look at the cable")


def test_a_sync_is_timed_and_leaves_nothing(tmp_path: Path) -> None:
    assert sync_time(tmp_path) >= 0
    assert list(tmp_path.iterdir()) == []


def test_damaged_content_is_found(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    names = [writer.accept(content=b"content %d" % number) for number in range(20)]
    large = writer.accept(content=b"large" * 1000, external=True)
    found = sample(tmp_path, 400, Random(1))
    assert (found.messages, found.damaged) == (21, ())
    assert found.size == sum(len(b"content %d" % number) for number in range(20)) + 5000
    writer.db.execute("UPDATE content SET body=x'00' WHERE body=?", (b"content 7",))
    (writer.content / large).write_bytes(b"large" * 999)
    assert set(sample(tmp_path, 400, Random(1)).damaged) == {names[7], large}
    writer.close()


def test_large_messages_are_not_read_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "BUDGET", 2500)
    writer = Writer(tmp_path)
    for _ in range(20):
        writer.accept(content=b"x" * 1000)
    assert sample(tmp_path, 400, Random(1)).size == 3000
    writer.close()


def test_an_empty_spool_is_sound(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    assert sample(tmp_path, 10, Random(1)).messages == 0
    writer.close()
