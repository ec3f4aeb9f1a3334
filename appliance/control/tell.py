"""Tells people of alerts: a command, and mail to the postmaster.

What was told is noted in the alert, and written down: so a restart tells nobody again, and what
could not be told is tried again. The command does not wait for mail, nor mail for the command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from appliance.config.alerts import AlertSettings
from appliance.control import alert_command
from appliance.control.watch import Watch
from appliance.mail.reply import Refused
from appliance.mail.views import Unavailable
from appliance.monitor.alerts.engine import Alert, Channel, Key
from appliance.monitor.alerts.notice import message, notice
from appliance.monitor.alerts.table import RULES
from appliance.monitor.events import Emit, Event

_SETTLE = 10.0
"""Seconds in which more may come that is told in the same message."""
_BETWEEN = 300.0
"""Seconds between two messages: 12 an hour are the most."""
_AGAIN = 60.0
"""Seconds until what failed is tried again."""
_SHARED = frozenset(rule.name for rule in RULES if rule.shared)


class Postmaster(Protocol):
    """The mail process. Raises Unavailable, Refused."""

    async def tell_postmaster(self, content: bytes) -> str:
        """Accept a message for the postmaster; its queue id."""


@dataclass(frozen=True)
class Letterhead:
    """What is on each message. `domain` is the site's first; `wall` milliseconds since 1970."""

    node: str
    domain: Callable[[], str]
    wall: Callable[[], int]
    token: Callable[[], str]


class Teller:
    """Tells of the alerts of `watch`. `left_to_peer`: keys that the other node tells of."""

    def __init__(
        self,
        watch: Watch,
        settings: AlertSettings,
        letterhead: Letterhead,
        postmaster: Postmaster,
        left_to_peer: Callable[[], frozenset[Key]],
        emit: Emit,
    ) -> None:
        self._watch = watch
        self._settings = settings
        self._letterhead = letterhead
        self._postmaster = postmaster
        self._left_to_peer = left_to_peer
        self._emit = emit

    @staticmethod
    def channels(settings: AlertSettings) -> frozenset[Channel]:
        """On which ways somebody is told."""
        mail = {Channel.MAIL} if settings.mail else set()
        return frozenset(mail | ({Channel.COMMAND} if settings.command else set()))

    async def run_commands(self) -> None:
        """Run the command for each alert, one after the other, until cancelled."""
        while True:
            waiting = self._watch.engine.untold(Channel.COMMAND)
            done = [await self.command(alert) for alert in waiting]
            await asyncio.sleep(1.0 if all(done) else _AGAIN)

    async def run_mail(self) -> None:
        """Send messages, until cancelled."""
        while True:
            if not self._watch.engine.untold(Channel.MAIL):
                await asyncio.sleep(1.0)
                continue
            await asyncio.sleep(_SETTLE)
            await asyncio.sleep(_BETWEEN if await self.mail() else _AGAIN)

    async def command(self, alert: Alert) -> bool:
        """Run the command for an alert; True if it is told."""
        said = msgspec.json.encode(notice(self._letterhead.node, alert))
        try:
            await alert_command.run(self._settings.command, said, self._settings.timeout.seconds)
        except alert_command.CommandFailed as error:
            self._emit(Event.ALERT_NOT_TOLD, name=alert.name, by="command", error=str(error))
            return False
        await self._told(Channel.COMMAND, [alert])
        return True

    async def mail(self) -> bool:
        """Send one message about everything that is untold; True if nothing is left."""
        untold = self._watch.engine.untold(Channel.MAIL)
        theirs = self._left_to_peer()
        ours = [one for one in untold if one.name not in _SHARED or one.key not in theirs]
        if ours:
            head = self._letterhead
            address = f"postmaster@{head.domain()}"
            content = message(head.node, address, address, ours, head.wall(), head.token())
            try:
                queue_id = await self._postmaster.tell_postmaster(content)
            except (Unavailable, Refused) as error:
                self._emit(Event.ALERT_NOT_TOLD, name=ours[0].name, by="mail", error=str(error))
                return False
            self._emit(Event.ALERT_MAILED, queue_id, alerts=len(ours))
        await self._told(Channel.MAIL, untold)
        return True

    async def _told(self, channel: Channel, alerts: Sequence[Alert]) -> None:
        self._watch.engine.was_told(channel, alerts)
        await self._watch.write()
