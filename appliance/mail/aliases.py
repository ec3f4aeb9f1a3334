"""Aliases: addresses that stand for others (RFC 5321 §3.9.1). Expanded once, when mail comes in.

They are followed to their ends when the settings are read: what could not be followed is refused
there, so that nothing can go round in circles, or grow, when mail arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from appliance.mail import xtext
from appliance.mail.address import canonical
from appliance.mail.envelope import Recipient

MAX_DEPTH = 10
"""Aliases that lead to one another."""
MAX_ADDRESSES = 1000
"""Addresses behind one alias, in the end."""


class Aliases:
    """`table`: canonical address → the addresses that it stands for, none of them an alias."""

    def __init__(self, table: Mapping[str, Sequence[str]]) -> None:
        self._table = table

    def targets(self, address: str) -> Sequence[str]:
        """The addresses behind `address`; none if it is no alias."""
        return self._table.get(canonical(address), ()) if self._table else ()

    def size(self, address: str) -> int:
        """How many recipients `address` comes to."""
        return len(self.targets(address)) or 1

    def expand(self, recipients: Iterable[Recipient]) -> tuple[Recipient, ...]:
        """Each alias replaced by what is behind it; nobody gets a message twice because of one.

        The sender's wishes go with it (RFC 3461 §5.2.7): NOTIFY is kept for everybody behind an
        alias, and reports name the address that the sender knows (ORCPT).
        """
        named = tuple(recipients)
        if not self._table:
            return named
        kept = [one for one in named if not self.targets(one.address)]
        seen = {canonical(one.address) for one in kept}
        for alias in named:
            for target in self.targets(alias.address):
                if canonical(target) not in seen:
                    seen.add(canonical(target))
                    kept.append(msgspec.structs.replace(_inherited(alias), address=target))
        return tuple(kept)


def _inherited(alias: Recipient) -> Recipient:
    if alias.orcpt is not None or not alias.address.isascii():
        return alias
    return msgspec.structs.replace(alias, orcpt=f"rfc822;{xtext.encode(alias.address)}")


def followed(table: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Each alias with the addresses at its end. All in `table` are canonical or foreign.

    An alias that names itself keeps a copy. Raises ValueError for a circle, and bounds.
    """
    done: dict[str, _Ends] = {}
    for alias in table:
        _follow(alias, table, done, ())
    return {alias: ends.addresses for alias, ends in done.items()}


class _Ends(msgspec.Struct, frozen=True):
    """What an alias comes to; `depth`: how many lead there, itself included."""

    addresses: tuple[str, ...]
    depth: int


def _follow(
    alias: str, table: Mapping[str, Sequence[str]], done: dict[str, _Ends], above: tuple[str, ...]
) -> _Ends:
    if alias in done:
        return done[alias]
    if alias in above:
        raise ValueError(f"{' → '.join((*above, alias))} goes in circles")
    found: dict[str, None] = {}
    depth = 1
    for target in table[alias]:
        key = canonical(target)
        if key not in table or key == alias:
            found[target] = None
            continue
        # Before it is followed: Python's stack ends sooner than a long line of aliases may.
        ends = _follow(key, table, done, (*above, alias)) if len(above) < MAX_DEPTH else None
        if ends is None or ends.depth >= MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} aliases lead to one another: {alias}, …")
        found.update(dict.fromkeys(ends.addresses))
        depth = max(depth, ends.depth + 1)
    if len(found) > MAX_ADDRESSES:
        raise ValueError(f"more than {MAX_ADDRESSES} addresses behind {alias}")
    done[alias] = _Ends(tuple(found), depth)
    return done[alias]
