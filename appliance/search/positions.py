"""Where a word stands in documents, as bytes that stock Whoosh reads and we read by the block.

Whoosh's `formats.Positions` wants a count and a pickle of differences, and takes whatever gives
numbers. Its own pickles have to be loaded one by one. Ours have two forms, and in either it is
known where each number stands: a bytes object where all differences are below 256, otherwise a
list of 16-bit numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
Places = NDArray[np.int64]
Numbers = NDArray[np.int64]
MOST = 1 << 16
"""Positions are below this."""

_COUNT = struct.Struct(">I")
# PROTO 3, SHORT_BINBYTES, its length; … BINPUT 0, STOP
_NARROW = [_COUNT.pack(count) + b"\x80\x03C" + bytes([count]) for count in range(256)]
_NARROW_END = b"q\0."
# PROTO 2, MARK; for each number BININT2 and its two bytes; LIST, STOP
_WIDE, _NUMBER, _WIDE_END = b"\x80\x02(", ord("M"), b"l."
_PROTO_AT, _FORM_AT, _FIRST_AT = 5, 6, 8


def counts_of(values: Sequence[bytes]) -> list[int]:
    """How many places each encoded value has."""
    return [value[3] | value[2] << 8 for value in values]


def encode(positions: Sequence[int]) -> bytes:
    """The places of a word in one document, ascending."""
    (value,) = encode_all(np.array(positions, np.int64), np.zeros(1, np.int64))
    return value


def encode_all(positions: Numbers, firsts: Numbers) -> list[bytes]:
    """Encode each of the lists that begin at `firsts` in `positions`."""
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


def decode_all(ids: Ids, values: Sequence[bytes]) -> Places:
    """document << 16 | position for each place in the documents `ids`, ascending.

    Raises ValueError for what `encode_all` did not give.
    """
    sizes = np.fromiter(map(len, values), np.int64, len(values))
    if len(sizes) and sizes.min() <= _FIRST_AT:
        raise ValueError("positions cut short")
    data = np.frombuffer(b"".join(values), np.uint8)
    starts = sizes.cumsum() - sizes
    counts = data[starts + 3] | data[starts + 2].astype(np.int64) << 8
    form, proto = data[starts + _FORM_AT], data[starts + _PROTO_AT]
    narrow = (form == ord("C")) & (proto == 3) & (sizes == counts + len(_NARROW[0]) + 3)
    wide = (form == ord("(")) & (proto == 2) & (sizes == 3 * counts + 4 + 5)
    if not (narrow | wide).all() or not counts.all():
        raise ValueError("positions in no form that is written")
    begins = counts.cumsum() - counts
    at = np.arange(int(counts.sum())) - np.repeat(begins, counts)
    if wide.any():
        of_wide = np.repeat(wide, counts)
        at[of_wide] *= 3
        at += np.repeat(starts + _FIRST_AT, counts)
        steps = data[at].astype(np.int64)
        steps[of_wide] |= data[at[of_wide] + 1].astype(np.int64) << 8
    else:
        at += np.repeat(starts + _FIRST_AT, counts)
        steps = data[at].astype(np.int64)
    sums = steps.cumsum()
    before = np.repeat(sums[begins] - steps[begins], counts)
    found: Places = np.repeat(ids.astype(np.int64) << 16, counts) + sums - before
    return found
