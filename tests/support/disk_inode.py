"""One file of a simulated disk: what programs read, what the platter holds, what lies between."""

from __future__ import annotations

from random import Random

SECTOR_SIZES = (512, 4096)
"""A power cut tears writes at these boundaries: old disks, and pages of the cache."""

CHANCES = (0.0, 0.1, 0.5, 0.9, 1.0)
"""How much of what was not synced survives: drawn anew each time, as nearly all and nearly nothing
find other bugs than half does."""


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    """Do a write at `offset`, or, when `data` is None, a truncation to that length."""
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data


class Inode:
    """`content` is the page cache's view, `durable` the platter's, `pending` the way between."""

    __slots__ = ("content", "durable", "pending")

    def __init__(self, durable: bytearray) -> None:
        self.durable = durable
        self.content = bytearray(durable)
        self.pending: list[tuple[int, bytes | None]] = []

    def write(self, offset: int, data: bytes) -> None:
        _apply(self.content, offset, data)
        self.pending.append((offset, data))

    def truncate(self, size: int) -> None:
        _apply(self.content, size, None)
        self.pending.append((size, None))

    def sync(self) -> None:
        for offset, data in self.pending:
            _apply(self.durable, offset, data)
        self.pending.clear()

    def fail_sync(self, rng: Random) -> None:
        """Lose what the sync did not write, as Linux does: the cache keeps it, but thinks it clean.

        A later sync succeeds and brings none of it back.
        """
        self.durable = self.settle(rng)
        self.pending.clear()

    def flip_bit(self, bit: int) -> None:
        """Change a bit in both views; raises IndexError beyond the end of the file."""
        byte, mask = bit // 8, 1 << bit % 8
        self.content[byte] ^= mask
        if byte < len(self.durable):
            self.durable[byte] ^= mask

    def settle(self, rng: Random) -> bytearray:
        """What a power cut leaves on the platter.

        Each sector, and the length, is as it was after some change since the last sync, whichever
        order the changes were made in. Sectors new to the file may hold rubbish. A truncation is
        one entry in a file system's journal: it happened, or it and all later changes did not.
        """
        if not self.pending:
            return bytearray(self.durable)
        sector, latest = rng.choice(SECTOR_SIZES), rng.choice(CHANCES)
        sizes, versions, base = self._history(sector, self._happened(rng, latest))
        size = sizes[-1] if rng.random() < latest else rng.choice(sizes[:-1] or sizes)
        rubbish = rng.randbytes(sector) if rng.random() < 0.25 else b""
        platter = base[:size].ljust(size, b"\0")
        for number, later in versions.items():
            start = number * sector
            if rng.random() < latest:
                version = later[-1]
            else:
                fresh = rubbish if start >= len(self.durable) else b""
                old = bytes(base[start : start + sector]) or fresh
                version = rng.choice([old, *later[:-1]])
            end = min(start + sector, size)
            if start < end:
                platter[start:end] = version.ljust(sector, b"\0")[: end - start]
        return platter

    def _happened(self, rng: Random, latest: float) -> list[tuple[int, bytes | None]]:
        """The changes since the last sync, up to a truncation that did not happen."""
        truncations = [n for n, (_, data) in enumerate(self.pending) if data is None]
        if truncations and rng.random() >= latest:
            return self.pending[: rng.choice(truncations)]
        return self.pending

    def _history(
        self, sector: int, changes: list[tuple[int, bytes | None]]
    ) -> tuple[list[int], dict[int, list[bytes]], bytearray]:
        """Lengths the file had, contents that each sector had, and what it had before those.

        All since the last sync, or, beyond the point of a truncation, since that.
        """
        content, base = bytearray(self.durable), bytearray(self.durable)
        sizes, versions = [len(content)], dict[int, list[bytes]]()
        for offset, data in changes:
            before = len(content)
            _apply(content, offset, data)
            if data is None:
                first = min(offset, before) // sector
                base[first * sector :] = content[first * sector :]
                versions = {n: old for n, old in versions.items() if n < first}
                sizes = [len(content)]
                continue
            sizes.append(len(content))
            start, end = min(offset, before), offset + len(data)
            for number in range(start // sector, -(-end // sector)):
                part = bytes(content[number * sector : (number + 1) * sector])
                versions.setdefault(number, []).append(part)
        return sizes, versions, base
