"""What keeps the site of two nodes one and the same is needed: without it a plan fails."""

from __future__ import annotations

import pytest

from appliance.replica import registers, site_versions
from appliance.replica.site_versions import SiteVersion
from appliance.spool import snapshot
from appliance.spool.site import SiteStore
from tests.sim.mutation import Mutation, plan, put
from tests.sim.play import Failure

_merge = SiteStore._add


def only_what_is_stronger(store: SiteStore, version: SiteVersion) -> None:
    head = store.lineage.head
    if head is None or site_versions.header(version).strength > head.strength:
        _merge(store, version)


MUTATIONS = [
    Mutation(
        "versions that do not apply are kept",
        put(SiteStore, "_add", only_what_is_stronger),
        plan("site apart"),
    ),
    Mutation(
        "of two registers the later one wins, not the one that comes last",
        put(registers, "merged", lambda one, other: other),
        plan("site apart"),
    ),
    Mutation(
        "the site in a snapshot",
        put(snapshot, "site_parts", lambda *_: iter(())),
        plan("site and disks"),
    ),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_missed(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation.patch(monkeypatch)
    with pytest.raises(Failure):
        mutation.proof()
