"""How much goes to the peer at a time, and how much of the journal is kept for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """`window`: bytes of segments under way without acknowledgement; `chunk`: of a large body in
    one frame; `part`: of messages in one frame of a snapshot, or one message; `keep`: segments
    that the journal keeps though both nodes hold them, for a peer whose disk is restored.
    """

    window: int = 8 << 20
    chunk: int = 128 << 10
    part: int = 512 << 10
    keep: int = 20_000


USUAL = Sizes()
