"""What operators gave the servers counts until they take it back, and never leaves nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.balance.shares import Shares
from appliance.config.balance import ServerSettings
from appliance.config.shares import Share, share, written
from appliance.config.units import LocalName, NumericEndpoint
from appliance.monitor.events import Event
from appliance.pools.algorithms import Pool, Server, Weighted

CONFIGURED = {"a": 2, "b": 3}


class Scene:
    """A pool of servers a, which is this node, and b."""

    def __init__(self) -> None:
        self.log: list[dict[str, object]] = []
        self.pool = Pool([Server(*one) for one in CONFIGURED.items()], Weighted(), "a")
        settings = [
            ServerSettings(
                name=LocalName(name),
                address=NumericEndpoint.parse(f"127.0.0.1:{2500 + weight}"),
                weight=weight,
            )
            for name, weight in CONFIGURED.items()
        ]
        self.shares = Shares(settings, "a", self.pool, self._emit)

    def _emit(self, event: Event, queue_id: str = "", **values: object) -> None:
        assert event is Event.COMMAND
        self.log.append(values)

    @property
    def servers(self) -> list[tuple[int, bool]]:
        return [(one.weight, one.draining) for one in self.pool.servers]


def registers(**shares: Share) -> dict[str, bytes]:
    values = {name: written(one) for name, one in shares.items()}
    return {name: value for name, value in values.items() if value is not None}


def test_they_are_given_told_and_taken_back() -> None:
    scene = Scene()
    scene.shares.heed({})
    assert scene.log == []
    scene.shares.heed(registers(a=Share(5, by="ann"), b=Share(None, True, "bob"), c=Share(9)))
    assert scene.servers == [(5, False), (3, True)]
    assert scene.log == [
        {"action": "weigh", "by": "ann", "server": "a", "weight": 5},
        {"action": "drain", "by": "bob", "server": "b"},
    ]
    scene.shares.heed(registers(b=Share(1, True)))
    assert scene.servers == [(2, False), (1, True)]
    scene.shares.heed({})
    assert scene.servers == [(2, False), (3, False)]


def test_two_drains_of_a_split_leave_somebody() -> None:
    scene = Scene()
    scene.shares.heed(registers(a=Share(7, True), b=Share(None, True)))
    assert scene.servers == [(7, False), (3, True)]


@given(st.one_of(st.none(), st.integers(1, 1000)), st.booleans(), st.text())
def test_what_is_written_is_read(weight: int | None, draining: bool, by: str) -> None:
    one = Share(weight, draining, by)
    value = written(one)
    assert share(value) == (Share() if value is None else one)
    assert (value is None) == (weight is None and not draining)


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"weight":0}', b'{"draining":1}'])
def test_what_is_not_understood_changes_nothing(value: bytes) -> None:
    assert share(value) == Share()
