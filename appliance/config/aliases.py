"""Addresses in settings: aliases, and what users may send as."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from appliance.config.units import Hostname, Wrong
from appliance.mail.address import canonical, domain_key, parse_address
from appliance.mail.aliases import followed
from appliance.mail.reply import Refused
from appliance.mail.route import Bounce, Routes

_HINT = 'write "user@example.org"'


def address_of(key: str, text: str) -> str:
    """The canonical address that the setting `key` names; raises Wrong."""
    return canonical(_checked(key, text))


def _checked(key: str, text: str) -> str:
    try:
        return parse_address(text)
    except Refused as error:
        raise Wrong(f"{key}: {text!r}: {error.reply.text}", _HINT) from None


def right(key: str, text: str) -> str:
    """What somebody may send as: an address, "@domain" or "*"; raises Wrong."""
    if text == "*":
        return text
    if text.startswith("@"):
        return f"@{Hostname.parse(text[1:])}"
    return address_of(key, text)


def expansion(
    aliases: Mapping[str, Sequence[str]], users: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Canonical address of each alias → the addresses at its end; `users` have one. Raises Wrong.

    Foreign addresses stay as they are written: only their owner knows what is the same.
    """
    table: dict[str, tuple[str, ...]] = {}
    for written, targets in aliases.items():
        key = f"aliases.{written}"
        if not targets:
            raise Wrong(f"{key}: nobody is behind it", "an alias needs an address or a user")
        alias = address_of("aliases", written)
        if alias in table:
            raise Wrong(f"{key}: there is another spelling of this address")
        table[alias] = tuple(_target(key, target, users) for target in targets)
    try:
        return followed(table)
    except ValueError as error:
        raise Wrong(f"aliases: {error}") from None


def _target(key: str, text: str, users: Mapping[str, str]) -> str:
    if "@" in text:
        return _checked(key, text)
    address = users.get(text)
    if address is None:
        raise Wrong(f"{key}: there is no user {text!r}", _HINT)
    if not address:
        raise Wrong(f"{key}: the user {text!r} has no address")
    return address


def check_aliases(
    table: Mapping[str, Sequence[str]], routes: Routes, domains: Collection[str], outside: bool
) -> None:
    """Raises Wrong for an alias that could not be served."""
    for alias, targets in table.items():
        key = f"aliases.{alias}"
        if domain_key(alias) not in domains:
            known = " or ".join(f"@{domain}" for domain in domains)
            raise Wrong(
                f"{key}: it is in none of the site's domains", f"an alias here ends in {known}"
            )
        for target in targets:
            if domain_key(target) not in domains:
                if not outside:
                    hint = "relay.aliases = true lets aliases lead outside"
                    raise Wrong(f"{key}: {target!r} is not of this site", hint)
            elif isinstance(routes.resolve(target).transport, Bounce):
                raise Wrong(f"{key}: there is nobody at {target!r}")
