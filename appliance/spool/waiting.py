"""Answers that wait for durability: on this node, and on the peer while the pair is paired."""

from __future__ import annotations

from collections import deque

from appliance.spool.operations import Done, Send


class Waiting:
    """Answers in the order of the records they wait for."""

    def __init__(self) -> None:
        self._answers: deque[tuple[int, Done | Send]] = deque()
        self._unshared: deque[int] = deque()

    def __bool__(self) -> bool:
        return bool(self._answers)

    @property
    def exposed(self) -> int:
        """Messages this incarnation accepted that the peer does not hold yet."""
        return len(self._unshared)

    def add(self, seq: int, answer: Done | Send) -> None:
        """`answer` may be given once record `seq` is durable."""
        self._answers.append((seq, answer))

    def link_down(self) -> None:
        """The peer that asked has given up: no other connection may bring it an answer."""
        self._answers = deque(one for one in self._answers if not isinstance(one[1], Send))

    def accepted(self, seq: int) -> None:
        """Record `seq` accepts a message."""
        self._unshared.append(seq)

    def release(self, durable: int, shared: int, both: bool) -> list[Done | Send]:
        """The answers that may be given, with `durable` here and `shared` with the peer.

        `both`: the pair is paired, so an answer waits for the peer too (rule: 250 means both).
        """
        while self._unshared and self._unshared[0] <= shared:
            self._unshared.popleft()
        reached = min(durable, shared) if both else durable
        ready = []
        while self._answers and self._answers[0][0] <= reached:
            ready.append(self._answers.popleft()[1])
        return ready
