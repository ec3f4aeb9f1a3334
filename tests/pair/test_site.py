"""The site of a real pair: a change on one node acts on both, and outlives the node."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from appliance.control.client import ApiError, Client, NotRunning
from appliance.control.schema import ChangeSite
from appliance.mail.views import SiteVersionView, SiteView
from appliance.monitor.events import Event
from tests.pair.cable import Cable
from tests.pair.harness import SERVICES, Cluster, Node, Settings, addresses, until
from tests.pair.traffic import NextHop
from tests.pair.verdict import at_rest, no_bad_signs, same_on_disk, told

Document = dict[str, object]
Edit = Callable[[Document], None]


def client(node: Node) -> Client:
    return Client(node.layout.control_socket)


def takes(node: Node, recipient: str) -> bool:
    """Whether a client that connects now may send to a recipient."""
    with smtplib.SMTP(*node.smtp) as smtp:
        smtp.ehlo("client.test")
        smtp.mail("sender@site.test")
        return smtp.rcpt(recipient)[0] == 250


async def seen(node: Node, wanted: Callable[[SiteView], bool], what: str) -> SiteView:
    async def look() -> SiteView | None:
        try:
            view = await asyncio.to_thread(client(node).site)
        except (ApiError, NotRunning):
            return None
        return view if wanted(view) else None

    return await until(look, f"{node.name}: {what}")


async def acts(node: Node, recipient: str, taken: bool = True) -> None:
    """Wait until mail for a recipient is taken, or refused."""

    async def look() -> bool:
        return await asyncio.to_thread(takes, node, recipient) is taken

    await until(look, f"{node.name} {'takes' if taken else 'refuses'} mail for {recipient}")


async def change(node: Node, edit: Edit, *, alone: bool = False) -> SiteVersionView:
    """An operator's change of what is in force."""
    view = await seen(node, lambda view: view.head is not None, "has a first version")
    assert view.head is not None
    document = msgspec.json.decode(msgspec.json.encode(view.document), type=Document)
    edit(document)
    wanted = ChangeSite(document, view.head.id, "", (), alone)
    return await asyncio.to_thread(client(node).change_site, wanted)


def add(name: str, **settings: object) -> Edit:
    def edit(document: Document) -> None:
        users = document["users"]
        assert isinstance(users, dict)
        users[name] = settings

    return edit


def archive(document: Document) -> None:
    document["routes"] = {"*": {"transport": "mailbox", "mailbox": "archive"}}


async def test_a_change_acts_on_both_nodes_and_outlives_the_one_it_was_made_on(
    tmp_path: Path,
) -> None:
    async with (
        NextHop("127.0.0.1") as hop,
        Cluster(tmp_path, Settings(hop=hop.address)) as cluster,
    ):
        a, b = cluster.nodes
        processes = [node.service(name) for node in cluster.nodes for name in SERVICES]
        await acts(b, "carol@site.test", taken=False)
        before = await change(a, add("carol"))
        for node in (a, b):
            await acts(node, "carol@site.test")
        await change(b, archive)
        # On both: the delivery process of either node files what goes elsewhere.
        for node in (a, b):
            with smtplib.SMTP(*node.smtp) as smtp:
                smtp.sendmail("x@site.test", "y@else.test", b"Subject: archived\r\n\r\n")

        async def both_archived() -> bool:
            boxes = await asyncio.to_thread(client(b).mailboxes)
            return {one.name: one.messages for one in boxes} == {"archive": 2}

        await until(both_archived, "both messages in the archive")
        assert not hop.sink.seen
        assert [node.service(name) for node in cluster.nodes for name in SERVICES] == processes
        a.kill()
        await b.is_("solo")
        assert takes(b, "carol@site.test")
        with pytest.raises(ApiError, match="the pair is solo"):
            await change(b, add("dave"))
        a.start()
        await cluster.paired()
        assert takes(a, "carol@site.test")
        assert told(a, Event.SITE_FILE_IGNORED)[0]["version"] == 3
        view = await seen(a, lambda view: view.head is not None, "knows the site")
        assert view.head is not None
        assert view.head.number == 3
        assert view.file_differs
        # Back to the version before carol was added.
        old = await asyncio.to_thread(client(b).site_version, before.parent)
        await asyncio.to_thread(client(b).change_site, ChangeSite(old.document, view.head.id))
        for node in (a, b):
            await acts(node, "carol@site.test", taken=False)
        await at_rest(cluster)
        for node in cluster.nodes:
            no_bad_signs(node)
        same_on_disk(cluster, tmp_path)


async def test_two_changes_in_a_split_are_head_and_branch(tmp_path: Path) -> None:
    *nodes, between = addresses(3)
    async with (
        NextHop("127.0.0.1") as hop,
        Cable(between, *nodes) as cable,
        Cluster(tmp_path, Settings(hop=hop.address, addresses=nodes, peers=cable.peers)) as cluster,
    ):
        a, b = cluster.nodes
        for node in cluster.nodes:
            await seen(node, lambda view: view.head is not None, "has a first version")
        cable.cut()
        for node in cluster.nodes:
            await node.is_("solo")
        await change(a, add("carol", disabled=True), alone=True)
        await change(b, add("dave"), alone=True)
        await acts(a, "carol@site.test")
        await acts(a, "dave@site.test", taken=False)
        await acts(b, "dave@site.test")
        cable.mend()
        await cluster.paired()
        views = [
            await seen(node, lambda view: bool(view.branches), "has a branch") for node in (a, b)
        ]
        assert views[0].head == views[1].head
        assert views[0].branches == views[1].branches
        head, (branch,) = views[0].head, views[0].branches
        assert head is not None
        loser = "carol" if branch.node == "a" else "dave"
        for node in (a, b):
            status = await node.sees(lambda status: bool(status.alarms), "an alarm")
            assert "site_branched" in [alarm.name for alarm in status.alarms]
            assert told(node, Event.SITE_BRANCHED)[0]["version"] == branch.number
            await acts(node, f"{loser}@site.test", taken=False)
        # An operator takes the other side's user, too.
        view = views[0]
        document = msgspec.json.decode(msgspec.json.encode(view.document), type=Document)
        add(loser)(document)
        settled = ChangeSite(document, head.id, "both", (branch.id,))
        await asyncio.to_thread(client(a).change_site, settled)
        for node in (a, b):
            for user in ("carol", "dave"):
                await acts(node, f"{user}@site.test")
            await seen(node, lambda view: not view.branches, "has no branch any more")
        await at_rest(cluster)
        same_on_disk(cluster, tmp_path)
