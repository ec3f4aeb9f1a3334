"""Seeded disorder: servers that fail anyhow, a spool that comes and goes, a fence that closes.

However it goes, each lease comes to one end, and that end agrees with what the servers really
took: nothing is called delivered that was not, nothing is called undelivered that was, unless
the reply to the final dot was lost, and then the outcome says so.
"""

from __future__ import annotations

import asyncio
import os
from random import Random

import pytest

from appliance.config.delivery import DeliverySettings
from appliance.config.units import Duration
from appliance.mail.work import Result
from appliance.monitor.events import Event
from tests.support.sink import EXTENSIONS, TOKEN, Drop, Script, Sink, Step
from tests.support.work import envelope, message
from tests.unit.delivery.rig import Rig, running

STEPS: list[Step] = [
    "250 2.0.0 ok",
    "354 go",
    "450 4.2.0 later",
    "451 4.7.1 slower",
    "550 5.1.1 never",
    "421 4.3.2 bye",
    "452 4.5.3 too many",
    "999 what",
    b"250-half",
    b"\x00\xff\r\n",
    b"250 2.0.0 ok\r\n250 2.0.0 twice\r\n",
    Drop(),
    Drop("250 2.0.0 ok"),
    Drop("450 4.3.0 bye"),
    Drop(reset=True),
]
SEEDS = int(os.environ.get("CHAOS_SEEDS", "15"))
BRIEF = Duration(100)
USUAL: dict[str, Step] = {"connect": "220 hi", "data": "354 go", "content": b""}
STAGES = ["connect", "ehlo", "mail", "rcpt", "data", "content", "dot", "rset"]


def script(random: Random) -> Script:
    """Mostly as it should be, with a few surprises."""
    steps: dict[str, list[Step]] = {}
    for _ in range(random.choice([0, 0, 1, 2, 3])):
        stage = random.choice(STAGES)
        usual = USUAL.get(stage, "250 ok")
        before = 0 if stage in ("connect", "ehlo") else random.randrange(6)
        # A server that answers small content before it is complete, and then takes it, lies.
        surprises: list[Step] = STEPS if stage != "content" else [Drop(), Drop(reset=True)]
        steps[stage] = [usual] * before + [random.choice(surprises)]
    dropped = [e for e in EXTENSIONS if random.random() < 0.8]
    return Script(steps, dropped)


async def disturb(rig: Rig, random: Random) -> None:
    """Faults on our own side, and time passing, until cancelled."""
    while True:
        for _ in range(random.randrange(1, 60)):
            await asyncio.sleep(0)
        match random.randrange(5):
            case 0:
                await rig.work.lose()
            case 1:
                rig.work.fence = False
            case 2:
                rig.work.drop_acknowledgement = True
            case _:
                rig.tick(random.choice([1, 15, 70]))
        for _ in range(random.randrange(1, 20)):
            await asyncio.sleep(0)
        rig.work.lost = False
        rig.work.fence = True
        rig.clock.advance(2)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_every_lease_comes_to_an_end_that_is_true(seed: int) -> None:
    random = Random(seed)
    # A server that says half a reply is waited for: not for minutes here.
    settings = DeliverySettings(
        connections=6,
        connections_per_hop=4,
        leases=40,
        messages_per_connection=5,
        command_timeout=BRIEF,
        data_init_timeout=BRIEF,
        data_done_timeout=BRIEF,
        data_block_timeout=BRIEF,
    )
    scripts = [[script(random) for _ in range(40)] + [Script()] for _ in range(2)]
    async with Sink(*scripts[0]) as one, Sink(*scripts[1]) as two:
        async with running({"*": one, "two.test": two}, settings, seed) as rig:
            disturbing = asyncio.ensure_future(disturb(rig, random))
            for number in range(150):
                size = random.choice([500, 5000, 400_000])
                rig.work.add(
                    message(str(number), size),
                    envelope("a@from.test", random.choice(["b@one.test", "b@two.test"])),
                )
                if number % 10 == 0:
                    await rig.work.wake()
            await rig.work.reported(150)
            disturbing.cancel()
            await asyncio.wait([disturbing])
            rig.work.lost = rig.work.drop_acknowledgement = False
            while rig.agent.in_hand:  # the agent may be about to find the spool lost, or again
                rig.clock.advance(2)
                await asyncio.sleep(0)
        assert rig.work.open == {}
        assert rig.work.doubtful == set()
        assert len(rig.work.outcomes) == 150
        accepted = one.tokens + two.tokens
        for outcome in rig.work.outcomes.values():
            found = TOKEN.search(rig.work.content.bodies[outcome.queue_id])
            assert found
            times = accepted[found[1].decode()]
            (recipient,) = outcome.recipients
            if recipient.result is Result.DELIVERED:
                assert times == 1
            elif "may have taken it" not in recipient.reply.text:
                assert times == 0, recipient
        assert one.violations == two.violations == []
        assert Event.FAILED not in rig.log.events()
