"""The claims that this node is to write: who owns from now on whatever it knows of."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from appliance.replica.record import Segment
from appliance.spool.leasing import Leasing
from appliance.spool.operations import Effect, Happened
from appliance.spool.store import Store

Wrote = Callable[[Segment, bytes, Mapping[str, bytes]], None]


class Claims:
    """Decided at any time, written in a turn."""

    def __init__(self, store: Store, leasing: Leasing, wrote: Wrote) -> None:
        self._store = store
        self._leasing = leasing
        self._wrote = wrote
        self._due: deque[tuple[bytes, str, bool]] = deque()

    def __bool__(self) -> bool:
        return bool(self._due)

    def adopt(self) -> None:
        """The peer is silent, or another one took its place: nobody here saw what it did last."""
        self._due.append((self._store.node, "adopted", True))

    def take_over(self) -> None:
        """An operator says that the peer will not come."""
        self._due.append((self._store.node, "taken over", True))

    def hand_over(self, peer: bytes) -> None:
        """Nothing is under way here: the peer may go on."""
        self._due.append((peer, "handed over", False))

    def peer_is_back(self) -> None:
        """It knows better than an adoption that was just decided."""
        self._due = deque(one for one in self._due if one[1] != "adopted")

    def write(self, running: int) -> list[Effect]:
        """Journal them."""
        said: list[Effect] = []
        while self._due:
            owner, reason, doubt = self._due.popleft()
            segment, data = self._store.write_claim(owner, reason, doubt, running)
            self._wrote(segment, data, {})
            said += self._leasing.ownership_changed()
            fields: dict[str, object] = {"epoch": self._store.epoch, "doubt": doubt}
            said.append(Happened(reason.replace(" ", "_"), fields))
            if owner == self._store.node:
                self._leasing.write_off(self._leasing.leased_here, running)
        return said
