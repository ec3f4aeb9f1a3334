"""Reads a TOML document into a frozen, typed value, or says all that is wrong with it."""

from __future__ import annotations

import difflib
import re
import tomllib
import types
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from appliance.config.units import UNITS, Unit, Wrong
from appliance.decoding import learned

T = TypeVar("T")
Key = tuple[str | int, ...]


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong: `key` as "smtp.listen[0]" ("" for the whole file), `line` if known."""

    file: str
    key: str
    what: str
    hint: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f"{self.key}: " if self.key else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}: {key}{self.what}{hint}"


class ConfigError(Exception):
    """A settings file that cannot be used; `problems` holds at least one entry."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def read(path: Path, wanted: type[T]) -> T:
    """The document at `path` as `wanted` (a msgspec Struct); raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _failure(
            path, "there is no such file", "name the data directory with --data"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _failure(path, f"cannot be read: {error}", "check owner, mode and UTF-8") from None
    return parse(text, wanted, str(path))


def parse(text: str, wanted: type[T], name: str) -> T:
    """Like `read`, for the text of a document called `name`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        number = int(line[1]) if line else None
        raise ConfigError([Problem(name, "", f"is not TOML: {error}", line=number)]) from None
    return checked(document, wanted, name, text)


def checked(document: object, wanted: type[T], name: str, text: str = "") -> T:
    """A document of plain values as `wanted`; `text` is where its lines are numbered.

    Raises ConfigError.
    """
    wrong = _check(wanted, document, ())
    if wrong:
        raise ConfigError(
            [Problem(name, spell(key), what, hint, line_of(text, key)) for key, what, hint in wrong]
        )
    return convert(document, wanted)


def convert(value: object, wanted: type[T]) -> T:
    """`value` of plain dicts, lists and scalars as `wanted`; raises msgspec.ValidationError."""
    learned(wanted)
    return msgspec.convert(value, wanted, dec_hook=_unit)


def _unit(wanted: type[Any], value: object) -> Unit:
    return UNITS[UNITS.index(wanted)].parse(value)


def _failure(path: Path, what: str, hint: str) -> ConfigError:
    return ConfigError([Problem(str(path), "", what, hint)])


def _check(wanted: Any, value: object, key: Key) -> list[tuple[Key, str, str]]:
    """Everything wrong with `value`: (key, what, hint), each at the innermost part that fails."""
    inside = list(_unknown_keys(wanted, value, key))
    for part, part_value, part_wanted in _parts(wanted, value):
        inside += _check(part_wanted, part_value, (*key, part))
    if inside:
        return inside
    try:
        convert(value, wanted)
    except msgspec.ValidationError as error:
        what = re.sub(r" - at `[^`]*`$", "", str(error)).replace("Object missing", "missing")
        hint = (
            error.__cause__.hint if isinstance(error.__cause__, Wrong) else _choice(wanted, value)
        )
        return [(key, what[:1].lower() + what[1:], hint)]
    return []


def _unknown_keys(wanted: Any, value: object, key: Key) -> Iterator[tuple[Key, str, str]]:
    fields = _fields(wanted)
    if fields is None or not isinstance(value, dict):
        return
    for name in value:
        if name not in fields:
            yield (*key, name), "unknown key", _nearest(str(name), fields)


def _choice(wanted: Any, value: object) -> str:
    """What could be meant where there are some words to choose from."""
    wanted = _struct_or_collection(wanted)
    if typing.get_origin(wanted) is not typing.Literal:
        return ""
    return _nearest(str(value), [str(one) for one in typing.get_args(wanted)])


def _nearest(written: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(written, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"


def _parts(wanted: Any, value: object) -> Iterator[tuple[str | int, object, Any]]:
    """The parts of `value` with the type each must have."""
    wanted = _struct_or_collection(wanted)
    fields = _fields(wanted)
    if isinstance(value, dict):
        if fields is not None:
            yield from ((name, value[name], fields[name]) for name in value if name in fields)
        elif typing.get_origin(wanted) in (dict, Mapping):
            part = typing.get_args(wanted)[1]
            yield from ((name, value[name], part) for name in value)
    elif isinstance(value, list) and typing.get_origin(wanted) is tuple:
        part = typing.get_args(wanted)[0]
        yield from ((index, item, part) for index, item in enumerate(value))


def _struct_or_collection(wanted: Any) -> Any:
    """`X | None` as X: None cannot be written in TOML."""
    if typing.get_origin(wanted) in (types.UnionType, typing.Union):
        members = [one for one in typing.get_args(wanted) if one is not type(None)]
        return members[0] if len(members) == 1 else wanted
    return wanted


def _fields(wanted: Any) -> dict[str, Any] | None:
    """Field names and types of a Struct, None for any other type."""
    wanted = _struct_or_collection(wanted)
    if not (isinstance(wanted, type) and issubclass(wanted, msgspec.Struct)):
        return None
    return {field.encode_name: field.type for field in msgspec.structs.fields(wanted)}


def spell(key: Key) -> str:
    """("smtp", "listen", 0) as "smtp.listen[0]"."""
    spelled = ""
    for part in key:
        if isinstance(part, int):
            spelled += f"[{part}]"
        else:
            bare = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"'
            spelled += f".{bare}" if spelled else bare
    return spelled


_HEADER = re.compile(r"\s*\[\[?\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_NAME = r"""(?:"[^"]*"|'[^']*'|[\w-]+)"""
_ASSIGNMENT = re.compile(rf"\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*=")
_PART = re.compile(r""""([^"]*)"|'([^']*)'|([\w-]+)""")


def line_of(text: str, key: Key) -> int | None:
    """The line that sets `key`, or the nearest table round it; None if neither is found.

    A scan of headers and assignments: lines inside multi-line strings may mislead it, and
    a wrong line number is all that would come of it.
    """
    wanted = [part for part in key if isinstance(part, str)]
    table: list[str] = []
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        assignment = None if header else _ASSIGNMENT.match(line)
        if header:
            table = here = _path(header[1])
        elif assignment:
            here = table + _path(assignment[1])
        else:
            continue
        if here == wanted[: len(here)] and (best is None or len(here) > best[0]):
            best = len(here), number
    return best[1] if best else None


def _path(dotted: str) -> list[str]:
    return ["".join(groups) for groups in _PART.findall(dotted)]
