"""RFC 9568 §6.4: every pair of state and input, and laws over any sequence of them."""

from __future__ import annotations

from copy import copy
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.failover.advertisement import Advertisement, Sender
from appliance.failover.parameters import CENTISECOND, Announcements, VirtualRouter
from appliance.failover.router import (
    AcquireAddresses,
    Action,
    Announce,
    Health,
    IllegalInput,
    Input,
    Reason,
    ReleaseAddresses,
    Router,
    SendAdvertisement,
    Shutdown,
    Startup,
    State,
    Timer,
    Transition,
)

VIPS = (IPv4Address("192.0.2.10"), IPv6Address("2001:db8::10"))
ME = Sender(IPv4Address("192.0.2.2"), b"me------")
LOWER = Sender(IPv4Address("192.0.2.1"), b"lower---")
HIGHER = Sender(IPv4Address("192.0.2.9"), b"higher--")
PARAMETERS = VirtualRouter(
    vrid=1,
    addresses=VIPS,
    priority=100,
    interval=100,
    announcements=Announcements(repeats=2, delay=150, refresh=1000),
)
INITIALIZE, BACKUP, ACTIVE = State.INITIALIZE, State.BACKUP, State.ACTIVE
SECOND = 100 * CENTISECOND
DOWN = 3_609_375_000
SKEW = 609_375_000
NOW = 50 * SECOND


def heard(priority: int, sender: Sender = LOWER, interval: int = 100) -> Advertisement:
    return Advertisement(1, priority, interval, sender)


def sent(priority: int) -> SendAdvertisement:
    return SendAdvertisement(heard(priority, ME))


def went(before: State, after: State, reason: Reason) -> Transition:
    return Transition(1, before, after, reason)


ACQUIRE, RELEASE, ANNOUNCE = AcquireAddresses(1, VIPS), ReleaseAddresses(1, VIPS), Announce(1, VIPS)


def routed(state: State, parameters: VirtualRouter = PARAMETERS) -> Router:
    """A router that came into `state` at NOW."""
    router = Router(parameters, ME)
    if state is BACKUP:
        router.handle(NOW, Startup())
    elif state is ACTIVE:
        router.handle(NOW, Health(255))
        router.handle(NOW, Startup())
        router.handle(NOW, Health(parameters.priority))
    assert router.state is state
    return router


SOON = SECOND // 2
# state, input, how long after NOW it comes; the actions; the next timer after NOW
TABLE: list[tuple[State, Input, int, list[Action], int | None]] = [
    (INITIALIZE, Startup(), 0, [went(INITIALIZE, BACKUP, Reason.STARTUP)], DOWN),
    (INITIALIZE, heard(50), 0, [], None),
    (INITIALIZE, heard(0), 0, [], None),
    (INITIALIZE, Health(40), 0, [], None),
    (BACKUP, Shutdown(), SOON, [went(BACKUP, INITIALIZE, Reason.SHUTDOWN)], None),
    (BACKUP, Timer(), SOON, [], DOWN),
    (
        BACKUP,
        Timer(),
        DOWN,
        [sent(100), ACQUIRE, ANNOUNCE, went(BACKUP, ACTIVE, Reason.SILENCE)],
        DOWN + SECOND,
    ),
    (BACKUP, Timer(), DOWN + 2 * SECOND + 1, [], 2 * DOWN + 2 * SECOND + 1),  # a gap
    (BACKUP, heard(200), SOON, [], SOON + DOWN),
    (BACKUP, heard(100), SOON, [], SOON + DOWN),
    (BACKUP, heard(1), SOON, [], SOON + DOWN),  # Preempt_Mode is off
    (BACKUP, heard(200, interval=200), SOON, [], SOON + 2 * DOWN),
    (
        BACKUP,
        heard(0),
        SOON,
        [sent(100), ACQUIRE, ANNOUNCE, went(BACKUP, ACTIVE, Reason.RELEASED)],
        SOON + SECOND,
    ),
    (BACKUP, Health(40), SOON, [], DOWN),
    (BACKUP, Health(0), SOON, [], None),
    (ACTIVE, Shutdown(), SOON, [RELEASE, sent(0), went(ACTIVE, INITIALIZE, Reason.SHUTDOWN)], None),
    (ACTIVE, Timer(), SOON, [], SECOND),
    (ACTIVE, Timer(), SECOND, [sent(100)], 3 * SOON),  # then an announcement
    (ACTIVE, Timer(), 3 * SOON, [sent(100), ANNOUNCE], 5 * SOON),
    (ACTIVE, Timer(), 3 * SECOND, [sent(100), ANNOUNCE], 4 * SECOND),  # late, but no gap
    (
        ACTIVE,
        Timer(),
        3 * SECOND + 1,
        [RELEASE, went(ACTIVE, BACKUP, Reason.GAP)],
        3 * SECOND + 1 + DOWN,
    ),
    (
        ACTIVE,
        heard(1),
        3 * SECOND + 1,
        [RELEASE, went(ACTIVE, BACKUP, Reason.GAP)],
        3 * SECOND + 1 + DOWN,
    ),
    (
        ACTIVE,
        Shutdown(),
        3 * SECOND + 1,
        [
            RELEASE,
            went(ACTIVE, BACKUP, Reason.GAP),
            went(BACKUP, INITIALIZE, Reason.SHUTDOWN),
        ],
        None,
    ),
    (
        ACTIVE,
        heard(200),
        SOON,
        [RELEASE, sent(0), went(ACTIVE, BACKUP, Reason.OUTRANKED)],
        SOON + DOWN,
    ),
    (
        ACTIVE,
        heard(200, interval=200),
        SOON,
        [RELEASE, sent(0), went(ACTIVE, BACKUP, Reason.OUTRANKED)],
        SOON + 2 * DOWN,
    ),
    (
        ACTIVE,
        heard(100, HIGHER),
        SOON,
        [RELEASE, sent(0), went(ACTIVE, BACKUP, Reason.OUTRANKED)],
        SOON + DOWN,
    ),
    (ACTIVE, heard(100, LOWER), SOON, [sent(100), ANNOUNCE], 3 * SOON),
    (ACTIVE, heard(99, HIGHER), SOON, [sent(100), ANNOUNCE], 3 * SOON),
    (ACTIVE, heard(0, HIGHER), SOON, [sent(100), ANNOUNCE], 3 * SOON),
    (ACTIVE, Health(40), SOON, [], SECOND),
    (ACTIVE, Health(0), SOON, [RELEASE, sent(0), went(ACTIVE, BACKUP, Reason.UNFIT)], None),
]
ILLEGAL: list[tuple[State, Input]] = [
    (INITIALIZE, Shutdown()),
    (INITIALIZE, Timer()),
    (BACKUP, Startup()),
    (ACTIVE, Startup()),
    *((state, Health(priority)) for state in State for priority in (-1, 256)),
    *((state, Advertisement(2, 100, 100, LOWER)) for state in State),
]


def named(value: object) -> str | None:
    return str(value) if isinstance(value, State | Health | Advertisement) else None


@pytest.mark.parametrize("state, given, after, actions, timer", TABLE, ids=named)
def test_table(
    state: State, given: Input, after: int, actions: list[Action], timer: int | None
) -> None:
    router = routed(state)
    assert router.handle(NOW + after, given) == actions
    assert router.next_timer() == (timer if timer is None else NOW + timer)


def test_table_is_complete() -> None:
    kinds: set[Any] = {Startup, Shutdown, Timer, Health, Advertisement}
    legal = {(state, type(given)) for state, given, *_ in TABLE}
    illegal = {(state, type(given)) for state, given in ILLEGAL}
    assert legal | illegal == {(state, kind) for state in State for kind in kinds}


@pytest.mark.parametrize("state, given", ILLEGAL, ids=named)
@pytest.mark.parametrize("after", [SOON, 99 * SECOND])  # a gap changes nothing either
def test_illegal_changes_nothing(state: State, given: Input, after: int) -> None:
    router = routed(state)
    before = vars(copy(router))
    with pytest.raises(IllegalInput):
        router.handle(NOW + after, given)
    assert vars(router) == before


def test_owner_starts_active() -> None:
    router = Router(VirtualRouter(vrid=1, addresses=VIPS, priority=255, interval=100), ME)
    assert router.handle(NOW, Startup()) == [
        sent(255),
        ACQUIRE,
        ANNOUNCE,
        went(INITIALIZE, ACTIVE, Reason.OWNER),
    ]


@pytest.mark.parametrize("priority, preempt", [(200, True), (255, False)])
def test_preemption(priority: int, preempt: bool) -> None:
    """The owner preempts always, others if told to; what they hear does not make them wait."""
    router = Router(
        VirtualRouter(vrid=1, addresses=VIPS, priority=100, interval=100, preempt=preempt), ME
    )
    router.handle(NOW, Startup())
    router.handle(NOW, Health(priority))
    due = router.next_timer()
    assert due is not None
    assert router.handle(NOW + SOON, heard(150)) == []
    assert router.next_timer() == due
    reason = Reason.PREEMPTION
    assert router.handle(due, Timer())[-1] == went(BACKUP, ACTIVE, reason)


def test_the_interval_of_the_other_is_forgotten() -> None:
    """At a new start (§6.4.1, Active_Adver_Interval), and when this node is Active itself."""
    router = routed(BACKUP)
    router.handle(NOW, heard(200, interval=10))
    due = router.next_timer()
    assert due == NOW + DOWN // 10
    assert len(router.handle(due, Timer())) == 4
    late = due + SECOND + 2 * SECOND  # a gap of the other, with its interval, but not of ours
    assert router.handle(late, Timer()) == [sent(100), ANNOUNCE]
    router.handle(late, heard(200, interval=10))
    router.handle(late, Shutdown())
    router.handle(late, Startup())
    assert router.next_timer() == late + DOWN


def test_unfit_waits_for_health() -> None:
    router = routed(ACTIVE)
    router.handle(NOW, Health(0))
    assert router.handle(NOW, heard(200)) == router.handle(NOW, heard(0)) == []
    assert router.next_timer() is None
    assert router.handle(NOW + 99 * SECOND, Health(100)) == []
    assert router.next_timer() == NOW + 99 * SECOND + DOWN


def test_announcements_repeat_and_go_on() -> None:
    router = routed(ACTIVE)
    times = list[int]()
    now = NOW
    while now < NOW + 24 * SECOND:
        now = router.next_timer() or 0
        if ANNOUNCE in router.handle(now, Timer()):
            times.append((now - NOW) // CENTISECOND)
    assert times == [150, 300, 1300, 2300]  # two repeats, then every 1000 cs


def test_two_behind_one_address() -> None:
    one, two = Sender(ME.address, b"1-------"), Sender(ME.address, b"2-------")
    assert two.beats(one)
    assert not one.beats(two)


INPUTS = st.one_of(
    st.just(Timer()),
    st.just(Startup()),
    st.just(Shutdown()),
    st.builds(Health, st.sampled_from([0, 1, 100, 255])),
    st.builds(heard, st.sampled_from([0, 1, 100, 254]), st.sampled_from([LOWER, HIGHER])),
)
STEPS = st.lists(st.tuples(st.sampled_from([0, 1, SKEW, SECOND, DOWN, 9 * SECOND]), INPUTS))


@given(STEPS, st.booleans(), st.sampled_from([1, 100, 255]))
def test_laws(steps: list[tuple[int, Input]], preempt: bool, priority: int) -> None:
    parameters = VirtualRouter(
        vrid=1, addresses=VIPS, priority=priority, interval=100, preempt=preempt
    )
    router, now, held = Router(parameters, ME), 0, False
    for wait, event in steps:
        now += wait
        before, state = vars(copy(router)), router.state
        try:
            actions = router.handle(now, event)
        except IllegalInput:
            assert vars(router) == before
            continue
        for action in actions:
            if isinstance(action, AcquireAddresses | ReleaseAddresses):
                assert held is isinstance(action, ReleaseAddresses)
                held = not held
            elif isinstance(action, Announce):
                assert held
            elif isinstance(action, SendAdvertisement) and not held:  # a takeover, or an offer
                assert action.advertisement.priority == 0 or state is not ACTIVE
            elif isinstance(action, Transition):  # a chain, each link with its own reason
                assert action.before is state is not action.after
                state = action.after
        assert router.state is state
        assert held is (state is ACTIVE)
        reasons = [action.reason for action in actions if isinstance(action, Transition)]
        assert len(set(reasons)) == len(reasons) <= 2
        assert len(reasons) < 2 or reasons[0] is Reason.GAP
        timer = router.next_timer()
        assert (timer is None) is (
            state is INITIALIZE or (state is BACKUP and router.priority == 0)
        )
        if timer is not None:  # set into the future, unless it is due and waits for Timer
            assert timer > now or not isinstance(event, Timer)


@given(STEPS)
def test_early_timers_do_nothing(steps: list[tuple[int, Input]]) -> None:
    router, now = Router(PARAMETERS, ME), 0
    for wait, event in steps:
        now += wait
        try:
            router.handle(now, event)
        except IllegalInput:
            continue
        timer = router.next_timer()
        if timer is not None and timer > now:
            before = vars(copy(router))
            assert router.handle(timer - 1, Timer()) == []
            assert vars(router) == before
