"""This node's own settings over the control API: read, checked, and changed as text."""

from __future__ import annotations

import asyncio
from typing import Protocol

from aiohttp import web

from appliance.config.document import ConfigError, parse
from appliance.config.node import NodeSettings
from appliance.config.plain import sparse
from appliance.config.site_document import changes
from appliance.control.audit import note
from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json, decoded, wrong_text
from appliance.control.roles import Role
from appliance.control.schema_node import ChangeNode, CheckNode, NodeDraft, NodeText
from appliance.control.schema_site import SettingChange
from appliance.mail.reply import Refused, Reply

_FIXED = ("paths", "alerts.command", "console.group")
"""Where the data are: who looks elsewhere finds none. And what would give people a shell."""


class NodeFile(Protocol):
    """node.toml. Everything may raise OSError."""

    def suits(self, settings: NodeSettings) -> None:
        """Raises ConfigError if services would not start with these."""

    def text(self) -> str:
        """What it says."""

    def before(self) -> str:
        """What it said before the last `replace`, "" if there was none."""

    def replace(self, text: str) -> None:
        """Have it say `text`; durable when this returns."""

    def apply(self) -> None:
        """Have all services start anew with it, soon."""


class NodeSettingsApi:
    """The handlers."""

    def __init__(self, file: NodeFile) -> None:
        self._file = file
        self._changing = asyncio.Lock()

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        path, chief = "/node/settings", Role.ADMINISTRATOR
        handlers.get(path, self.text, Role.VIEWER)
        handlers.post(f"{path}/check", self.check, chief, "check a draft of node.toml")
        handlers.post(path, self.change, chief, "change node.toml")

    async def text(self, request: web.Request) -> web.Response:
        text, before = await asyncio.to_thread(lambda: (self._file.text(), self._file.before()))
        return as_json(NodeText(text=text, before=before))

    async def check(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), CheckNode)
        return as_json(await asyncio.to_thread(lambda: self._draft(self._file.text(), body.text)))

    async def change(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), ChangeNode)
        async with self._changing:
            if await asyncio.to_thread(self._file.text) != body.before:
                hint = "look at what it says now, and change that"
                raise Refused(Reply(450, "4.3.0", "somebody else changed it meanwhile"), hint)
            draft = await asyncio.to_thread(self._draft, body.before, body.text)
            note(request, changed=", ".join(one.key for one in draft.changes))
            await asyncio.to_thread(self._file.replace, body.text)
        self._file.apply()
        return as_json(draft)

    def _draft(self, before: str, text: str) -> NodeDraft:
        """Raises BadRequest."""
        try:
            settings = parse(text, NodeSettings, "node.toml")
            self._file.suits(settings)
        except ConfigError as error:
            raise wrong_text(error) from None
        after = sparse(settings)
        try:
            now = sparse(parse(before, NodeSettings, "node.toml"))
        except ConfigError:  # somebody broke it with an editor: all of it is new
            now = {}
        assert isinstance(now, dict)
        assert isinstance(after, dict)
        found = tuple(
            SettingChange(key=one.key, before=one.before, after=one.after)
            for one in changes(now, after)
        )
        for one in found if now else ():
            if any(one.key == key or one.key.startswith(f"{key}.") for key in _FIXED):
                hint = "leave it as it is: whoever may change it has a shell"
                raise BadRequest(f"{one.key} is not changed from here", hint)
        return NodeDraft(text=text, changes=found)
