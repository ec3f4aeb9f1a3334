"""What a node itself tells the postmaster: accepted, replicated and delivered like all mail."""

from __future__ import annotations

from collections.abc import Callable

from appliance.config.live import Site
from appliance.ipc.mail import FiledMail, TellPostmasterCall
from appliance.mail.aliases import Aliases
from appliance.mail.envelope import Envelope, Recipient
from appliance.spool.intake import SpoolIntake


class ToPostmaster:
    """Takes such messages. `clock`: milliseconds since 1970."""

    def __init__(self, intake: SpoolIntake, site: Site, clock: Callable[[], int]) -> None:
        self._intake = intake
        self._site = site
        self._clock = clock

    async def take(self, call: TellPostmasterCall) -> FiledMail:
        """Durable when this returns; raises Refused, OSError.

        From nobody, and nobody is told of its end (RFC 5321 §4.5.5): so it can start no loop.
        """
        site = self._site.current
        address = f"postmaster@{site.domains[0]}"
        envelope = Envelope(
            sender="",
            recipients=Aliases(site.expansion()).expand((Recipient(address, ("NEVER",)),)),
            body="8BITMIME",
            smtputf8=not address.isascii(),
            received_at=self._clock(),
        )
        queue_id = self._intake.new_queue_id()
        await self._intake.accept(queue_id, envelope, call.content)
        return FiledMail(queue_id)
