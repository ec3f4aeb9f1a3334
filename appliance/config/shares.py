"""What operators gave the balanced servers: registers of both nodes, by the server's name."""

from __future__ import annotations

import msgspec

from appliance.config.balance import Weight
from appliance.decoding import from_json

TABLE = "balance"
"""The registers' table."""


class Share(msgspec.Struct, frozen=True, omit_defaults=True):
    """Another weight than node.toml's, if any; whether it is drained. `by` says for the log who."""

    weight: Weight | None = None
    draining: bool = False
    by: str = ""


def share(value: bytes | None) -> Share:
    """A register's value; without one, or if it is not understood, node.toml alone counts."""
    if value is None:
        return Share()
    try:
        return from_json(value, Share)
    except msgspec.DecodeError:  # ValidationError, too
        return Share()


def written(share: Share) -> bytes | None:
    """The register's value; None, it is to be deleted, if it says nothing."""
    if share.weight is None and not share.draining:
        return None
    return msgspec.json.encode(share)
