"""Parts of a query as masks over the documents of one unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from appliance.search.catalogue import Kind, Lookups
from appliance.search.segment import Mask, Places, Segment, Term
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
from appliance.search.unit import Unit

EVERYWHERE = ("body", "head")
"""The fields in which a word is looked for that is asked for without one."""


class Scan:
    """Evaluates parts of a query in one unit."""

    def __init__(self, unit: Unit, lookups: Lookups) -> None:
        self._unit = unit
        self._segment: Segment = unit.segment
        self._lookups = lookups
        self._terms: dict[tuple[str, str], Term | None] = {}

    def cost(self, node: Node) -> float:
        """What is likely to be cheap, or to leave little."""
        match node:
            case Received() | Standing():
                return 0
            case Identity():
                return 1
            case Named():
                return 2
            case Word():
                return 3 + sum(term.documents for _, term in self._found(node.field, node.word))
            case Phrase():
                return min(self.cost(Word(node.field, word)) for word in node.words)
            case And():
                return min(map(self.cost, node.parts))
            case Or():
                return sum(map(self.cost, node.parts))
            case Prefix():
                return self._unit.documents / 2
        return self._unit.documents

    def mask(self, node: Node, within: Mask) -> Mask:
        """The documents of `within` that fit."""
        match node:
            case And():
                for part in sorted(node.parts, key=self.cost):
                    within = self.mask(part, within)
                    if not within.any():
                        break
                return within
            case Or():
                found = np.zeros(self._unit.documents, np.bool_)
                for part in node.parts:
                    found |= self.mask(part, within)
                return found
            case Not():
                return within & ~self.mask(node.part, within)
            case Word():
                return self._any(within, [term for _, term in self._found(node.field, node.word)])
            case Prefix():
                return self._prefix(node, within)
            case Phrase():
                return self._phrase(node, within)
        return self._noted(node, within)

    def _noted(self, node: Received | Standing | Named | Identity, within: Mask) -> Mask:
        """What the catalogue knows."""
        unit = self._unit
        match node:
            case Received():
                start = -(1 << 62) if node.start is None else node.start
                end = 1 << 62 if node.end is None else node.end
                timely: Mask = (unit.received >= start) & (unit.received < end)
                return within & timely
            case Standing():
                stands: Mask = (unit.state & int(node.states)) != 0
                return within & stands
            case Named():
                return self._at(within, self._named(node.kind, node.name))
            case Identity():
                return self._identity(node.text, within)

    def _found(self, field: str | None, word: str) -> list[tuple[str, Term]]:
        found = []
        for name in (field,) if field else EVERYWHERE:
            key = (name, word)
            if key not in self._terms:
                self._terms[key] = self._segment.term(name, word)
            term = self._terms[key]
            if term is not None:
                found.append((name, term))
        return found

    def _any(self, within: Mask, terms: Sequence[Term]) -> Mask:
        mask = np.zeros(self._unit.documents, np.bool_)
        for term in terms:
            mask[self._segment.ids(term)] = True
        return mask & within

    def _prefix(self, node: Prefix, within: Mask) -> Mask:
        mask = np.zeros(self._unit.documents, np.bool_)
        rare = list[int]()
        for name in (node.field,) if node.field else EVERYWHERE:
            for _, term in self._segment.terms(name, node.prefix):
                if term.documents <= 2:  # where they are, the term itself says
                    rare.append(term.first)
                    rare.append(term.last)
                elif within[term.first : term.last + 1].any():
                    mask[self._segment.ids(term)] = True
        mask[rare] = True
        return mask & within

    def _phrase(self, node: Phrase, within: Mask) -> Mask:
        found = np.zeros(self._unit.documents, np.bool_)
        for name in (node.field,) if node.field else EVERYWHERE:
            terms = [term for word in node.words for _, term in self._found(name, word)]
            if len(terms) == len(node.words):
                found[self._joined(terms, within & ~found)] = True
        return found & within

    def _joined(self, terms: Sequence[Term], within: Mask) -> Places:
        """The documents of `within` in which the words stand one behind the other.

        Rarest first: each word is looked at only where all those before it stand as they should.
        """
        for term in sorted(terms):
            within = self._any(within, (term,))
        starts: Places | None = None
        for term, offset in sorted(zip(terms, range(len(terms)), strict=True)):
            here = self._segment.places(term, within) - offset
            starts = here if starts is None else starts[_among(starts, here)]
            if not len(starts):
                break
            within = np.zeros(self._unit.documents, np.bool_)
            within[starts >> 16] = True
        assert starts is not None  # a phrase has words
        return starts >> 16

    def _named(self, kind: Kind, name: str) -> list[int]:
        unit = self._unit
        return self._lookups.named(kind, name, int(unit.positions[0]), int(unit.positions[-1]))

    def _identity(self, text: str, within: Mask) -> Mask:
        found = self._named(Kind.MESSAGE_ID, text)
        position = self._lookups.position(text.upper())
        return self._at(within, [*found, position] if position is not None else found)

    def _at(self, within: Mask, places: Sequence[int]) -> Mask:
        """The documents at some positions."""
        mask = np.zeros(self._unit.documents, np.bool_)
        if places:
            mask |= np.isin(self._unit.positions, np.array(places, np.int64))
        return mask & within


def _among(some: Places, others: Places) -> Mask:
    """Which of `some` are in `others`; both ascend."""
    if not len(others):
        return np.zeros(len(some), np.bool_)
    at = np.searchsorted(others, some)
    at[at == len(others)] = 0
    found: Mask = others[at] == some
    return found
