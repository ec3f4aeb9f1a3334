"""How reports ask both nodes, and the job that makes one a week."""

from __future__ import annotations

import aiohttp

from appliance.control.own_api import OwnApi
from appliance.control.peer import Peer
from appliance.control.report_seen import Ask
from appliance.control.reporter import Reporter
from appliance.control.roles import Role, Who
from appliance.jobs.plan import DAY, Plan
from appliance.jobs.scheduler import Job, JobFailed
from appliance.mail.views import Unavailable

REPORTER = Who("the report", Role.VIEWER)


def asks_own(own: OwnApi) -> Ask:
    """Asks this node."""

    async def ask(path: str) -> bytes:
        try:
            async with own.request("GET", path, b"", REPORTER) as response:
                body = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"the control API does not answer: {error}") from error
        if response.status >= 300:
            raise Unavailable(f"{path}: {response.status}")
        return body

    return ask


def asks_peer(peer: Peer) -> Ask:
    """Asks the other node."""

    async def ask(path: str) -> bytes:
        return await peer.request("GET", path, who=REPORTER)

    return ask


def report_job(reporter: Reporter) -> Job:
    """Makes the weekly report."""

    async def run() -> str:
        try:
            return await reporter.weekly()
        except OSError as error:
            raise JobFailed(f"no report: {error}", "look at the disk") from error

    return Job("report", "makes the weekly health report", Plan(7 * DAY, first=7 * DAY), run)
