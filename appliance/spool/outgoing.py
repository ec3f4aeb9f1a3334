"""A large body as frames for the peer, checked against its digest while it is read."""

from __future__ import annotations

from collections.abc import Generator
from hashlib import sha256

from appliance.replica.frames import BodyChunk, Frame
from appliance.spool.bodies import Bodies


def body_frames(
    bodies: Bodies, queue_id: str, digest: bytes, chunk: int
) -> Generator[Frame, None, bool]:
    """The chunks; returns False if the disk no longer has what was accepted."""
    total, offset = sha256(), 0
    try:
        while data := bodies.read(queue_id, offset, chunk):
            yield BodyChunk(queue_id, offset, data)
            total.update(data)
            offset += len(data)
    except OSError:
        return False
    return total.digest() == digest
