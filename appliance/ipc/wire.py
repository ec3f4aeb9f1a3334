"""What travels in an IPC frame: kind, call number, then the message in msgpack.

    request  client -> server  answered by one reply or one failure with the same number
    push     either way        no answer, number 0

Messages are the user's msgspec Structs (a tagged union for each direction). They must not hold
`msgspec.Raw` or memoryviews: the bytes behind them are reused for the next frame.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from appliance.ipc.frames import FrameProtocol, Lost

Sent = TypeVar("Sent")
Received = TypeVar("Received")

# One lease or outcome with a DSN attached is under 300 KiB, a full batch of them under this.
DEFAULT_LIMIT = 8 * 1024 * 1024

REQUEST, REPLY, FAILURE, PUSH = range(4)
_HEADER = struct.Struct(">IBQ")  # length, kind, call number
_BODY = struct.Struct(">BQ")  # the same, as it arrives


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """A refused call: `code` for programs, `text` and `hint` for people.

    `permanent`: the same call will be refused again. Codes of IPC itself: "internal" (a bug, maybe
    transient), "malformed" and "too large"; the rest are the server's own.
    """

    code: str
    text: str
    hint: str = ""
    permanent: bool = False


class CallFailed(Exception):
    """The other side refused a call; it raised this, or could not do better."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.text}")
        self.failure = failure


@dataclass(frozen=True)
class Codec(Generic[Sent, Received]):
    """How one side encodes what it sends and decodes the union of what it receives."""

    decoder: msgspec.msgpack.Decoder[Received]
    encoder: msgspec.msgpack.Encoder = field(default_factory=msgspec.msgpack.Encoder)


class MessageProtocol(FrameProtocol, Generic[Sent, Received]):
    """A frame protocol whose frames are messages of a kind, with a call number."""

    codec: Codec[Sent, Received]

    def received(self, kind: int, number: int, body: memoryview) -> None:
        """One message, not decoded yet."""
        raise AssertionError("a subclass says what a message means")

    def frame_received(self, body: memoryview) -> None:
        if len(body) < _BODY.size:
            self.fail(Lost.MALFORMED, f"a frame of {len(body)} bytes holds no header")
            return
        kind, number = _BODY.unpack_from(body)
        self.received(kind, number, body[_BODY.size :])

    def push(self, message: Sent) -> None:
        """Send `message`, which gets no answer; raises ConnectionLost, FrameTooLarge.

        Never waits: whoever pushes much awaits `wait_writable` now and then.
        """
        self._send(PUSH, 0, message)

    def _send(self, kind: int, number: int, message: Sent | Failure) -> None:
        start = self._frame_begun()
        out = self._out
        out += _HEADER.pack(0, kind, number)
        try:
            self.codec.encoder.encode_into(message, out, -1)
        except BaseException:
            # What msgspec can't encode must leave no half a frame between whole ones.
            del out[start:]
            raise
        self._frame_ended(start)

    def _pushed(self, body: memoryview, deliver: Callable[[Received], None]) -> None:
        try:
            message = self.codec.decoder.decode(body)
        except msgspec.MsgspecError as error:
            self.fail(Lost.MALFORMED, str(error))
            return
        deliver(message)
