"""A check of the product that is taken away, and what must fail without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import apsw
import pytest

from tests.sim.plan import PLANS, Plan
from tests.sim.play import play

SEEDS = 60
FOUND = (AssertionError, OSError, apsw.Error)
"""An invariant that does not hold; a body that is not there; a damaged database."""
Patch = Callable[[pytest.MonkeyPatch], None]
Proof = Callable[[], object]


@dataclass(frozen=True)
class Mutation:
    """`name` says which check is missing; `proof` raises because of it."""

    name: str
    patch: Patch
    proof: Proof


def plan(name: str, plan: Plan | None = None) -> Proof:
    """Some seed of a plan must fail."""

    def proof() -> None:
        for seed in range(1, SEEDS + 1):
            play(seed, name, plan or PLANS[name])

    return proof


def put(target: object, name: str, value: object, *, of_instances: bool = False) -> Patch:
    """`of_instances`: so far only they have it; else it must be there, or nothing is mutated."""
    return lambda patch: patch.setattr(target, name, value, raising=not of_instances)
