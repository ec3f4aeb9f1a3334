"""One connection of the peer link: the pinned key, the hello, typed frames, heartbeats."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from appliance.ipc.frames import ConnectionLost, FrameProtocol, Lost
from appliance.link.certificates import BadKey, node_id
from appliance.link.tls import NoPeerKey, peer_key

PAYLOAD_LIMIT = 16 * 1024 * 1024
_HEADER = struct.Struct(">IB")
_CONTROL = 0  # the hello, then heartbeats (empty)
_HELLO = b"twinpost link 1"
_HELLO_LIMIT = 64


@dataclass(frozen=True)
class Timing:
    """Seconds, and how many heartbeats may be missed before the peer counts as gone.

    Heartbeats are counted, not timed: when this process itself was held up, what waits in the
    socket is read before another heartbeat is missed.
    """

    heartbeat: float = 1.0
    missed: int = 4
    handshake: float = 5.0
    backoff_first: float = 0.1
    backoff_most: float = 3.0


class Refusal(StrEnum):
    """Why a connection never came up."""

    UNREACHABLE = "cannot connect"
    TLS = "TLS failed"
    WRONG_KEY = "not the key this node is paired with"
    NO_HELLO = "ended before it said hello"
    OTHER_VERSION = "speaks another version of the link"

    @property
    def hint(self) -> str:
        """What an operator can do."""
        return _HINTS[self]


_HINTS = {
    Refusal.UNREACHABLE: "is the other node running, and is its link address reachable from here?",
    Refusal.TLS: "one of the nodes was paired with a third: pair the two again",
    Refusal.WRONG_KEY: "if the other machine was replaced, pair again: twinpost pair replace",
    Refusal.NO_HELLO: "look at the other node's log: it may be paired with another node",
    Refusal.OTHER_VERSION: "bring both nodes to the same release",
}


class Owner(Protocol):
    """Who a connection reports to."""

    def came_up(self, connection: LinkConnection) -> None:
        """Both sides have accepted each other's key."""

    def frame(self, connection: LinkConnection, kind: int, payload: bytes) -> None:
        """One frame of the user."""

    def went_down(self, connection: LinkConnection, error: ConnectionLost) -> None:
        """A connection that was up ended."""

    def refused(self, refusal: Refusal, detail: str) -> None:
        """A connection ended before it was up."""


class LinkConnection(FrameProtocol):
    """A connection to the peer; users get it when it is up.

    `send`, `writable`, `wait_writable`, `unsent`, `pause_reading` and `resume_reading` are theirs.
    Frames leave in the order sent: who streams large bodies sends chunks of 64 KiB or so, each
    after `wait_writable`, and small frames in between wait for less than 512 KiB of them. Reading
    must not be paused for long: the peer's kernel drops a link it can't send on for 8 s.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pinned: bytes, owner: Owner, timing: Timing
    ) -> None:
        super().__init__(loop, _HELLO_LIMIT)
        self.up = False
        self.settled = asyncio.Event()  # up, or ended without
        self.ended = asyncio.Event()
        self.steady = False  # it has outlived a heartbeat
        self.reads = 0
        """How often something came from the peer, if only a heartbeat."""
        self._pinned = pinned
        self._owner = owner
        self._timing = timing
        self._refusal = Refusal.NO_HELLO
        self._timer: asyncio.TimerHandle | None = None
        self._heard = False
        self._spoke = False
        self._reading = True
        self._missed = 0

    def send(self, kind: int, payload: bytes | bytearray | memoryview) -> None:
        """Send a frame of `kind` 1 to 255; never waits. Raises ConnectionLost, FrameTooLarge."""
        if not 1 <= kind <= 255:
            raise ValueError(f"{kind} is no kind of frame")
        self._spoke = True
        self._put(kind, payload)

    def pause_reading(self) -> None:
        self._reading = False
        super().pause_reading()

    def resume_reading(self) -> None:
        self._reading = True
        super().resume_reading()

    # What the frame protocol calls.

    def opened(self) -> None:
        assert self._transport is not None
        try:
            key = peer_key(self._transport)
        except (NoPeerKey, BadKey) as error:
            self._refuse(Refusal.TLS, str(error))
            return
        if key != self._pinned:
            who, wanted = node_id(key).hex(), node_id(self._pinned).hex()
            self._refuse(Refusal.WRONG_KEY, f"it is node {who}, this node's peer is {wanted}")
            return
        self._put(_CONTROL, _HELLO)
        self._timer = self._loop.call_later(self._timing.handshake, self._late)

    def buffer_updated(self, nbytes: int) -> None:
        self._heard = True
        self.reads += 1
        super().buffer_updated(nbytes)

    def frame_received(self, body: memoryview) -> None:
        if not body:
            self.fail(Lost.MALFORMED, "a frame without a kind")
        elif not self.up:
            self._hello(body)
        elif body[0] != _CONTROL:
            self._owner.frame(self, body[0], bytes(body[1:]))
        elif len(body) > 1:
            self.fail(Lost.MALFORMED, "a heartbeat that is not empty")

    def lost(self, error: ConnectionLost) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.settled.set()
        self.ended.set()
        if self.up:
            self._owner.went_down(self, error)
        elif error.reason != Lost.CLOSED:
            self._owner.refused(self._refusal, error.detail or str(error.reason))

    def _hello(self, body: memoryview) -> None:
        if body[0] != _CONTROL or body[1:] != _HELLO:
            self._refuse(Refusal.OTHER_VERSION, f"its first frame was {bytes(body)!r}")
            return
        assert self._timer is not None
        self._timer.cancel()
        self._timer = self._loop.call_later(self._timing.heartbeat, self._tick)
        self._limit = PAYLOAD_LIMIT + 1
        self.up = True
        self.settled.set()
        self._owner.came_up(self)

    def _late(self) -> None:
        self._refuse(Refusal.NO_HELLO, "it said nothing in time")

    def _refuse(self, refusal: Refusal, detail: str) -> None:
        self._refusal = refusal
        self.fail(Lost.MALFORMED, detail)

    def _tick(self) -> None:
        self._missed = 0 if self._heard or not self._reading else self._missed + 1
        if self._missed >= self._timing.missed:
            self.fail(Lost.SILENT, f"{self._missed} heartbeats missed")
            return
        self.steady = True
        if not self._spoke and self.writable:
            self._put(_CONTROL, b"")
        self._heard = self._spoke = False
        self._timer = self._loop.call_later(self._timing.heartbeat, self._tick)

    def _put(self, kind: int, payload: bytes | bytearray | memoryview) -> None:
        start = self._frame_begun()
        self._out += _HEADER.pack(0, kind)
        self._out += payload
        self._frame_ended(start)
