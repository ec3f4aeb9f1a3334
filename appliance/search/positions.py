"""Where a word stands in documents, as the bytes that stock Whoosh wants.

Its `formats.Positions` reads a count and a pickle of differences, and takes whatever gives numbers.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

_COUNT = struct.Struct(">I")
# PROTO 3, SHORT_BINBYTES, its length; … STOP
_NARROW = [_COUNT.pack(count) + b"\x80\x03C" + bytes([count]) for count in range(256)]
_NARROW_END = b"."
# PROTO 2, MARK; for each number BININT2 and its two bytes; LIST, STOP
_WIDE, _NUMBER, _WIDE_END = b"\x80\x02(", ord("M"), b"l."


def encode_all(positions: Numbers, firsts: Numbers) -> list[bytes]:
    """Encode each of the lists that begin at `firsts` in `positions`: ascending, below 65,536."""
    steps = np.diff(positions, prepend=0)
    steps[firsts] = positions[firsts]
    counts = np.diff(firsts, append=len(positions))
    narrow, wide = steps.astype(np.uint8).tobytes(), _wide(steps)
    highest = np.maximum.reduceat(steps, firsts) if len(firsts) else steps
    values = list(map(_ones.__getitem__, positions[firsts].tolist()))
    many = np.flatnonzero(counts > 1)
    for at, start, size, high in zip(
        *(some.tolist() for some in (many, firsts[many], counts[many], highest[many])), strict=True
    ):
        if size < 256 and high < 256:
            values[at] = _NARROW[size] + narrow[start : start + size] + _NARROW_END
        else:
            numbers = wide[3 * start : 3 * (start + size)]
            values[at] = _COUNT.pack(size) + _WIDE + numbers + _WIDE_END
    return values


def _wide(steps: Numbers) -> bytes:
    data = np.empty((len(steps), 3), np.uint8)
    data[:, 0] = _NUMBER
    data[:, 1] = steps & 0xFF
    data[:, 2] = steps >> 8
    return data.tobytes()


class _Ones(dict[int, bytes]):
    """What most words of most messages get: the one place where they stand."""

    def __missing__(self, position: int) -> bytes:
        if position < 256:
            value = _NARROW[1] + bytes([position]) + _NARROW_END
        else:
            value = _COUNT.pack(1) + _WIDE + _wide(np.array([position])) + _WIDE_END
        self[position] = value
        return value


_ones = _Ones()
