"""What people ask for, as a tree: words, "phrases", prefix*, field: and AND OR NOT ( ).

A mistake is a `Mistake` with a hint. Words next to each other must all be there; NOT binds most
closely, then AND, then OR; `-word` is NOT word. Times are UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from appliance.search.catalogue import STATE_NAMES, Kind
from appliance.search.dates import NoDate, period
from appliance.search.tree import (
    And,
    Identity,
    Named,
    Node,
    Not,
    Or,
    Phrase,
    Prefix,
    Received,
    Standing,
    Word,
)
from appliance.search.words import words

LONGEST = 2000
_MOST_PARTS = 100
_DEPTH = 30
_SHORTEST_PREFIX = 2


class Mistake(ValueError):
    """The query cannot be meant like that; `hint` says what can."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


TEXT_FIELDS = ("subject", "from", "to", "body", "attachment")
FIELD_NAMES = (*TEXT_FIELDS, "id", "before", "after", "during", "is")
_KINDS = {"from": Kind.SENDER, "to": Kind.RECIPIENT}
_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")
_TOKEN = re.compile(
    r"""\s*(?:(\()|(\))|(-(?=[^\s)]))?(?:([^\s:"()]+):)?(?:"([^"]*)("?)|([^\s"()]*)))"""
)
_EXAMPLE = 'for example: from:anna subject:"tide tables" after:2026-10-01'


def parse(text: str, now: int) -> Node:
    """The tree of a query; `now` in wall-clock milliseconds. Raises Mistake."""
    if len(text) > LONGEST:
        raise Mistake(f"{len(text)} characters are too many", f"at most {LONGEST}")
    parser = _Parser(_tokens(text), now)
    node = parser.expression(None, 0)
    if parser.peek() is not None:
        raise Mistake('")" without "("', 'put text with parentheses in quotes: "(draft)"')
    return node


@dataclass(frozen=True)
class _Token:
    """`(`, `)`, AND, OR, NOT, or "" for a term; `open`: the value is what follows, in ( )."""

    sign: str
    field: str = ""
    value: str = ""
    quoted: bool = False


def _tokens(text: str) -> list[_Token]:
    tokens, at = list[_Token](), 0
    while at < len(text) and text[at:].strip():
        match = _TOKEN.match(text, at)
        assert match is not None  # every part of it may be empty
        opened, closed, minus, field, quoted, end, bare = match.groups()
        if match.end() == at:  # not reached: a character that fits nothing
            raise Mistake(f"cannot read {text[at : at + 10]!r}", _EXAMPLE)
        at = match.end()
        if quoted is not None and not end:
            raise Mistake("a quote is opened and not closed", 'end the phrase with another "')
        if opened or closed:
            tokens.append(_Token(opened or closed))
            continue
        if minus:
            tokens.append(_Token("NOT"))
            if field is None and quoted is None and not bare:
                continue  # a parenthesis follows
        if field is None and quoted is None and bare in ("AND", "OR", "NOT"):
            tokens.append(_Token(bare))
        else:
            tokens.append(_Token("", field or "", quoted if bare is None else bare, bare is None))
    if len(tokens) > 2 * _MOST_PARTS:
        raise Mistake("too many parts", f"at most {_MOST_PARTS}")
    return tokens


class _Parser:
    def __init__(self, tokens: Sequence[_Token], now: int) -> None:
        self._tokens = tokens
        self._at = 0
        self._now = now

    def peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _sign(self) -> str | None:
        token = self.peek()
        return token.sign if token else None

    def expression(self, field: str | None, depth: int) -> Node:
        """Parts joined by OR."""
        if depth > _DEPTH:
            raise Mistake("too many parentheses in one another", "ask in a simpler way")
        parts = [self._all(field, depth)]
        while self._sign() == "OR":
            self._at += 1
            parts.append(self._all(field, depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self, field: str | None, depth: int) -> Node:
        parts = [self._one(field, depth)]
        while (sign := self._sign()) is not None and sign not in ("OR", ")"):
            if sign == "AND":
                self._at += 1
            parts.append(self._one(field, depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self, field: str | None, depth: int) -> Node:
        token = self.peek()
        if token is None:
            if not self._at:
                raise Mistake("nothing is asked for", _EXAMPLE)
            before = self._tokens[self._at - 1].sign
            if before == "(":
                raise Mistake('"(" without ")"', "close the parenthesis")
            raise Mistake(f"nothing follows {before}", f'write "{before.lower()}" for the word')
        self._at += 1
        if token.sign == "NOT":
            if depth > _DEPTH:
                raise Mistake("too many NOT in a row", "one is enough")
            return Not(self._one(field, depth + 1))
        if token.sign == "(":
            return self._group(field, depth)
        if token.sign == ")":
            raise Mistake("nothing stands in front of )", 'put text with ")" in quotes')
        if token.sign:
            raise Mistake(
                f"nothing stands in front of {token.sign}",
                f'write "{token.sign.lower()}" in small letters for the word',
            )
        if token.field and not token.value and not token.quoted and self._sign() == "(":
            self._at += 1
            return self._group(_field(token.field, token), depth)
        return self._term(token, field)

    def _group(self, field: str | None, depth: int) -> Node:
        node = self.expression(field, depth + 1)
        if self._sign() != ")":
            raise Mistake('"(" without ")"', "close the parenthesis")
        self._at += 1
        return node

    def _term(self, token: _Token, field: str | None) -> Node:
        if token.field and not _is_field(token.field):
            if _looks_like_text(token):
                return _text(field, _Token("", "", f"{token.field}:{token.value}", token.quoted))
            raise _unknown(token)
        name = token.field.lower() or field
        if name is None or name in TEXT_FIELDS:
            return _text(name, token)
        if not token.value.strip():
            raise Mistake(f"nothing follows {name}:", _EXAMPLES[name])
        return _OTHERS[name](token.value.strip(), self._now)


def _is_field(name: str) -> bool:
    return name.lower() in FIELD_NAMES


def _field(name: str, token: _Token) -> str:
    if not _is_field(name):
        raise _unknown(token)
    return name.lower()


def _looks_like_text(token: _Token) -> bool:
    """http://…, 12:30, c:\\x: a colon inside a word, not a field."""
    return token.value.startswith(("/", "\\")) or not token.field.isalpha()


def _unknown(token: _Token) -> Mistake:
    near = get_close_matches(token.field.lower(), FIELD_NAMES, 1)
    known = ", ".join(f"{name}:" for name in FIELD_NAMES)
    hint = f"did you mean {near[0]}:?" if near else f"known: {known}"
    return Mistake(f"there is no field {token.field}:", f"{hint} (a colon in text: use quotes)")


def _text(field: str | None, token: _Token) -> Node:
    value = token.value
    if not token.quoted and field in _KINDS and _ADDRESS.fullmatch(value.strip("<>")):
        return Named(_KINDS[field], value.strip("<>").lower())
    if not token.quoted and "*" in value:
        return _prefix(field, value)
    found = words(value)
    if not found:
        if not value.strip():
            raise Mistake(f"nothing follows {field}:" if field else "an empty phrase", _EXAMPLE)
        raise Mistake(f"{value!r} has no letter and no digit", "only words can be searched for")
    return Word(field, found[0]) if len(found) == 1 else Phrase(field, tuple(found))


def _prefix(field: str | None, value: str) -> Node:
    found = words(value)
    if value.count("*") != 1 or not value.endswith("*") or len(found) != 1:
        raise Mistake(f"{value!r}: * stands for the rest of one word", "for example: harbo*")
    if len(found[0]) < _SHORTEST_PREFIX:
        hint = f"write at least {_SHORTEST_PREFIX} letters in front of *"
        raise Mistake(f"{value!r} is too short", hint)
    return Prefix(field, found[0])


def _identity(value: str, now: int) -> Node:
    return Identity(value.strip("<>"))


def _before(value: str, now: int) -> Node:
    return Received(None, _period(value, now)[0])


def _after(value: str, now: int) -> Node:
    return Received(_period(value, now)[0], None)


def _during(value: str, now: int) -> Node:
    return Received(*_period(value, now))


def _period(value: str, now: int) -> tuple[int, int]:
    try:
        return period(value, now)
    except NoDate as error:
        raise Mistake(
            str(error), "write 2026, 2026-10, 2026-10-31, 2026-10-31T12:30, today, yesterday or 7d"
        ) from None


def _standing(value: str, now: int) -> Node:
    state = STATE_NAMES.get(value.lower())
    if state is None:
        raise Mistake(
            f"nothing is {value!r}", f"known: {', '.join(f'is:{one}' for one in STATE_NAMES)}"
        )
    return Standing(state)


_OTHERS: Mapping[str, Callable[[str, int], Node]] = {
    "id": _identity,
    "before": _before,
    "after": _after,
    "during": _during,
    "is": _standing,
}
_EXAMPLES = {
    "id": "a queue id or a Message-ID",
    "before": "for example: before:2026-10-31",
    "after": "for example: after:2026-10-01, after:7d",
    "during": "for example: during:2026-10, during:yesterday",
    "is": f"known: {', '.join(STATE_NAMES)}",
}
