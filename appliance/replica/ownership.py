"""Who may act on a message: the latest claim that covers it, else the node that accepted it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from appliance.replica.position import Incarnation, Node, Number


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """From `epoch` on, `owner` owns every message accepted at a position that `scope` covers."""

    epoch: Number
    owner: Node
    scope: dict[Incarnation, Number]
    doubt: bool = False

    def covers(self, incarnation: bytes, seq: int) -> bool:
        """True if the message accepted as record `seq` of `incarnation` is claimed."""
        return self.scope.get(incarnation, 0) >= seq

    def outranks(self, other: Claim) -> bool:
        """Higher epoch wins; two claims of one epoch (a split) are told apart by node."""
        return (self.epoch, self.owner) > (other.epoch, other.owner)


def _supersedes(new: Claim, old: Claim) -> bool:
    return new.outranks(old) and all(new.scope.get(i, 0) >= seq for i, seq in old.scope.items())


class Ownership:
    """All claims that still matter, and which node minted each incarnation.

    `fences` are claims heard of whose predecessors have not arrived: they take ownership away
    at once, but give none before the journal has caught up with them. `settled` is the epoch up
    to which claims in doubt are so no longer: the former owner has told what it did.
    """

    def __init__(self, nodes: Mapping[bytes, bytes], claims: Iterable[Claim] = ()) -> None:
        self.nodes = dict(nodes)
        self.claims: tuple[Claim, ...] = ()
        self.fences: tuple[Claim, ...] = ()
        self.settled = 0
        for claim in claims:
            self.add(claim)

    @property
    def epoch(self) -> int:
        """The highest epoch claimed so far."""
        return max((claim.epoch for claim in self.claims + self.fences), default=0)

    def add(self, claim: Claim) -> None:
        """Take in a claim, in any order; those it supersedes are forgotten."""
        if claim in self.claims or any(_supersedes(old, claim) for old in self.claims):
            return
        kept = [old for old in self.claims if not _supersedes(claim, old)]
        self.claims = tuple(sorted([*kept, claim], key=lambda c: (c.epoch, c.owner)))

    def fence(self, claims: Iterable[Claim]) -> None:
        """Take heed of the claims a peer told of ahead of its journal."""
        self.fences = tuple(claim for claim in claims if claim not in self.claims)

    def claim_of(self, incarnation: bytes, seq: int) -> Claim | None:
        """The claim that decides about a message, None if it is still its acceptor's."""
        best: Claim | None = None
        for claim in self.claims:
            if claim.covers(incarnation, seq) and (best is None or claim.outranks(best)):
                best = claim
        return best

    def owner(self, incarnation: bytes, seq: int) -> bytes:
        """The node that owns a message; b"" while only a fence tells."""
        best = self.claim_of(incarnation, seq)
        owner = best.owner if best else self.nodes.get(incarnation, b"")
        for claim in self.fences:
            if claim.covers(incarnation, seq) and (best is None or claim.outranks(best)):
                if claim.owner != owner:
                    return b""
        return owner
