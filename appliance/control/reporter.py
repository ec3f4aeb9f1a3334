"""Makes reports: asks both nodes, puts together, redacts, signs; keeps the weekly ones."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.config.node import NodeSettings
from appliance.config.site import SiteSettings
from appliance.control.report_content import Frame, content
from appliance.control.report_seen import Ask, Seen, see
from appliance.control.report_settings import words
from appliance.control.schema_reports import ReportFiles, ReportView
from appliance.report.content import Report
from appliance.report.page import page
from appliance.report.pseudonyms import Redactor
from appliance.report.signature import key_id, signed_json, signed_page

KEPT = 26
"""Weekly reports: half a year."""
_MINUTE = 60_000
_DAY = 86_400_000
_USUAL, _SHORTEST, _LONGEST = 7 * _DAY, _DAY, 60 * _DAY
_NAME = re.compile(r"twinpost-report-(?P<node>[a-z0-9._-]+)-(?P<at>[0-9]{8}T[0-9]{6}Z)")


class Keys(Protocol):
    """What signs reports and makes pseudonyms; never leaves the node. Raises OSError."""

    def signing(self) -> Ed25519PrivateKey: ...
    def pseudonyms(self) -> bytes:
        """The key of the pseudonyms."""

    def remember(self, used: Mapping[str, str]) -> None:
        """Keep what pseudonyms stand for."""

    def reveal(self, pseudonym: str) -> str | None:
        """What one stands for."""


class Reporter:
    """`own` and `peer` ask the nodes, `peer` None where there is none; `folder` keeps reports."""

    def __init__(
        self,
        node: NodeSettings,
        release: str,
        own: Ask,
        peer: Ask | None,
        site: Callable[[], SiteSettings],
        keys: Keys,
        folder: Path,
        wall: Callable[[], int],
    ) -> None:
        self._node = node
        self._release = release
        self._own = own
        self._peer = peer
        self._site = site
        self.keys = keys
        self._folder = folder
        self._wall = wall

    async def make(self, redact: bool) -> ReportFiles:
        """A report of now; raises OSError."""
        at = self._wall()
        since = at - self._period(at)
        own = await see(self._own, str(self._node.name), (at - since) // _MINUTE, since)
        nodes = [own]
        if self._peer is not None:
            nodes.append(await see(self._peer, "the other node", own.minutes, since))
        return await asyncio.to_thread(self._made, nodes, at, since, redact)

    def _made(self, nodes: Sequence[Seen], at: int, since: int, redact: bool) -> ReportFiles:
        signing = self.keys.signing()
        frame = Frame(
            node=self._node,
            release=self._release,
            key=key_id(signing.public_key()),
            at=at,
            since=since,
            redacted=redact,
        )
        report = content(frame, nodes)
        if redact:
            report = self._redacted(report, nodes)
        return ReportFiles(
            name=f"twinpost-report-{report.node}-{_stamp(at)}",
            page=signed_page(page(report), signing).decode(),
            json=signed_json(msgspec.json.encode(report), signing).decode(),
        )

    def _redacted(self, report: Report, nodes: Sequence[Seen]) -> Report:
        redactor = Redactor(self.keys.pseudonyms(), self._names(nodes), words().__contains__)
        redacted = redactor.value(report)
        self.keys.remember(redactor.used)
        return redacted

    def _names(self, nodes: Sequence[Seen]) -> Mapping[str, str]:
        """The names that are known, and of what they are."""
        site = self._site()
        names = {str(domain): "host" for domain in site.domains}
        names |= {str(self._node.hostname): "host", **{str(user): "user" for user in site.users}}
        for one in nodes:
            names[one.name] = "host"
            if one.status is not None:
                names[one.status.hostname] = "host"
            boxes = one.mailboxes.mailboxes if one.mailboxes else ()
            names |= {box.name: "user" for box in boxes}
            names |= {run.by: "user" for run in one.runs if run.by}
        return names

    def _period(self, at: int) -> int:
        """Since the last weekly report, if that can be."""
        kept = self.kept()
        if not kept:
            return _USUAL
        away = at - kept[0].at
        return away if _SHORTEST <= away <= _LONGEST else _USUAL

    # The weekly ones.

    async def weekly(self) -> str:
        """Make one and keep it; raises OSError."""
        made = await self.make(redact=False)
        return await asyncio.to_thread(self._keep, made)

    def _keep(self, made: ReportFiles) -> str:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        # The page last: it is what counts as a report.
        for suffix, text in ((".json", made.json), (".html", made.page)):
            path = self._folder / f"{made.name}{suffix}"
            part = path.with_name(f".{path.name}.part")
            with open(part, "w", encoding="utf-8", opener=_private) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        for old in self.kept()[KEPT:]:
            for suffix in (".html", ".json"):
                (self._folder / f"{old.name}{suffix}").unlink(missing_ok=True)
        return f"{made.name}.html"

    def kept(self) -> Sequence[ReportView]:
        """The reports that are kept, the newest first."""
        found = []
        with suppress(FileNotFoundError):
            for path in self._folder.glob("*.html"):
                if matched := _NAME.fullmatch(path.stem):
                    json = path.with_suffix(".json")
                    size = path.stat().st_size + (json.stat().st_size if json.exists() else 0)
                    found.append(ReportView(name=path.stem, at=_at(matched["at"]), size=size))
        return sorted(found, key=lambda one: one.name, reverse=True)

    def read(self, name: str) -> ReportFiles:
        """One that is kept; raises LookupError, OSError."""
        if not _NAME.fullmatch(name):
            raise LookupError(f"{name!r} is no report")
        try:
            page_text = (self._folder / f"{name}.html").read_text(encoding="utf-8")
            json = (self._folder / f"{name}.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            raise LookupError(f"there is no report {name}") from None
        return ReportFiles(name=name, page=page_text, json=json)


def _stamp(at: int) -> str:
    """A moment as a part of a file's name; what no calendar has as its beginning."""
    try:
        return f"{datetime.fromtimestamp(at / 1000, UTC):%Y%m%dT%H%M%SZ}"
    except (OverflowError, OSError, ValueError):
        return "19700101T000000Z"


def _at(stamp: str) -> int:
    try:
        return int(datetime.strptime(stamp + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp() * 1000)
    except ValueError:
        return 0


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
