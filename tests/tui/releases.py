"""Releases, bundles and updates, as the console could get them."""

from __future__ import annotations

from appliance.control.schema_updates import Bundles, FoundBundle, RollView, Updates, UpdateView

NOTES = """# Changes

## 1.3.0
- Mail about \x1b[31mcolours\x1b[0m is shown without them.
- The queue can be sorted by size.
"""
UPDATE = UpdateView(
    phase="back",
    over=True,
    old="1.2.3",
    new="1.2.4",
    by="anna",
    began=1_790_000_000,
    changed=1_790_000_300,
    text="release 1.2.3 is in use again",
    error="release 1.2.4 does not do its work: it ends again and again",
    hint="see the node's logs of that time; the pair goes on with the release before",
)
ROLL = RollView(
    phase="running",
    release="1.3.0",
    bundle="d" * 64,
    first="b",
    by="anna",
    began=1_790_000_400,
    text="b: release 1.3.0 starts",
    nodes={"a": "1.2.3", "b": "1.3.0"},
)
UPDATES = Updates(
    node="a", release="1.2.3", managed=True, update=UPDATE, roll=ROLL, before="1.2.2", received=""
)
BUNDLES = Bundles(
    (
        FoundBundle(
            folder="/media/twinpost/sdb1",
            name="twinpost-1.3.0-debian13-amd64.bundle",
            size=48_000_000,
            release="1.3.0",
            notes=NOTES,
        ),
        FoundBundle(
            folder="/media/twinpost/sdb1",
            name="twinpost-\u202e1.4.0.bundle",
            size=47_000_000,
            problem="the bundle is signed by another key than the one trusted here",
            hint="do not use it; ask who made it",
        ),
    )
)
ANSWERS: dict[str, object] = {"/machine/updates": UPDATES, "/machine/bundles": BUNDLES}
