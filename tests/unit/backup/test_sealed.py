"""The format of backup files: what is not whole, or not ours, is refused with the reason."""

from __future__ import annotations

import io
import random
from itertools import count
from pathlib import Path

import pytest

from appliance.backup.recovery import RecoveryKey
from appliance.backup.sealed import CHUNK, MAGIC, BadBackup, Reader, Writer
from appliance.config.groups import Mistyped

KEY, OTHER = RecoveryKey(b"k" * 20), RecoveryKey(b"o" * 20)
SITE = (KEY.recipient(), OTHER.recipient())
NOISE = random.Random(7)
ITEMS = [b"", b"one", NOISE.randbytes(3 * CHUNK + 17), b"x" * (2 * CHUNK), b"last"]
TAG, SEALS = 16, 64


def sealed(items: list[bytes], recipients: object = SITE, seed: int = 1) -> bytes:
    numbers = count(seed)
    file = io.BytesIO()
    assert isinstance(recipients, tuple)
    writer = Writer(
        file, recipients, "a", "1.0", 5, lambda size: bytes([next(numbers) & 255]) * size
    )
    for item in items:
        writer.item(item)
    writer.close()
    return file.getvalue()


BACKUP = sealed(ITEMS)
START = BACKUP.index(b"\n", len(MAGIC)) + 1
END = len(BACKUP) - SEALS
CHUNKS = [BACKUP[at : min(at + CHUNK + TAG, END)] for at in range(START, END, CHUNK + TAG)]


def items(data: bytes, key: RecoveryKey = KEY) -> list[bytes]:
    return list(Reader(io.BytesIO(data)).items(key))


def refused(data: bytes, key: RecoveryKey = KEY) -> str:
    with pytest.raises(BadBackup) as caught:
        items(data, key)
    return str(caught.value)


def unsealed(data: bytes) -> str:
    with pytest.raises(BadBackup) as caught:
        Reader(io.BytesIO(data)).check_seal(SITE)
    return str(caught.value)


@pytest.mark.parametrize("key", [KEY, OTHER])
def test_what_was_written_is_read_with_either_key(key: RecoveryKey) -> None:
    assert len(CHUNKS) > 3
    assert items(BACKUP, key) == ITEMS
    Reader(io.BytesIO(BACKUP)).check_seal([key.recipient()])


@pytest.mark.parametrize("size", [0, 1, CHUNK - 30, CHUNK, 2 * CHUNK])
def test_an_end_at_any_place_of_a_chunk_is_an_end(size: int) -> None:
    assert items(sealed([NOISE.randbytes(size)]))[0].__len__() == size
    assert items(sealed([])) == []


def test_nothing_of_it_can_be_read_in_the_file() -> None:
    secret = b"correct horse battery staple"
    data = sealed([secret * 4])
    assert secret not in data
    assert KEY.secret not in data
    assert KEY.recipient().maker not in data


def test_a_cut_off_end_is_told() -> None:
    cut = BACKUP[:START] + b"".join(CHUNKS[:-1]) + BACKUP[END:]
    assert refused(cut) == "it is cut short"
    assert "cut short" in unsealed(cut)
    assert "changed" in refused(BACKUP[:-1000])
    for length in (0, 5, len(MAGIC), START - 3, START, START + 8):
        refused(BACKUP[:length])


def test_a_flipped_bit_anywhere_is_refused() -> None:
    places = [0, START - 5, START, START + CHUNK, END - 1, *NOISE.sample(range(START, END), 20)]
    for place in places:
        changed = bytearray(BACKUP)
        changed[place] ^= 1 << NOISE.randrange(8)
        refused(bytes(changed))
        unsealed(bytes(changed))


def test_every_byte_of_the_header_counts() -> None:
    for place in range(START):
        changed = bytearray(BACKUP)
        changed[place] ^= 1
        refused(bytes(changed))


def test_parts_that_are_moved_repeated_or_dropped_are_refused() -> None:
    for order in ([1, 0, 2, 3], [0, 0, 1, 2, 3], [0, 2, 3], [1, 2, 3]):
        moved = BACKUP[:START] + b"".join(CHUNKS[n] for n in order) + BACKUP[END:]
        assert "not where it was" in refused(moved)
        unsealed(moved)


def test_a_part_of_another_backup_is_refused() -> None:
    other = sealed(ITEMS, seed=50)
    mixed = BACKUP[:START] + other[START : START + CHUNK + TAG] + BACKUP[START + CHUNK + TAG :]
    assert refused(mixed).startswith("part 1 of it was changed")


def test_a_file_for_other_keys_names_them() -> None:
    data = sealed(ITEMS, (OTHER.recipient(),))
    assert refused(data) == (
        f"it is for the recovery keys {OTHER.recipient().id}, and not for {KEY.recipient().id}"
    )
    with pytest.raises(BadBackup, match="does not have"):
        Reader(io.BytesIO(data)).check_seal([KEY.recipient()])


def test_a_file_by_somebody_who_knows_the_public_key_only_is_refused() -> None:
    import msgspec

    forged = sealed(ITEMS, (msgspec.structs.replace(KEY.recipient(), maker=b"guess" * 6),))
    assert refused(forged) == "no node of this site made it, or its header was changed"
    assert "not what a node of this site wrote" in unsealed(forged)


def test_other_files_are_no_backups(tmp_path: Path) -> None:
    for data in (b"", b"\x7fELF", b"TWINPOST BACKUP 2\n{}\n", MAGIC, MAGIC + b"{}\n"):
        refused(data)


def test_a_key_is_read_as_people_type_it() -> None:
    printed = str(KEY)
    assert len(printed.split("-")) == 8
    assert RecoveryKey.parse(f" {printed.lower().replace('-', ' ')} ") == KEY
    first = "1" if printed[0] != "1" else "2"
    with pytest.raises(Mistyped, match="group 1"):
        RecoveryKey.parse(first + printed[1:])
    assert KEY.secret.hex() not in repr(KEY)
    assert printed not in repr(KEY)
