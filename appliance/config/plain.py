"""Settings as plain values, the way they would stand in TOML or JSON."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from appliance.config.units import Duration, Size


def plain(value: object) -> object:
    """A setting, or a whole document of them, without any type of ours."""
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.asdict(value)
        return {name: plain(inner) for name, inner in fields.items() if inner is not None}
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [plain(inner) for inner in value]
    if isinstance(value, Duration | Size | str):
        return str(value)
    return value
