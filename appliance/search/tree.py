"""What is asked for, as a tree."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.search.catalogue import Kind, State


@dataclass(frozen=True)
class Word:
    """A word in a field, in any if None."""

    field: str | None
    word: str


@dataclass(frozen=True)
class Prefix:
    """Words that begin like this."""

    field: str | None
    prefix: str


@dataclass(frozen=True)
class Phrase:
    """Words one behind the other in one field."""

    field: str | None
    words: tuple[str, ...]


@dataclass(frozen=True)
class Named:
    """An address or Message-ID, as a whole; looked up in the catalogue."""

    kind: Kind
    name: str


@dataclass(frozen=True)
class Identity:
    """A queue id or a Message-ID."""

    text: str


@dataclass(frozen=True)
class Received:
    """Accepted at `start` ≤ time < `end`, wall-clock milliseconds; None: no bound."""

    start: int | None
    end: int | None


@dataclass(frozen=True)
class Standing:
    """At least one recipient stands so."""

    states: State


@dataclass(frozen=True)
class And:
    """All of them."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    """At least one of them."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    """Not that."""

    part: Node


Node = Word | Prefix | Phrase | Named | Identity | Received | Standing | And | Or | Not


def meant(node: Node) -> list[tuple[str, bool]]:
    """The words that a hit may show, and whether each is only a beginning."""
    match node:
        case Word():
            return [(node.word, False)]
        case Prefix():
            return [(node.prefix, True)]
        case Phrase():
            return [(word, False) for word in node.words]
        case And() | Or():
            return [word for part in node.parts for word in meant(part)]
    return []
