"""Whatever the peer sends, the engine lives, resets the link at most, and keeps what it has."""

from __future__ import annotations

import re
from enum import IntEnum
from random import Random
from typing import Annotated, Any, get_args, get_origin

import msgspec
import pytest
from msgspec.structs import replace

from appliance.replica import record
from appliance.replica.frames import (
    Batch,
    Frame,
    Hello,
    SnapshotBegin,
    SnapshotEnd,
    SnapshotPart,
    decode,
    encode,
)
from appliance.replica.message import MessageState, RecipientState
from appliance.replica.pair import Mode
from appliance.replica.record import Segment
from appliance.spool.dump import dump
from tests.support.disk_vfs import DiskVFS
from tests.support.duo import Duo
from tests.support.spool import check_spool

LARGE = b"large " * 100
OURS = re.compile(r"spool\.db(-wal)?|content/[0-9A-Za-z]+(\.[0-9]+\.part)?")
NUMBERS = (0, 1, 2, 3, 7, 1 << 31, 1 << 53, 1 << 62, (1 << 63) - 1, 1 << 63, 1 << 64, -1)
FINE = 7  # of these are numbers that records may have
NAMED = 20  # bytes of a segment in which it says of which incarnation it is


class Pool:
    """Fields that mean something to the two nodes, and some that don't."""

    def __init__(self, two: Duo, ids: list[str]) -> None:
        a, b = two.a, two.b
        self.ids = ids
        self.nodes = [a.node, b.node]
        self.names = [a.store.incarnation, b.store.incarnation, b"y" * 16, a.node, b""]
        self.names.insert(0, a.store.incarnation[:15] + b"!")
        rows = a.store.connection.execute("SELECT segment FROM journal ORDER BY lsn")
        self.segments = [data for (data,) in rows if isinstance(data, bytes)]

    def value(self, kind: object, rng: Random) -> Any:
        """A value of a type."""
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is Annotated:
            return self._bounded(arguments[0], rng)
        if origin is dict:
            pairs = range(rng.choice(FEW))
            return {self.value(arguments[0], rng): self.value(arguments[1], rng) for _ in pairs}
        if origin in (tuple, frozenset):
            return self._several(kind, arguments, rng)
        if arguments:
            return self.value(rng.choice(arguments), rng)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.struct(kind, rng)
        return self._single(kind, rng)

    def _bounded(self, kind: object, rng: Random) -> Any:
        """Mostly within the bounds, or nothing would come further than the decoder."""
        if rng.random() < 0.05:
            return self.value(kind, rng)
        if kind is bytes:
            return rng.choice([name for name in self.names if name])
        return rng.choice(NUMBERS[:FINE])

    def _several(self, kind: object, arguments: tuple[Any, ...], rng: Random) -> Any:
        if arguments[-1] is ... or get_origin(kind) is frozenset:
            values = [self.value(arguments[0], rng) for _ in range(rng.choice(FEW))]
            return frozenset(values) if get_origin(kind) is frozenset else tuple(values)
        return tuple(self.value(one, rng) for one in arguments)

    def _single(self, kind: object, rng: Random) -> Any:
        if kind is bytes:
            return rng.choice([*self.names, rng.randbytes(rng.randint(0, 40))])
        if kind is str:
            none = ["", "x", "../x", "0" * 14, "Z" * 14, "Z" * 40, "al@one.test"]
            return rng.choice([*self.ids, *none])
        if kind is int:
            return rng.choice(NUMBERS)
        if kind is bool:
            return rng.random() < 0.5
        if kind is type(None):
            return None
        if isinstance(kind, type) and issubclass(kind, IntEnum):
            return rng.choice(list(kind))
        raise TypeError(kind)

    def struct(self, kind: type[msgspec.Struct], rng: Random) -> Any:
        fields = msgspec.structs.fields(kind)
        return kind(*[self.value(field.type, rng) for field in fields])

    def frame(self, rng: Random) -> Frame:
        """A frame of any kind; segments and states inside are garbage, or garbled."""
        kind = rng.choice([*get_args(Frame), *[Batch] * 4, *[SnapshotPart] * 4, *[Hello] * 4])
        frame: Frame = self.struct(kind, rng)
        match frame:
            case Batch():
                return replace(frame, segment=self.segment(rng))
            case SnapshotPart():
                copies = [replace(copy, state=self.state(rng)) for copy in frame.copies]
                return replace(frame, copies=tuple(copies))
            case SnapshotBegin():  # what is claimed with its end would be heeded
                return replace(frame, claims=())
            case Hello() if rng.random() < 0.9:
                return replace(frame, kinds=record.KINDS, node=rng.choice(self.nodes))
        return frame

    def segment(self, rng: Random) -> bytes:
        if rng.random() < 0.5:
            data = rng.choice(self.segments)
            return data[:NAMED] + flipped(data[NAMED:], rng)
        return encoded(replace(self.struct(Segment, rng), previous=b"nothing before"))

    def state(self, rng: Random) -> bytes:
        """A state with more recipients than any message here has."""
        recipients = [self.struct(RecipientState, rng) for _ in range(5)]
        state = replace(self.struct(MessageState, rng), recipients=tuple(recipients))
        return flipped(encoded(state), rng)


FEW = (0, 1, 1, 2, 3)


def encoded(value: object) -> bytes:
    """Its encoding, or garbage if it has none."""
    try:
        return msgspec.msgpack.encode(value)
    except (OverflowError, msgspec.EncodeError):
        return b"\xc1"


def flipped(data: bytes, rng: Random) -> bytes:
    """The same, or with some bits of a byte flipped, or cut short."""
    place = rng.randrange(len(data))
    return rng.choice([data, data[:place], _flip(data, place, rng)])


def _flip(data: bytes, place: int, rng: Random) -> bytes:
    return data[:place] + bytes([data[place] ^ rng.randint(1, 255)]) + data[place + 1 :]


def prepared(two: Duo) -> list[str]:
    """A pair with mail in it: the queue ids."""
    two.start()
    _, small = two.accept(two.a, b"one", "al@one.test", "bo@two.test")
    _, large = two.accept(two.b, LARGE, "cy@three.test")
    two.present(two.a)
    two.lease(two.a)
    return [small, large]


@pytest.mark.parametrize("first", range(0, 300, 30))
@pytest.mark.parametrize("greeted", [True, False])
def test_hostile_frames(greeted: bool, first: int) -> None:
    for seed in range(first, first + 30):
        with DiskVFS(f"hostile{seed}") as vfs, Duo(vfs) as two:
            play(two, Pool(two, prepared(two)), Random(f"{greeted}{seed}"), greeted)


def play(two: Duo, pool: Pool, rng: Random, greeted: bool) -> None:
    """Node a is sent frames that nobody in his senses would send."""
    before = dump(two.a.store)
    ended = False
    for _ in range(rng.randint(1, 8)):
        if greeted and not two.connected:
            two.connect()
        elif not greeted and (two.connected or two.a.resets):
            two.disconnect()
            two.a.resets.clear()
            two.a.engine.link_up(two.now)
        frame = pool.frame(rng)
        if isinstance(frame, SnapshotEnd) and ended:
            continue
        ended |= isinstance(frame, SnapshotBegin)
        try:
            came = decode(encode(frame))
        except (OverflowError, msgspec.MsgspecError):
            continue  # the link is reset on what is no frame
        two.a.engine.receive(came, two.now)
        if rng.random() < 0.8:
            two.step(two.a, two.b)
    two.settle()
    assert dump(two.a.store) == before
    assert all(OURS.fullmatch(path) for path in two.a.disk.snapshot())
    check_spool(two.a.store, two.a.bodies)
    two.disconnect()
    two.connect()
    two.wait(3_000)
    assert two.a.engine.pair.mode is Mode.PAIRED
    assert two.same()
    two.accept(two.a, b"after", "al@one.test")
    assert two.same()
