"""The site's document and registers on disk: merged as records come, read by everybody."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import msgspec

from appliance.replica import record, registers, site_versions
from appliance.replica.registers import Register
from appliance.replica.site_versions import Header, Lineage, SiteVersion
from appliance.spool.schema import rows

DOCUMENT = ""
"""Stands for the document where tables are named: no table has this name."""
_decode_header = msgspec.msgpack.Decoder(Header).decode
_decode_version = msgspec.msgpack.Decoder(SiteVersion).decode
_decode_register = msgspec.msgpack.Decoder(Register).decode
_encode = msgspec.msgpack.Encoder().encode


class SiteTables:
    """The tables `site` and `register`, for one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    def headers(self) -> Iterator[Header]:
        """Every version that is kept."""
        for (header,) in rows(self._db, "SELECT header FROM site"):
            yield _decode_header(header)

    def version(self, id_: bytes) -> SiteVersion:
        """One version with its document; raises KeyError."""
        found = self._db.execute("SELECT version FROM site WHERE id=?", (id_,)).get
        if not isinstance(found, bytes):
            raise KeyError(f"version {id_.hex()} is not kept")
        return _decode_version(found)

    def register(self, table: str, key: str) -> Register | None:
        """One register, deleted ones too; None if it was never written."""
        found = self._db.execute(
            "SELECT register FROM register WHERE name=? AND key=?", (table, key)
        ).get
        return _decode_register(found) if isinstance(found, bytes) else None

    def registers(self, after: tuple[str, str] = ("", ""), limit: int = -1) -> Iterator[Register]:
        """Registers in order of table and key, deleted ones too."""
        for (found,) in rows(
            self._db,
            "SELECT register FROM register WHERE (name, key) > (?, ?) ORDER BY name, key LIMIT ?",
            (*after, limit),
        ):
            yield _decode_register(found)

    def table(self, table: str) -> dict[str, bytes]:
        """The values of one table that are not deleted."""
        values = {}
        for (found,) in rows(self._db, "SELECT register FROM register WHERE name=?", (table,)):
            one = _decode_register(found)
            if one.value is not None:
                values[one.key] = one.value
        return values


class SiteStore(SiteTables):
    """The writer's side. Every method that changes something runs in its transaction."""

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__(connection)
        self.lineage = Lineage(self.headers())
        self._registers = any(True for _ in self.registers(limit=1))
        self._changed: set[str] = set()

    @property
    def kinds(self) -> frozenset[int]:
        """The kinds of record that a peer must understand to be told all this."""
        kinds = set(record.BASE)
        if len(self.lineage):
            kinds.add(record.SITE)
        if self._registers:
            kinds.add(record.REGISTER)
        return frozenset(kinds)

    def take_changes(self) -> frozenset[str]:
        """The tables that changed since this was asked last; DOCUMENT for the document."""
        changed, self._changed = frozenset(self._changed), set()
        return changed

    def merge(self, one: SiteVersion | Register) -> None:
        """Take in a version or register; raises ValueError if it cannot be one."""
        if isinstance(one, SiteVersion):
            self._add(one)
        else:
            self._put(one)

    def _add(self, version: SiteVersion) -> None:
        header = site_versions.header(version)
        if header.id in self.lineage:
            return
        lineage = Lineage([*self.lineage, header])
        kept = lineage.kept()
        if len(kept) < len(lineage):
            for gone in {one.id for one in lineage} - {one.id for one in kept}:
                self._db.execute("DELETE FROM site WHERE id=?", (gone,))
            lineage = Lineage(kept)
        self.lineage = lineage
        if header.id in lineage:
            self._db.execute(
                "INSERT INTO site(id, header, version) VALUES(?,?,?)",
                (header.id, _encode(header), _encode(version)),
            )
            self._changed.add(DOCUMENT)

    def _put(self, new: Register) -> None:
        known = self.register(new.table, new.key)
        if known is not None and registers.merged(known, new) == known:
            return
        self._db.execute(
            "INSERT OR REPLACE INTO register(name, key, register) VALUES(?,?,?)",
            (new.table, new.key, _encode(new)),
        )
        self._registers = True
        self._changed.add(new.table)
