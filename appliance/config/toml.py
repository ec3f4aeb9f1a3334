"""Writes plain values as TOML that `document.parse` reads back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def written(document: Mapping[str, object]) -> str:
    """The document as text; raises TypeError for a value that TOML does not have."""
    return "\n".join(_table((), document)).lstrip("\n") + "\n"


def value(one: object) -> str:
    """A value as it stands behind "="; tables inline."""
    if isinstance(one, bool):
        return "true" if one else "false"
    if isinstance(one, int | float):
        return repr(one)
    if isinstance(one, str):
        # A basic string of TOML is one of JSON, but for DEL; and nothing in it steers a terminal.
        text = json.dumps(one, ensure_ascii=False)
        return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)
    if isinstance(one, list):
        return f"[{', '.join(map(value, one))}]"
    if isinstance(one, Mapping):
        inside = ", ".join(f"{key(name)} = {value(inner)}" for name, inner in one.items())
        return f"{{ {inside} }}" if inside else "{}"
    raise TypeError(f"TOML has no {type(one).__name__}")


def key(name: str) -> str:
    """A key, in quotes if it needs them."""
    return name if _BARE.fullmatch(name) else value(name)


def _table(path: tuple[str, ...], table: Mapping[str, object]) -> Iterator[str]:
    """Plain settings first: behind the header of an inner table they would be that table's."""
    inner = {name: one for name, one in table.items() if isinstance(one, Mapping)}
    own = {name: one for name, one in table.items() if name not in inner}
    if path and (own or not inner):
        yield f"\n[{'.'.join(map(key, path))}]"
    for name, one in own.items():
        yield f"{key(name)} = {value(one)}"
    for name, one in inner.items():
        yield from _table((*path, name), one)
