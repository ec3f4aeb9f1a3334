"""The control API's messages about the site as text that people change."""

from __future__ import annotations

import msgspec


class SiteText(msgspec.Struct, frozen=True, kw_only=True):
    """The site in force as TOML; `parent` is the version that a change of it is made from."""

    text: str
    parent: str


class CheckSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A site as TOML, to be checked and compared; nothing is changed."""

    text: str


class SettingChange(msgspec.Struct, frozen=True, kw_only=True):
    """One setting that differs: its values as TOML, null where it is not set."""

    key: str
    before: str | None
    after: str | None


class SiteDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A document that could become the site, and what it would change; `parent` as in SiteText."""

    document: dict[str, object]
    changes: tuple[SettingChange, ...]
    parent: str
