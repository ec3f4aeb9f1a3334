"""The site's document: how settings are written into a version and read back, and compared.

To add a table to the document: a frozen struct in a module of its own, with a default for every
field and checks in `__post_init__` (raise `Wrong`); a field of it in `SiteSettings`; its rows in
docs/settings.md. Nothing else: import, export, diff and history know it then, an unknown key names
the nearest, and every process gets it in `Site.current`. What is not set is not written, so a
document that does not use the new table still suits a peer that does not know it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from appliance.config import toml
from appliance.config.document import ConfigError, Problem, checked, spell
from appliance.config.plain import sparse
from appliance.config.site import SiteSettings, User
from appliance.decoding import from_json

MAX_DOCUMENT = 4 << 20
"""Bytes."""


class Change(msgspec.Struct, frozen=True):
    """One setting that differs: its key as "users.bob.mailbox", its values as TOML.

    None: it is not set there.
    """

    key: str
    before: str | None
    after: str | None


def encoded(site: SiteSettings) -> bytes:
    """The canonical document: JSON, keys sorted, nothing that is as it would be anyway."""
    return msgspec.json.encode(sparse(site), order="sorted")


def decoded(document: bytes, name: str) -> SiteSettings:
    """The settings in a document called `name`; raises ConfigError."""
    return checked(raw(document, name), SiteSettings, name)


def raw(document: bytes, name: str) -> dict[str, object]:
    """A document's plain values, whether or not they are settings; raises ConfigError."""
    try:
        return from_json(document, dict[str, object])
    except msgspec.DecodeError as error:
        raise ConfigError([Problem(name, "", f"is no document: {error}")]) from None


def exported(site: SiteSettings) -> str:
    """The settings as TOML, for people to change and import."""
    said = sparse(site)
    assert isinstance(said, dict)
    return toml.written(said)


def in_force(head: SiteSettings, branches: Iterable[SiteSettings]) -> SiteSettings:
    """What applies: the head, with whatever the branches forbid (rule 10).

    A user who was disabled on either side of a split stays so until an operator settles it.
    """
    disabled = {name for one in branches for name, user in one.users.items() if user.disabled}
    users = {
        name: _disabled(user) if name in disabled else user for name, user in head.users.items()
    }
    return head if users == head.users else msgspec.structs.replace(head, users=users)


def _disabled(user: User) -> User:
    return msgspec.structs.replace(user, disabled=True)


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[Change, ...]:
    """What differs between two documents' plain values, by key."""
    old, new = dict(_flat((), before)), dict(_flat((), after))
    return tuple(
        Change(spell(key), old.get(key), new.get(key))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    )


def _flat(path: tuple[str, ...], value: object) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat((*path, name), inner)
    elif path:
        yield path, toml.value(value)
