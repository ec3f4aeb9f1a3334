"""Changes of users and aliases in the site's document, which is made of plain values here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

from appliance.control.http import BadRequest
from appliance.control.schema import AliasView, NewUser
from appliance.mail.address import canonical
from appliance.mail.reply import Refused, Reply

Document = dict[str, Any]


def with_users(document: Document, users: Iterable[NewUser]) -> Document:
    """Raises Refused if one of them is there."""
    changed = deepcopy(document)
    table = changed.setdefault("users", {})
    for user in users:
        if user.name in table:
            raise _refused(f"there is a user {user.name} already", "nothing was changed")
        said: Document = {"mailbox": user.mailbox} if user.mailbox else {}
        if user.addresses is not None:
            said["addresses"] = list(user.addresses)
        if user.may_send_as:
            said["may_send_as"] = list(user.may_send_as)
        table[user.name] = said
    return changed


def without_user(document: Document, name: str) -> Document:
    """Raises LookupError."""
    changed = deepcopy(document)
    _user(changed, name)
    del changed["users"][name]
    return changed


def enabled(document: Document, name: str) -> Document:
    """The user may log in, as far as the document is asked; raises LookupError."""
    changed = deepcopy(document)
    _user(changed, name).pop("disabled", None)
    return changed


def with_aliases(document: Document, aliases: Sequence[AliasView], replace: bool) -> Document:
    """Raises Refused if one of them is there, and is not to be replaced."""
    changed = deepcopy(document)
    table = changed.setdefault("aliases", {})
    for alias in aliases:
        if not alias.to:
            raise BadRequest(f"nobody is behind {alias.address}", "name an address or a user")
        known = _spelling(table, alias.address)
        if known is not None and not replace:
            raise _refused(f"there is an alias {known} already", "remove or replace it")
        table[known or alias.address] = list(alias.to)
    return changed


def without_alias(document: Document, address: str) -> Document:
    """Raises LookupError."""
    changed = deepcopy(document)
    known = _spelling(changed.get("aliases", {}), address)
    if known is None:
        raise LookupError(f"there is no alias {address}")
    del changed["aliases"][known]
    return changed


def _user(document: Document, name: str) -> Document:
    try:
        found: Document = document.get("users", {})[name]
    except KeyError:
        raise LookupError(f"there is no user {name}") from None
    return found


def _spelling(table: Iterable[str], address: str) -> str | None:
    wanted = canonical(address)
    return next((one for one in table if canonical(one) == wanted), None)


def _refused(what: str, hint: str) -> Refused:
    return Refused(Reply(450, "4.3.0", what), hint)
