"""The control API's messages about this node's own settings, node.toml."""

from __future__ import annotations

import msgspec

from appliance.control.schema_site import SettingChange


class NodeText(msgspec.Struct, frozen=True, kw_only=True):
    """What node.toml says; `before`: what it said before the last change here, "" without one."""

    text: str
    before: str


class CheckNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings as TOML, to be checked and compared; nothing is changed."""

    text: str


class NodeDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A text that could become node.toml, and what it would change."""

    text: str
    changes: tuple[SettingChange, ...]


class ChangeNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings as TOML that take the place of `before`, which is what node.toml says."""

    text: str
    before: str
