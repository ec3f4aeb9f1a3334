"""Registers: a replicated map (table, key) → value in which the later writer wins.

For what changes often, or by itself, or is no operator's business to read: credentials, keys and
certificates, pauses. A value that was deleted is a register too, so that it stays deleted.

Two nodes that write the same key without knowing of one another lose one of the two values. So
what must never be undone by another's write gets a key of its own: a revoked credential is a
register in a table of revocations, not the deletion of the credential (rule 10).
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from appliance.replica.position import Node, Number

MAX_VALUE = 256 << 10
"""Bytes."""


class Turn(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Orders the values of one key: later owner, then more writes, then the higher node."""

    epoch: Number
    counter: Number
    node: Node


class Register(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """One key with its latest value, None if it was deleted."""

    table: Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
    key: Annotated[str, msgspec.Meta(max_length=1024)]
    value: Annotated[bytes, msgspec.Meta(max_length=MAX_VALUE)] | None
    turn: Turn


def written(
    known: Register | None, table: str, key: str, value: bytes | None, epoch: int, node: bytes
) -> Register:
    """The register after `node` wrote `value`, knowing `known`; it wins over that."""
    if known is None:
        return Register(table, key, value, Turn(epoch, 1, node))
    turn = Turn(max(epoch, known.turn.epoch), known.turn.counter + 1, node)
    return Register(table, key, value, turn)


def merged(one: Register, other: Register) -> Register:
    """The value that wins, of two for the same key.

    A node that lost its disk may write the same turn twice: then a deletion wins, or the greater
    value, so that all nodes agree.
    """
    return max(one, other, key=lambda r: (r.turn, r.value is None, r.value or b""))
