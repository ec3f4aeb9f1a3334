"""Settings as plain values, the way they would stand in TOML or JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec.structs import FieldInfo

from appliance.config.units import Duration, Size


def plain(value: object) -> object:
    """A setting, or a whole document of them, without any type of ours."""
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.asdict(value)
        return {name: plain(inner) for name, inner in fields.items() if inner is not None}
    return _plain(value, plain)


def sparse(value: object) -> object:
    """Like `plain`, without what is as it would be if nobody had said anything."""
    if not isinstance(value, msgspec.Struct):
        return _plain(value, sparse)
    said = {}
    for field in msgspec.structs.fields(value):
        inner = getattr(value, field.name)
        if field.required or inner != _default(field):
            said[field.encode_name] = sparse(inner)
    return said


def _default(field: FieldInfo) -> object:
    made = field.default_factory
    return field.default if made is msgspec.NODEFAULT else made()


def _plain(value: object, inside: Callable[[object], object]) -> object:
    if isinstance(value, Mapping):
        return {str(name): inside(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [inside(inner) for inner in value]
    if isinstance(value, Duration | Size | str):
        return str(value)
    return value
