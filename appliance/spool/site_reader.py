"""Reads the site for whoever does not write the spool: other processes, and people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec

from appliance.config import ConfigError, load_site
from appliance.config.plain import sparse
from appliance.config.site import SiteSettings
from appliance.config.site_document import raw
from appliance.mail.views import SiteDocument, SiteVersionView, SiteView, Unavailable
from appliance.replica.site_versions import Header, Lineage
from appliance.spool.schema import VERSION, open_reader
from appliance.spool.site import SiteTables
from appliance.spool.site_state import Check, SiteState, name_of, site_state, usable

_LEAST_PREFIX = 4


class SiteReader:
    """The site in the folder `spool`; as long as there is no version, `site_toml` says it all.

    `check` raises ValueError for settings that this node cannot use.

    Opens the database for each call: it is asked when something changed, or by people. For one
    thread at a time. Every method raises `mail.views.Unavailable`.
    """

    def __init__(self, spool: Path, site_toml: Path, check: Check) -> None:
        self._path = spool / "spool.db"
        self._site_toml = site_toml
        self._check = check

    def state(self) -> SiteState:
        """What the versions come to."""
        with self._reading() as tables:
            return site_state(tables, Lineage(tables.headers()), self._check)

    def file(self) -> SiteSettings:
        """What site.toml says; raises ConfigError."""
        return usable(load_site(self._site_toml), str(self._site_toml), self._check)

    def table(self, name: str) -> Mapping[str, bytes]:
        """The registers of a table that are not deleted."""
        with self._reading() as tables:
            return tables.table(name)

    # For people. `names` are those of nodes, by their ids in hex.

    def view(self, names: Mapping[str, str]) -> SiteView:
        """The site as it is."""
        with self._reading() as tables:
            lineage = Lineage(tables.headers())
            state = site_state(tables, lineage, self._check)
        try:
            settings = state.settings or self.file()
        except ConfigError as error:
            raise Unavailable(str(error)) from None
        document = sparse(settings)
        assert isinstance(document, dict)
        return SiteView(
            head=_view(state.head, lineage, names) if state.head else None,
            applied=state.applied.id.hex() if state.applied else "",
            problem=state.problem,
            branches=tuple(_view(one, lineage, names) for one in state.branches),
            document=document,
            file_differs=state.head is not None and self._file_differs(settings),
        )

    def history(self, names: Mapping[str, str]) -> tuple[SiteVersionView, ...]:
        """Every version that is kept, the strongest first."""
        with self._reading() as tables:
            lineage = Lineage(tables.headers())
            return tuple(_view(one, lineage, names) for one in lineage)

    def version(self, wanted: str, names: Mapping[str, str]) -> SiteDocument:
        """A version by "head", number, or the beginning of its id; raises LookupError."""
        with self._reading() as tables:
            lineage = Lineage(tables.headers())
            found = _find(lineage, wanted)
            document = tables.version(found.id).document
        try:
            values = raw(document, name_of(found))
        except ConfigError as error:
            raise Unavailable(str(error)) from None
        return SiteDocument(version=_view(found, lineage, names), document=values)

    def _file_differs(self, settings: SiteSettings) -> bool:
        try:
            return self.file() != settings
        except ConfigError:
            return True

    @contextmanager
    def _reading(self) -> Iterator[SiteTables]:
        if not self._path.exists():
            raise Unavailable("there is no spool yet")
        try:
            db = open_reader(str(self._path))
            try:
                if db.pragma("user_version") != VERSION:
                    raise Unavailable("the spool is not yet, or no more, of this release")
                db.execute("BEGIN")
                yield SiteTables(db)
            finally:
                db.close()
        except (apsw.Error, msgspec.DecodeError) as error:
            raise Unavailable(f"the site cannot be read: {error}") from error


def _find(lineage: Lineage, wanted: str) -> Header:
    if wanted == "head" and lineage.head:
        return lineage.head
    number = wanted.isascii() and wanted.isdecimal()
    found = [one for one in lineage if number and one.number == int(wanted)]
    if not found and len(wanted) >= _LEAST_PREFIX:
        found = [one for one in lineage if one.id.hex().startswith(wanted.lower())]
    if not found:
        raise LookupError(f"there is no version {wanted!r} of the site")
    if len(found) > 1:
        raise LookupError(f"{wanted!r} may be {' or '.join(map(name_of, found))}: name its id")
    return found[0]


def _view(one: Header, lineage: Lineage, names: Mapping[str, str]) -> SiteVersionView:
    standing = "head" if one == lineage.head else "branch" if one in lineage.branches else ""
    node = one.node.hex()
    return SiteVersionView(
        id=one.id.hex(),
        number=one.number,
        parent=one.parent.hex(),
        author=one.author,
        at=one.at,
        node=names.get(node, node),
        comment=one.comment,
        size=one.size,
        settles=tuple(settled.hex() for settled in one.settles),
        standing=standing,
    )
