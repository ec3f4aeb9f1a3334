"""Content by queue id, from beside the writer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from appliance.delivery import source
from appliance.mail.queue_id import QueueId
from appliance.spool.content import ContentReader
from tests.unit.spool_reader.writer import Writer


@pytest.fixture
def reader(writer: Writer) -> Iterator[ContentReader]:
    reader = ContentReader(writer.folder)
    yield reader
    reader.close()


def test_it_is_what_delivery_asks_for(reader: ContentReader) -> None:
    asked: source.ContentReader = reader
    assert asked.read(QueueId("none")) is None


def test_small_content_is_read_whole_or_in_blocks(writer: Writer, reader: ContentReader) -> None:
    name = QueueId(writer.accept(content=b"0123456789"))
    assert reader.read(name) == b"0123456789"
    assert list(reader.chunks(name, 4)) == [b"0123", b"4567", b"89"]


def test_empty_content_is_content(writer: Writer, reader: ContentReader) -> None:
    name = QueueId(writer.accept(content=b""))
    assert reader.read(name) == b""
    assert list(reader.chunks(name)) == []


def test_large_content_comes_in_blocks_only(writer: Writer, reader: ContentReader) -> None:
    name = QueueId(writer.accept(content=bytes(range(200)), external=True))
    assert reader.read(name) is None
    blocks = list(reader.chunks(name, 64))
    assert b"".join(blocks) == bytes(range(200))
    assert max(map(len, blocks)) == 64


def test_a_later_incarnation_is_found(writer: Writer, reader: ContentReader) -> None:
    assert reader.read(QueueId(writer.accept(content=b"old"))) == b"old"
    writer.close()
    again = Writer(writer.folder, incarnation=b"2" * 16)
    try:
        assert reader.read(QueueId(again.accept(content=b"new"))) == b"new"
    finally:
        again.close()


@pytest.mark.parametrize(
    "wrong",
    ["", "../../../etc/passwd", "A" * 14, "0000000000000I", "0" * 30, "é" * 20],
)
def test_what_is_no_id_has_no_content(writer: Writer, reader: ContentReader, wrong: str) -> None:
    writer.accept()
    assert reader.read(QueueId(wrong)) is None
    with pytest.raises(LookupError):
        list(reader.chunks(wrong))


def test_a_number_too_large_names_no_other_message(writer: Writer, reader: ContentReader) -> None:
    name = writer.accept()
    assert reader.read(QueueId(f"{name[:10]}000000001")) is not None
    # 2^40 + 1 would reach into the bits of the incarnation: the same row again.
    assert reader.read(QueueId(f"{name[:10]}100000001")) is None
    assert not writer.store.holds(f"{name[:10]}100000001")


def test_a_file_that_is_gone_is_no_content(writer: Writer, reader: ContentReader) -> None:
    name = writer.accept(external=True)
    (writer.content / name).unlink()
    with pytest.raises(LookupError):
        list(reader.chunks(name))


def test_a_slow_reader_keeps_no_transaction_open(writer: Writer, reader: ContentReader) -> None:
    name = QueueId(writer.accept(content=b"x" * 1000))
    blocks = reader.chunks(name, 10)
    next(blocks)
    writer.accept()
    # TRUNCATE waits for every reader of the WAL: with none it ends at once and all is copied.
    pages, copied = writer.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    assert (pages, copied) == (0, 0)
    assert len(list(blocks)) == 99


def test_without_a_spool_it_says_so_and_later_reads(tmp_path: Path) -> None:
    reader = ContentReader(tmp_path / "spool")
    with pytest.raises(apsw.CantOpenError):
        reader.read(QueueId("0" * 14))
    writer = Writer(tmp_path / "spool")
    assert reader.read(QueueId(writer.accept())) == b"content"
    reader.close()
    writer.close()
