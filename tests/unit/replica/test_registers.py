"""Registers: whatever way values travel, all nodes end with the same."""

from __future__ import annotations

from functools import reduce
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.replica.registers import MAX_VALUE, Register, Turn, merged, written

NODES = st.sampled_from([b"a", b"b"])
VALUES = st.none() | st.binary(max_size=2)
registers = st.builds(
    Register,
    st.just("t"),
    st.just("k"),
    VALUES,
    st.builds(Turn, st.integers(0, 2), st.integers(1, 3), NODES),
)


@given(registers, registers, registers)
def test_merging_is_a_lattice(a: Register, b: Register, c: Register) -> None:
    assert merged(a, a) == a
    assert merged(a, b) == merged(b, a)
    assert merged(a, merged(b, c)) == merged(merged(a, b), c)


@given(st.lists(registers, min_size=1), st.randoms())
def test_the_order_of_arrival_says_nothing(some: list[Register], random: Random) -> None:
    other = some * 2
    random.shuffle(other)
    assert reduce(merged, some) == reduce(merged, other)


@given(registers, VALUES, st.integers(0, 3), NODES)
def test_whoever_knows_a_value_can_replace_it(
    known: Register, value: bytes | None, epoch: int, node: bytes
) -> None:
    new = written(known, "t", "k", value, epoch, node)
    assert merged(known, new) == new
    assert new.value == value


@pytest.mark.parametrize("value", [b"", b"v", b"\xff"])
def test_a_deletion_wins_a_tie(value: bytes) -> None:
    turn = Turn(1, 1, b"a")
    deleted = Register("t", "k", None, turn)
    assert merged(Register("t", "k", value, turn), deleted) == deleted


def test_a_register_reads_back() -> None:
    one = written(None, "t", "k", b"v", 3, b"a")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=Register) == one


def test_a_value_that_is_too_large_is_none() -> None:
    one = written(None, "t", "k", b"v" * (MAX_VALUE + 1), 3, b"a")
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=Register)
