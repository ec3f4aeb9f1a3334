"""The control API's messages about updates."""

from __future__ import annotations

import msgspec


class UpdateView(msgspec.Struct, frozen=True, kw_only=True):
    """An update of one node: from release `old` to `new` ("" until it is known).

    `phase`: requested, verifying, installing, stopping, migrating, switching, trial, keeping, going
    back; at the end done, failed (nothing was changed) or back. Times are seconds since 1970, by
    that node's clock.
    """

    phase: str
    over: bool
    old: str
    new: str
    by: str
    began: int
    changed: int
    text: str
    error: str
    hint: str


class RollView(msgspec.Struct, frozen=True, kw_only=True):
    """The update of the pair to release `release`, one node after the other.

    `phase`: running, stopped (`error` says why; it can go on) or done. `text`: what is going on.
    `first`: the name of the node that is updated first. `began`: seconds since 1970. `started`: by
    node, when its update began by its clock; `nodes`: what each node runs.
    """

    phase: str
    release: str
    bundle: str
    first: str = ""
    by: str = ""
    began: int = 0
    text: str = ""
    error: str = ""
    hint: str = ""
    started: dict[str, int] = {}
    nodes: dict[str, str] = {}


class FoundBundle(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle on a stick: `folder` and `name` are its file; `problem`: why it can't be used here.

    `release` and `notes` only if it is whole and signed by the key that this node trusts.
    """

    folder: str
    name: str
    size: int
    release: str = ""
    notes: str = ""
    problem: str = ""
    hint: str = ""


class Updates(msgspec.Struct, frozen=True, kw_only=True):
    """What this node runs, and how its updates stand.

    `managed`: it can be updated by the API; else a bundle's installer does it, or nobody. `before`:
    the release that `rollback` would use, "" if there is none. `received`: the digest of the bundle
    that was sent here, "" if there is none.
    """

    node: str
    release: str
    managed: bool
    update: UpdateView | None
    roll: RollView | None
    before: str = ""
    received: str = ""


class Bundles(msgspec.Struct, frozen=True):
    """Bundles on sticks that are mounted."""

    bundles: tuple[FoundBundle, ...]


class BundlePart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of a bundle that is sent: `digest` is the SHA-256 of all of it, in hex."""

    digest: str
    size: int
    offset: int
    data: bytes


class ChosenBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Update from a bundle on a stick, or from the one that was sent (`folder` and `name` empty).

    `while_alone`: also without the other node, which for the pair means nothing.
    """

    folder: str = ""
    name: str = ""
    while_alone: bool = False
