"""Mail goes on through the virtual address whatever happens to the node that has it.

Real processes on loopback. What a client got 250 for reaches the next hop, in each case.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.cli.errors import Exit
from appliance.failover.router import Reason, State
from tests.bench.load import Load
from tests.pair.harness import LEASES, SMTP, Settings, addresses, until
from tests.pair.moving import Moving, MovingNode, twinpost
from tests.pair.traffic import Flow, Flows, NextHop
from tests.pair.verdict import all_delivered, at_rest, no_bad_signs, same_on_disk

_MORE = 200
"""Messages that have to get 250 before something is done, and after it."""


@asynccontextmanager
async def pair(folder: Path, hop: NextHop) -> AsyncIterator[Moving]:
    virtual, a, b = addresses(3)
    settings = Settings(hop=hop.address, addresses=(a, b))
    async with Moving(folder, settings, virtual) as moving:
        await moving.active()
        yield moving


async def kill_node(pair: Moving, node: MovingNode) -> None:
    node.kill()
    await pair.takes_over(pair.other(node))
    node.start()


async def kill_failover(pair: Moving, node: MovingNode) -> None:
    await node.kill_service("failover")
    await pair.takes_over(pair.other(node))


async def kill_supervisor(pair: Moving, node: MovingNode) -> None:
    """The kernel ends the other processes; failover is told, and offers what it has."""
    other = pair.other(node)
    os.kill(node.pids[0], signal.SIGKILL)
    await pair.takes_over(other)
    assert (await other.history())[0].reason == Reason.RELEASED
    node.kill()
    node.start()


async def stop_node(pair: Moving, node: MovingNode) -> None:
    await node.stop()
    await pair.takes_over(pair.other(node))
    node.start()


async def kill_mail(pair: Moving, node: MovingNode) -> None:
    await node.kill_service("mail")
    await pair.takes_over(pair.other(node))


async def switch_over(pair: Moving, node: MovingNode) -> None:
    async def done() -> bool:  # refused while deliveries under way do not end
        return await twinpost(node, "switchover") == Exit.OK

    await until(done, "a switchover")
    await pair.takes_over(pair.other(node))


Deed = Callable[[Moving, MovingNode], Awaitable[None]]


@pytest.mark.parametrize(
    "deeds, doubtful",
    [
        ((kill_failover, switch_over), 0),  # a peer whose mail lives is never doubted
        ((stop_node, kill_mail, kill_node, kill_supervisor), 4 * LEASES),
    ],
    ids=["mail lives", "mail ends"],
)
async def test_mail_goes_on_through_the_virtual_address(
    deeds: Sequence[Deed], doubtful: int, tmp_path: Path
) -> None:
    async with NextHop("127.0.0.1") as hop, pair(tmp_path, hop) as moving:
        flow = Flow(Load(to=(moving.virtual, SMTP), run="virtual", connections=4, size=2048))
        async with Flows(flow) as flows:
            for deed in deeds:
                await flow.accepts(_MORE)
                await deed(moving, await moving.active())
                await flow.accepts(_MORE)
                await moving.paired()
        await all_delivered(flows, hop)
        view = await at_rest(moving)
        assert hop.repeated <= view.duplicates + view.doubts <= doubtful
        for node in moving.nodes:
            no_bad_signs(node)
        same_on_disk(moving, tmp_path)


async def test_commands_move_the_address_and_are_refused_where_they_would_not_help(
    tmp_path: Path,
) -> None:
    async with NextHop("127.0.0.1") as hop, pair(tmp_path, hop) as moving:
        first = await moving.active()
        second = moving.other(first)
        assert await twinpost(second, "switchover") == Exit.NEGATIVE
        assert await twinpost(first, "switchover", "--here") == Exit.NEGATIVE
        assert await twinpost(second, "switchover", "--here") == Exit.OK
        await moving.takes_over(second)
        first, second = second, first
        assert await twinpost(first, "maintenance", "on") == Exit.OK
        await moving.takes_over(second)
        # The other one is in maintenance: nothing to switch over to, unless by force.
        assert await twinpost(second, "switchover") == Exit.NEGATIVE
        assert await twinpost(first, "switchover", "--here") == Exit.NEGATIVE
        assert await twinpost(second, "maintenance", "on") == Exit.NEGATIVE
        # Maintenance outlives the node.
        first.kill()
        first.start()
        await first.ready()
        await moving.paired()
        status = await first.sees(lambda one: one.failover is not None, "failover")
        assert status.failover is not None
        assert status.failover.maintenance
        assert status.failover.routers[0].priority == 0
        assert await twinpost(first, "maintenance", "off") == Exit.OK

        async def fit() -> bool:
            return await twinpost(second, "switchover") == Exit.OK

        await until(fit, "a switchover back")
        await moving.takes_over(first)
        last = (await second.history())[0]
        assert (last.before, last.after) == (State.ACTIVE, State.BACKUP)
        assert (last.reason, last.why) == (Reason.UNFIT, "switchover")
