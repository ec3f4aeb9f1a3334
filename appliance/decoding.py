"""Typed decoding that any thread may do.

msgspec learns a type when it first meets it, and two threads that meet it at the same moment crash
the process: one of them reads what the other has not filled in yet (msgspec 0.22, a null pointer),
though it calls itself thread-safe (its issue 401). Here one thread at a time learns.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_learning = Lock()
_json: dict[object, msgspec.json.Decoder[Any]] = {}
_msgpack: dict[object, msgspec.msgpack.Decoder[Any]] = {}


def from_json(data: bytes | bytearray | memoryview | str | msgspec.Raw, wanted: type[T]) -> T:
    """Raises msgspec.DecodeError."""
    found: T = learned(wanted).decode(data)
    return found


def from_msgpack(data: bytes, wanted: type[T]) -> T:
    """Raises msgspec.DecodeError."""
    decoder = _msgpack.get(wanted)
    if decoder is None:
        with _learning:
            decoder = _msgpack.setdefault(wanted, msgspec.msgpack.Decoder(wanted))
    found: T = decoder.decode(data)
    return found


def learned(wanted: type[T]) -> msgspec.json.Decoder[T]:
    """Its decoder; after that `msgspec.convert` knows the type, too."""
    decoder = _json.get(wanted)
    if decoder is None:
        with _learning:
            decoder = _json.setdefault(wanted, msgspec.json.Decoder(wanted))
    return decoder
