"""What is in a backup: a manifest, then the frames of a snapshot."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from appliance.backup.sealed import BadBackup
from appliance.decoding import from_json


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The first item: the node it was, and its settings as they stood in its files."""

    node: str
    node_toml: str
    site_toml: str = ""


def encoded(manifest: Manifest) -> bytes:
    """The first item."""
    return msgspec.json.encode(manifest)


def manifest(items: Iterator[bytes]) -> Manifest:
    """Take the first item; raises BadBackup."""
    try:
        return from_json(next(items, b""), Manifest)
    except msgspec.DecodeError as error:
        raise BadBackup(f"it has no manifest: {error}") from None
