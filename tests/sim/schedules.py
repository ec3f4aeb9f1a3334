"""Written-down schedules: each needs a check that no plan is likely to need.

They raise AssertionError when what they are about does not hold. `test_scenarios` plays them as
the product is, `test_mutations` with the check removed.
"""

from __future__ import annotations

from appliance.replica.pair import Mode, Timing
from tests.sim.scenario import Scenario

QUICK = Timing(adopt_delay=20_000)


def hold_survives_the_former_owner() -> None:
    """A node dies with a lease open, is adopted, and an operator holds the message there."""
    with Scenario(QUICK) as pair:
        for owner, adopter in ((pair.b, pair.a), (pair.a, pair.b)):
            pair.world.sink.pace, pair.world.sink.trouble = 2_000, 0.0
            client = pair.send(owner, "al@one.test")
            pair.run(1)
            owner.power_cut()
            pair.world.sink.trouble = 1.0
            pair.run(24)
            pair.command(adopter, "hold", client)
            pair.run(10)
            assert pair.held(adopter, client)
            pair.split()
            owner.boot()
            pair.run(2)
            pair.heal()
            pair.run(60)
            assert pair.held(owner, client)
            assert pair.held(adopter, client)


def hold_survives_a_late_deferral() -> None:
    """An attempt of the former owner ends in a deferral long after the message was adopted."""
    with Scenario(QUICK) as pair:
        for owner, adopter in ((pair.b, pair.a), (pair.a, pair.b)):
            pair.world.sink.pace, pair.world.sink.trouble = 30_000, 1.0
            client = pair.send(owner, "al@one.test")
            pair.run(1)
            pair.split()
            pair.run(23)
            pair.command(adopter, "hold", client)
            pair.run(2)
            pair.heal()
            pair.run(30)
            assert pair.held(owner, client)
            assert pair.held(adopter, client)


def take_over_before_adopt_delay() -> None:
    """An operator knows that the other node is dead."""
    with Scenario() as pair:
        pair.world.sink.trouble = 1.0
        client = pair.send(pair.b, "al@one.test")
        pair.run(1)
        pair.b.power_cut()
        pair.world.sink.trouble = 0.0
        pair.run(5)
        pair.take_over(pair.a)
        pair.run(25)
        assert pair.received(client) == 1
        pair.b.boot()
        pair.run(30)
        assert pair.received(client) == 1
        pair.judge()


def stale_backlog_waits() -> None:
    """Both lose power; the one that comes back alone may not know what the other delivered."""
    with Scenario(Timing(adopt_delay=20_000, stale_wait=60_000)) as pair:
        pair.world.sink.trouble = 1.0
        client = pair.send(pair.a, "al@one.test")
        pair.run(1)
        pair.a.power_cut()
        pair.world.sink.trouble = 0.0
        pair.run(45)  # b adopts and delivers
        assert pair.received(client) == 1
        pair.b.power_cut()
        pair.a.boot()
        fresh = pair.send(pair.a, "bo@two.test")
        pair.run(50)
        assert pair.received(fresh, "bo@two.test") == 1, "new mail waits for nobody"
        assert pair.received(client) == 1, "the backlog went out unasked"
        pair.b.boot()
        pair.run(60)
        assert pair.received(client) == 1
        pair.judge()


def fenced_by_a_hello() -> None:
    """A node hears that it was adopted long before its journal tells it so."""
    with Scenario(QUICK) as pair:
        a, b = pair.nodes
        pair.world.sink.trouble = 1.0
        client = pair.send(a, "al@one.test")
        pair.run(1)
        pair.command(a, "hold", client)
        pair.run(1)
        pair.split()
        pair.run(25)
        pair.world.sink.trouble = 0.0
        pair.command(b, "release", client)
        pair.run(5)
        assert pair.received(client) == 1, "b has not adopted it"
        pair.world.network.delay = (3_000, 3_000)
        pair.heal()
        pair.run(4.5)
        assert a.engine.replication.greeted
        pair.command(a, "release", client)
        pair.run(15)
        assert pair.received(client) == 1, "sent by a node that had heard it was adopted"
        pair.world.network.delay = (0, 3)
        pair.run(30)
        pair.judge()


def revoked_before_data() -> None:
    """An attempt waits for its next hop while the message is adopted and the link mended."""
    with Scenario(QUICK) as pair:
        pair.world.sink.pace = 40_000
        client = pair.send(pair.a, "al@one.test")
        pair.run(1)
        pair.world.sink.pace = 0
        pair.split()
        pair.run(25)
        assert pair.received(client) == 1, "b has not adopted it"
        pair.heal()
        pair.run(30)
        assert pair.received(client) == 1, "sent though it was revoked"
        pair.judge()


def not_renewed_before_data() -> None:
    """The spool stands still while its delivery process waits for a next hop."""
    with Scenario(QUICK) as pair:
        pair.world.network.heartbeats = False
        pair.world.sink.pace = 50_000
        client = pair.send(pair.a, "al@one.test")
        pair.run(1)
        pair.world.sink.pace = 0
        pair.a.stall(60_000, whole=False)
        pair.send(pair.b, "cy@three.test")  # b notices
        pair.run(45)
        assert pair.received(client) == 1, "b has not adopted it"
        pair.run(60)
        assert pair.received(client) == 1, "sent though nobody had renewed the lease"
        pair.judge()


def no_adoption_while_a_heartbeat_is_heard() -> None:
    """Only the link is cut: the other node is known to live, and goes on with its own mail."""
    with Scenario(QUICK) as pair:
        pair.world.sink.pace = 50_000
        client = pair.send(pair.a, "al@one.test")
        pair.run(1)
        pair.world.network.cut()
        pair.run(60)
        assert not pair.b.engine.store.ownership.claims
        assert pair.received(client) == 1
        pair.heal()
        pair.run(30)
        pair.judge()


def silence_is_no_proof_of_death() -> None:
    """Everything between the nodes ceases at once, both go on, and then one of them burns."""
    with Scenario(QUICK) as pair:
        pair.world.sink.trouble = 1.0
        client = pair.send(pair.b, "al@one.test")
        pair.run(1)
        pair.split()
        pair.world.sink.trouble = 0.0
        pair.run(50)
        assert pair.received(client) == 2, "each has sent it"
        pair.b.wipe(replaced=True)
        pair.b.boot()
        pair.heal()
        pair.run(30)
        assert pair.doubts(pair.a, client) == 1, "sent twice, and not counted"


def doubts_end_when_the_peer_tells_what_it_did() -> None:
    """A dead node's mail is adopted in doubt, and waits until that node is back with its disk."""
    with Scenario(QUICK) as pair:
        pair.world.sink.trouble = 1.0
        client = pair.send(pair.b, "al@one.test")
        pair.run(1)
        pair.b.power_cut()
        pair.run(25)
        assert pair.a.engine.store.ownership.claims
        pair.b.boot()
        pair.run(5)
        pair.world.sink.trouble = 0.0
        pair.run(30)
        assert pair.received(client) == 1
        assert pair.doubts(pair.a, client) == 0, "a doubt of what both nodes know"
        pair.judge()


def a_lost_disk_cannot_tell_what_it_did() -> None:
    """A node delivers alone and is installed anew; the other sends what it had adopted."""
    with Scenario(QUICK) as pair:
        pair.world.sink.trouble = 1.0
        client = pair.send(pair.b, "al@one.test")
        pair.run(2)
        pair.split()
        pair.run(23)
        pair.command(pair.a, "hold", client)
        pair.world.sink.trouble = 0.0
        pair.run(20)
        assert pair.received(client) == 1, "sent by the former owner alone"
        pair.b.wipe(replaced=False)
        pair.b.boot()
        pair.heal()
        pair.run(10)
        pair.command(pair.a, "release", client)
        pair.run(10)
        assert pair.received(client) == 2
        assert pair.doubts(pair.a, client) == 1, "sent twice, and not counted"


def nothing_paired_while_the_peer_lacks_what_it_had() -> None:
    """A disk is restored so quickly that the other node has not gone solo."""
    with Scenario() as pair:
        image = pair.b.disk.snapshot()
        for _ in range(5):
            pair.send(pair.a, "al@one.test")
        pair.run(10)
        pair.b.restore(image)
        pair.b.boot()
        pair.world.network.delay = (200, 200)
        pair.run(0.75)
        assert pair.a.engine.pair.mode is Mode.CATCHING_UP
        pair.world.network.delay = (0, 3)
        pair.run(30)
        pair.judge()


SCHEDULES = (
    hold_survives_the_former_owner,
    hold_survives_a_late_deferral,
    take_over_before_adopt_delay,
    stale_backlog_waits,
    fenced_by_a_hello,
    revoked_before_data,
    not_renewed_before_data,
    no_adoption_while_a_heartbeat_is_heard,
    silence_is_no_proof_of_death,
    doubts_end_when_the_peer_tells_what_it_did,
    a_lost_disk_cannot_tell_what_it_did,
    nothing_paired_while_the_peer_lacks_what_it_had,
)
