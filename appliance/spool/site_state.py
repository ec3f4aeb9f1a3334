"""What the versions of the site come to: the settings in force, and what keeps others from it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from appliance.config import ConfigError, Problem
from appliance.config.site import SiteSettings
from appliance.config.site_document import decoded, in_force
from appliance.replica.site_versions import Header, Lineage
from appliance.spool.site import SiteTables

Check = Callable[[SiteSettings], object]
"""Raises ValueError for settings that are sound, but not for this node."""


@dataclass(frozen=True)
class SiteState:
    """`settings` are those of `applied`, with what branches forbid; None if nothing can be read.

    `applied` is the head, or the last version before it that this release can read and this node
    can use: then `problem` says why.
    """

    head: Header | None
    branches: tuple[Header, ...]
    applied: Header | None
    settings: SiteSettings | None
    problem: str = ""


def name_of(version: Header) -> str:
    """A version as people are told of it."""
    return f"version {version.number} ({version.id.hex()[:10]})"


def site_state(tables: SiteTables, lineage: Lineage, check: Check) -> SiteState:
    """The state of the site in one reading transaction."""
    head, problem = lineage.head, ""
    if head is None:
        return SiteState(None, (), None, None)
    branches = list[SiteSettings]()
    for branch in lineage.branches:
        with suppress(ConfigError):  # a branch that cannot be read forbids nothing
            branches.append(_settings(tables, branch))
    for version in lineage.line(head.id):
        try:
            found = in_force(_settings(tables, version), branches)
            settings = usable(found, name_of(version), check)
        except ConfigError as error:
            problem = problem or str(error)
            continue
        return SiteState(head, lineage.branches, version, settings, problem)
    return SiteState(head, lineage.branches, None, None, problem)


def usable(settings: SiteSettings, name: str, check: Check) -> SiteSettings:
    """The settings of what is called `name`; raises ConfigError if this node cannot use them."""
    try:
        check(settings)
    except ValueError as error:
        raise ConfigError([Problem(name, "", str(error))]) from None
    return settings


def _settings(tables: SiteTables, version: Header) -> SiteSettings:
    return decoded(tables.version(version.id).document, name_of(version))
