"""Which packets of the peer are its own, new and not heard before (architecture rule 12).

No clock, no disk and no handshake that could get stuck: every packet does its part of one.

A *challenge* is the nonce that a node drew at its start, and a generation that it counts up
whenever its peer turns out to have started anew. Every packet shows the sender's challenge and
*echoes* the newest one that it knows of its peer. A packet is accepted if

1. the key of the pair made it, the peer sent it, and on the path on which it came;
2. it echoes our nonce: it was made since our start. If it shows the nonce that we know of the
   peer, the generation it echoes is not older than the one in which we learned that nonce; if
   it shows another, it must echo our present generation exactly, and then that nonce is the
   peer's and our generation goes up: whatever earlier starts of the peer said is stale for good;
3. its counter, which the sender never uses twice, is new on its path; a window of 64 lets
   packets overtake one another.

How two nodes learn each other: a packet that keeps rule 1 but not rule 2 changes nothing, yet
is *answered* by one packet that echoes the challenge it showed. If it was live, its sender
accepts the answer and so learns our challenge (`Heard.greeted`), and its next packet, which it
sends at once, echoes it. If it was a replay, the answer means nothing to anybody: a sender that
lives answers it once more, with an echo that is accepted, and there the exchange ends. Each
lost packet costs one interval. Repeating old packets thus costs a packet or two and no state.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from appliance.failover.advertisement import (
    Advertisement,
    Challenge,
    Packet,
    Rejected,
    Rejection,
    Status,
    seal,
    unseal,
)

NONCE = 16  # bytes
_NOBODY = Challenge(bytes(NONCE))
_WINDOW = 64


class Heard(msgspec.Struct, frozen=True):
    """A packet that was accepted.

    `late`: another was accepted that the peer had sent after it about the same virtual router;
    it shows that the peer lives, but what it says is out of date. `greeted`: the peer is new,
    or started anew.
    """

    packet: Packet
    late: bool
    greeted: bool


class Stale(Rejected):
    """The packet is not proved to be new: to be answered by one that echoes `challenge`."""

    def __init__(self, challenge: Challenge) -> None:
        super().__init__(Rejection.STALE)
        self.challenge = challenge


class Conversation:
    """One node's side of the packets between the nodes of a pair.

    `key` is the pair's, `nonce` is drawn at random for this start. `rejected` counts.
    """

    def __init__(self, key: bytes, node_id: bytes, peer_id: bytes, nonce: bytes) -> None:
        if len(nonce) != NONCE or nonce == _NOBODY.nonce:
            raise ValueError(f"a nonce is {NONCE} random bytes")
        self.rejected: Counter[Rejection] = Counter()
        self._key = key
        self._node_id = node_id
        self._peer_id = peer_id
        self._challenge = Challenge(nonce)
        self._peer = _NOBODY
        self._since = 0  # our generation when the nonce of the peer was learned
        self._sent = 0
        self._latest: dict[int, int] = {}  # the highest counter for each virtual router
        self._windows: dict[int, _Window] = {}

    def packet(
        self,
        path: int,
        status: Status,
        advertisement: Advertisement | None = None,
        echo: Challenge | None = None,
    ) -> bytes:
        """The next datagram for the path; `echo` only to answer a stale packet."""
        self._sent += 1
        return seal(
            Packet(
                path,
                self._node_id,
                self._challenge,
                echo or self._peer,
                self._sent,
                status,
                advertisement,
            ),
            self._key,
        )

    def receive(self, path: int, data: bytes) -> Heard:
        """What the peer says; raises Rejected, then it is counted and nothing else changed."""
        try:
            packet = self._check(path, data)
        except Rejected as rejected:
            self.rejected[rejected.reason] += 1
            raise
        greeted = packet.challenge.nonce != self._peer.nonce
        if greeted:
            self._since = self._challenge.generation
            self._challenge = Challenge(self._challenge.nonce, self._since + 1)
            self._windows.clear()
            self._latest.clear()
        if greeted or packet.challenge.generation > self._peer.generation:
            self._peer = packet.challenge
        self._windows.setdefault(path, _Window()).mark(packet.counter)
        about = packet.advertisement.vrid if packet.advertisement else 0
        late = packet.counter < self._latest.get(about, 0)
        if not late:
            self._latest[about] = packet.counter
        return Heard(packet, late, greeted)

    def _check(self, path: int, data: bytes) -> Packet:
        packet = unseal(data, self._key)
        if packet.sender != self._peer_id:
            raise Rejected(Rejection.FOREIGN)  # our own packet come back is one of these
        if packet.path != path:
            raise Rejected(Rejection.PATH)
        known = packet.challenge.nonce == self._peer.nonce
        oldest = self._since if known else self._challenge.generation
        if (
            packet.echo.nonce != self._challenge.nonce
            or not oldest <= packet.echo.generation <= self._challenge.generation
        ):
            raise Stale(packet.challenge)
        if known and path in self._windows and not self._windows[path].admits(packet.counter):
            raise Rejected(Rejection.REPLAYED)
        return packet


class _Window:
    """The counters accepted on one path: the highest, and a bit for each of the last 64."""

    def __init__(self) -> None:
        self._highest = 0
        self._seen = 0

    def admits(self, counter: int) -> bool:
        age = self._highest - counter
        return age < 0 or (age < _WINDOW and not self._seen >> age & 1)

    def mark(self, counter: int) -> None:
        ahead = counter - self._highest
        if ahead > 0:
            self._highest = counter
            self._seen = (self._seen << min(ahead, _WINDOW) | 1) & (1 << _WINDOW) - 1
        else:
            self._seen |= 1 << -ahead
