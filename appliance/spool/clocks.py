"""Running times: this node's own, which outlives its starts, and what others' are in it.

All in milliseconds. `due` is in the running time of the node that wrote it (rule 8).
"""

from __future__ import annotations

import apsw


class Clocks:
    """Kept in the table `meta`, in the writer's transaction."""

    def __init__(self, connection: apsw.Connection, node: bytes, elapsed: int) -> None:
        """`elapsed` is what the monotonic clock of this start says now."""
        self._db = connection
        self._node = node
        self.offsets: dict[bytes, int] = {
            bytes.fromhex(name[7:]): offset
            for name, offset in connection.execute(
                "SELECT name, value FROM meta WHERE name GLOB 'offset:*'"
            )
        }
        """What to add to a node's running time to have it in this one's."""
        self.offsets[node] = 0
        found = connection.execute("SELECT value FROM meta WHERE name='clock'").get
        self.saved = found if isinstance(found, int) else 0
        """The running time when it was written last."""
        # Later than anything the last start wrote: stamps are told apart by it.
        later = self.saved + (self.saved > 0)
        self._from = self._from_at_begin = later - elapsed

    def running(self, elapsed: int) -> int:
        """This node's running time, given its monotonic clock."""
        return self._from + elapsed

    def start(self) -> None:
        """For those who only read the spool: how to tell this node's running time."""
        self._set("running from", self._from)

    def begin(self) -> None:
        """A transaction begins."""
        self._from_at_begin = self._from

    def flush(self, running: int) -> None:
        """Write the running time; `running` as it was told at the beginning."""
        gained = self._from - self._from_at_begin
        self.saved = running + gained
        self._set("clock", self.saved)
        if gained:
            self._set("running from", self._from)

    def told(self, node: bytes, clock: int, running: int) -> None:
        """A node told its running time: due times it wrote can now be read."""
        self._set_offset(node, running - clock)

    def heard(self, node: bytes, at: int, running: int) -> None:
        """A record shows that the running time of `node` had reached `at`.

        So due times can be read even if its node never said hello here, or is this one and lost
        its disk: no reckoning of a clock is behind what it wrote.
        """
        if node == self._node:
            self._from = max(self._from, self._from_at_begin + at - running)
        elif node not in self.offsets or running - at < self.offsets[node]:
            self._set_offset(node, running - at)

    def _set_offset(self, node: bytes, offset: int) -> None:
        self.offsets[node] = offset
        self._set(f"offset:{node.hex()}", offset)

    def _set(self, name: str, value: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta(name, value) VALUES(?,?)", (name, value))
