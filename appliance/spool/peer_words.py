"""What the peer said of itself: kept with the spool, so it is known while the peer is dead, too."""

from __future__ import annotations

import apsw

_NAME, _KINDS = "name of peer", "kinds of peer"
_BYTES = frozenset(range(256))


class PeerWords:
    """In the table `meta`; changed in the transactions of `Store`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @property
    def kinds(self) -> frozenset[int] | None:
        """The kinds of record that it said it understands; None if it never did."""
        found = self._get(_KINDS)
        return None if found is None else frozenset(found)

    def hear_kinds(self, kinds: frozenset[int]) -> None:
        """It said which kinds of record it understands."""
        if kinds != self.kinds:
            self._set(_KINDS, bytes(sorted(kinds & _BYTES)))

    def name_of(self, node: bytes) -> str:
        """What the peer `node` called itself when it said hello last; "" if it never did."""
        found = self._get(_NAME)
        if found is not None and found[: len(node)] == node:
            return found[len(node) :].decode()
        return ""

    def hear_name(self, node: bytes, name: str) -> None:
        """The peer `node` said what it is called."""
        if name != self.name_of(node):
            self._set(_NAME, node + name.encode())

    def _get(self, name: str) -> bytes | None:
        found = self._db.execute("SELECT value FROM meta WHERE name=?", (name,)).get
        return found if isinstance(found, bytes) else None

    def _set(self, name: str, value: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta(name, value) VALUES(?,?)", (name, value))
