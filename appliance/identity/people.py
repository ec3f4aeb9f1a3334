"""The users of the site as they are now: who may log in, and send as whom."""

from __future__ import annotations

from appliance.config.live import Site
from appliance.config.site import SiteSettings
from appliance.config.units import LocalName, Wrong
from appliance.identity.credential import CREDENTIALS, DISABLED, Credential, decoded
from appliance.mail.address import canonical, domain_key, split


class People:
    """Asks the site each time: what changes there applies to the next login and the next mail."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._senders: dict[str, frozenset[str]] = {}
        site.watch(self._changed)

    def name(self, login: str) -> str:
        """The user who is meant: "bob", "BOB" and "bob@" a domain of the site are one.

        Somebody is meant, too, who is not there. "": nobody can be.
        """
        local, domain = split(login)
        if domain and domain_key(login) not in self._site.current.domains:
            return ""
        try:
            return str(LocalName.parse((local if domain else login).lower()))
        except Wrong:
            return ""

    @property
    def check_from(self) -> bool:
        """Whether users need a right to the addresses in From, too."""
        return self._site.current.submission.check_from

    def known(self, name: str) -> bool:
        """Whether there is such a user."""
        return name in self._site.current.users

    def credential(self, name: str) -> Credential | None:
        """What is kept of the user's password; None for whoever has none, or is not there."""
        value = self._site.registers(CREDENTIALS).get(name)
        if value is None or name not in self._site.current.users:
            return None
        return decoded(value)

    def active(self, name: str) -> bool:
        """Whether the user is there, and not disabled."""
        user = self._site.current.users.get(name)
        return user is not None and not user.disabled and name not in self._site.registers(DISABLED)

    def may_send_as(self, name: str, sender: str) -> bool:
        """Whether the user may use the address `sender`."""
        if name not in self._site.current.users:
            return False
        allowed = self._senders.get(name)
        if allowed is None:
            allowed = self._senders[name] = self._site.current.senders(name)
        return "*" in allowed or canonical(sender) in allowed or f"@{domain_key(sender)}" in allowed

    def _changed(self, settings: SiteSettings) -> None:
        self._senders.clear()
