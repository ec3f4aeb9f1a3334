"""A new password that a user has chosen: what it has to be."""

from __future__ import annotations

from appliance.identity.credential import BadPassword, prepared

_LEAST_BESIDE_NAME = 4
"""Characters."""


def check(name: str, old: str, new: str) -> None:
    """Raise BadPassword with a sentence for the user; says nothing of whether `old` is right."""
    chosen = prepared(new)
    if new == old:
        raise BadPassword("the new password is the old one")
    folded = chosen.casefold()
    if name and len(folded.replace(name.casefold(), "")) < _LEAST_BESIDE_NAME:
        raise BadPassword("the new password is little more than your name")
    if len(set(folded)) <= 2:
        raise BadPassword("the new password is the same character again and again")
