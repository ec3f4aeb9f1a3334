"""Versions of the site as the console could get them."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.control.schema import SiteHistory
from appliance.control.schema_site import SettingChange, SiteDraft, SiteText
from appliance.mail.views import SiteVersionView


def version(number: int, author: str, comment: str, standing: str = "") -> SiteVersionView:
    """A version that its number tells."""
    return SiteVersionView(
        id=f"{number:064x}",
        number=number,
        parent=f"{number - 1:064x}",
        author=author,
        at=1_790_000_000_000 if author else 0,
        node="a",
        comment=comment,
        size=900,
        standing=standing,
        settles=(),
    )


VERSIONS = SiteHistory(
    (
        version(3, "anna", "the yard has another relay", "head"),
        version(4, "bert", "a new domain\x1b[2J", "branch"),
        version(2, "anna", ""),
        version(1, "", ""),
    )
)
CHANGES = (
    SettingChange(
        key='routes."yard.test".next_hops', before='["192.0.2.9:25"]', after='["192.0.2.8:25"]'
    ),
    SettingChange(key="users.jo.mailbox", before=None, after='"jo"'),
    SettingChange(key="limits.message_size", before='"10MiB"', after=None),
)
SITE: Mapping[str, object] = {
    "/site/history": VERSIONS,
    "/site/text": SiteText(text='domains = ["ship.test"]\n', parent="03"),
    **{
        f"/site/versions/{number:064x}/draft": SiteDraft(
            document={}, changes=CHANGES if number != 3 else (), parent="03"
        )
        for number in range(1, 5)
    },
}
