"""Where is my mail: the events of both nodes and the spool, put together message by message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from appliance.control.events import Events, moment, number
from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json
from appliance.control.observer import Observer
from appliance.control.roles import Role
from appliance.control.schema_events import Tracked, TrackPage
from appliance.mail.views import IN_QUEUE, MessageStory, Unavailable
from appliance.monitor.events import Event
from appliance.monitor.log.entry import milliseconds
from appliance.monitor.log.told import EventPage, Told, Wanted

_DEFAULT, _MOST = 20, 100
_STEPS = 1_000
"""Events of one message."""
_OWNERS = (Event.ADOPTED, Event.HANDED_OVER, Event.TAKEN_OVER)
"""What may give a message, with many others, another owner while it waits."""


@dataclass(frozen=True)
class _Asked:
    """What is known of the mail, each "" if it is not; addresses and ids in lower case."""

    message_id: str
    sender: str
    recipient: str

    @property
    def text(self) -> str:
        """Something that stands in the event of each message that fits."""
        return self.message_id or self.sender or self.recipient

    def fits(self, event: Told) -> bool:
        """Whether the event of an acceptance is of such mail."""
        fields = event.fields
        to = fields.get("to")
        recipients = [str(one).lower() for one in to] if isinstance(to, list) else []
        return (
            self.message_id in ("", str(fields.get("message_id", "")).strip("<>").lower())
            and self.sender in ("", str(fields.get("sender", "")).lower())
            and (not self.recipient or self.recipient in recipients)
        )


class TrackApi:
    """The handler about tracking."""

    def __init__(self, events: Events, observer: Observer) -> None:
        self._events = events
        self._observer = observer

    def add_to(self, handlers: Handlers) -> None:
        """Add the route."""
        handlers.get("/track", self.track, Role.VIEWER)

    async def track(self, request: web.Request) -> web.Response:
        query = request.query
        if queue_id := query.get("id", ""):
            found = await self._message(queue_id, None)
            if found.accepted is None and not found.events and found.story is None:
                raise LookupError(f"nothing is known of {queue_id}")
            return as_json(TrackPage(messages=(found,)))
        asked = _asked(query)
        wanted = Wanted(
            events=(Event.SMTP_ACCEPTED,),
            since=moment(query, "since"),
            until=moment(query, "until"),
            text=asked.text,
        )
        limit = number(query, "limit", _DEFAULT, _MOST)
        page: EventPage = await self._events.ask(
            self._events.reader.page, wanted, limit, query.get("older", "")
        )
        messages = [
            await self._message(event.queue_id, event) for event in page.events if asked.fits(event)
        ]
        return as_json(
            TrackPage(messages=tuple(messages), older=page.older, searched_to=page.searched_to)
        )

    async def _message(self, queue_id: str, accepted: Told | None) -> Tracked:
        """Both nodes' events of a message and its story, as far as either goes back."""
        page: EventPage = await self._events.ask(
            self._events.reader.page, Wanted(queue_id=queue_id), _STEPS
        )
        if accepted is None:
            accepted = next(_accepted(page), None)
        story = await self._story(queue_id)
        moves = await self._moves(page.events, open_=story is not None and _waits(story))
        return Tracked(
            queue_id=queue_id,
            accepted=accepted,
            events=tuple(sorted([*page.events[::-1], *moves], key=lambda one: one.at)),
            story=story,
        )

    async def _moves(self, events: Sequence[Told], *, open_: bool) -> Sequence[Told]:
        """What moved all mail of a node, from the first of these to the last, or to now."""
        if not events:
            return ()
        wanted = Wanted(
            events=_OWNERS,
            since=milliseconds(events[-1].at),
            until=None if open_ else milliseconds(events[0].at) + 1,
        )
        page: EventPage = await self._events.ask(self._events.reader.page, wanted, _DEFAULT)
        return page.events

    async def _story(self, queue_id: str) -> MessageStory | None:
        try:
            return await self._observer.ask(self._observer.reader.message, queue_id)
        except (LookupError, Unavailable):
            return None


def _waits(story: MessageStory) -> bool:
    return any(one.status in IN_QUEUE for one in story.recipients)


def _accepted(page: EventPage) -> Iterator[Told]:
    return (one for one in page.events if one.event == Event.SMTP_ACCEPTED)


def _asked(query: Mapping[str, str]) -> _Asked:
    asked = _Asked(
        query.get("message_id", "").strip("<> ").lower(),
        query.get("sender", "").strip().lower(),
        query.get("recipient", "").strip().lower(),
    )
    if not asked.text:
        hint = "say id, message_id, sender or recipient"
        raise BadRequest("which mail?", hint)
    return asked
