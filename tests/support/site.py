"""A stand-in for the site of a pair: versions in memory, changed by the rules of the spool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from appliance.config.site_document import decoded, in_force, raw
from appliance.mail.reply import Refused, Reply
from appliance.mail.views import SiteDocument, SiteVersionView, SiteView
from appliance.replica.site_versions import Header, Lineage, SiteVersion, first, header


class MemorySite:
    """Reads (`control.site.SiteReader`) and changes (`SiteCommands`) of one and the same site."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self.versions: dict[bytes, SiteVersion] = {}
        self.problem = ""
        self.file_differs = False
        self.add(first(msgspec.json.encode(document, order="sorted")))

    @property
    def lineage(self) -> Lineage:
        return Lineage(map(header, self.versions.values()))

    @property
    def head(self) -> Header:
        found = self.lineage.head
        assert found is not None
        return found

    def add(self, version: SiteVersion) -> str:
        """A version, from wherever; its id."""
        id_ = header(version).id
        self.versions[id_] = version
        return id_.hex()

    def view(self, names: Mapping[str, str]) -> SiteView:
        lineage = self.lineage
        branches = [decoded(self.versions[one.id].document, "x") for one in lineage.branches]
        settings = in_force(decoded(self.versions[self.head.id].document, "x"), branches)
        document = raw(self.versions[self.head.id].document, "x")
        if settings.users and any(one.disabled for one in settings.users.values()):
            users = {
                name: {"disabled": True} if one.disabled else {}
                for name, one in settings.users.items()
            }
            document = {**document, "users": users}
        return SiteView(
            head=_view(self.head, lineage, names),
            applied=self.head.id.hex(),
            problem=self.problem,
            branches=tuple(_view(one, lineage, names) for one in lineage.branches),
            document=document,
            file_differs=self.file_differs,
        )

    def history(self, names: Mapping[str, str]) -> Sequence[SiteVersionView]:
        lineage = self.lineage
        return [_view(one, lineage, names) for one in lineage]

    def version(self, wanted: str, names: Mapping[str, str]) -> SiteDocument:
        lineage = self.lineage
        for one in lineage:
            if wanted in ("head", str(one.number)) or one.id.hex().startswith(wanted):
                document = raw(self.versions[one.id].document, "x")
                return SiteDocument(version=_view(one, lineage, names), document=document)
        raise LookupError(f"there is no version {wanted!r} of the site")

    async def change_site(
        self,
        document: bytes,
        parent: str,
        by: str,
        comment: str,
        settles: Sequence[str],
        while_alone: bool,
    ) -> str:
        head = self.head
        if parent != head.id.hex():
            raise Refused(Reply(450, "4.3.0", "the site was changed meanwhile"), "look at it")
        ended = tuple(bytes.fromhex(one) for one in settles)
        number, at = head.number + 1, 1_700_000_000_000
        return self.add(SiteVersion(head.id, number, 0, b"n" * 8, by, at, comment, ended, document))


def _view(one: Header, lineage: Lineage, names: Mapping[str, str]) -> SiteVersionView:
    standing = "head" if one == lineage.head else "branch" if one in lineage.branches else ""
    return SiteVersionView(
        id=one.id.hex(),
        number=one.number,
        parent=one.parent.hex(),
        author=one.author,
        at=one.at,
        node=names.get(one.node.hex(), one.node.hex()),
        comment=one.comment,
        size=one.size,
        settles=tuple(settled.hex() for settled in one.settles),
        standing=standing,
    )
