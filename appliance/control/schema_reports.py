"""The control API's messages about reports."""

from __future__ import annotations

import msgspec


class ReportView(msgspec.Struct, frozen=True, kw_only=True):
    """A report that is kept on the node; `at` in milliseconds since 1970, `size` of both files."""

    name: str
    at: int
    size: int


class Reports(msgspec.Struct, frozen=True):
    """The reports that are kept, the newest first."""

    reports: tuple[ReportView, ...]


class ReportRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Make a report; `redact`: with pseudonyms for names and addresses."""

    redact: bool = False


class ReportFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A report as two signed files, `name`.html and `name`.json."""

    name: str
    page: str
    json: str


class ReportKey(msgspec.Struct, frozen=True):
    """The public key that verifies this node's reports, as one line of text."""

    key: str


class Revealed(msgspec.Struct, frozen=True):
    """What a pseudonym stands for."""

    pseudonym: str
    name: str
