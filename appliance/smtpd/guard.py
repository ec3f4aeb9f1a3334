"""The site's policy at work: restrictions, rates and verification, and how often they refused."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

from appliance.config.policy import PolicySettings, RateSettings
from appliance.mail.networks import Networks, group
from appliance.mail.rates import Rates
from appliance.mail.reply import Reply
from appliance.mail.restrictions import Action, Attempt, Decision, Reason, Restrictions
from appliance.mail.views import PolicyView, VerificationView
from appliance.smtpd.verifier import Verifier

TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "Too many connections from your address in a minute")
TOO_MUCH_MAIL = Reply(450, "4.7.1", "Too much mail, try again later")
TOO_MANY_RECIPIENTS = Reply(450, "4.7.1", "Too many recipients, try again later")
_MINUTE = 60_000_000_000  # nanoseconds
_HOUR = 60 * _MINUTE


class Guard:
    """One for all connections. `clock` counts nanoseconds and never steps back."""

    def __init__(
        self, clock: Callable[[], int] = time.monotonic_ns, verifier: Verifier | None = None
    ) -> None:
        """Without `verifier` no recipient is verified; restricts nothing until configured."""
        self._clock = clock
        self._verifier = verifier
        self._refused: Counter[str] = Counter()
        self._held = self._discarded = 0
        self._restrictions = Restrictions()
        self._exempt = Networks()
        self._greet_wait = 0.0
        self._limits = RateSettings()
        self._set_rates(self._limits)

    def configure(
        self, settings: PolicySettings, restrictions: Restrictions, relay_networks: Iterable[str]
    ) -> None:
        """From the next command on; what was counted against rates that stay counts on."""
        self._restrictions = restrictions
        self._greet_wait = settings.greet_wait.seconds
        limits = settings.rates
        self._exempt = Networks((*relay_networks, *settings.allowed_clients, *limits.exempt))
        if limits != self._limits:
            self._limits = limits
            self._set_rates(limits)

    def _set_rates(self, limits: RateSettings) -> None:
        self._connections = _rates((limits.connections_per_minute, _MINUTE))
        self._messages = _rates((limits.messages_per_minute, _MINUTE))
        self._recipients = _rates(
            (limits.recipients_per_minute, _MINUTE), (limits.recipients_per_hour, _HOUR)
        )
        self._user_messages = _rates((limits.user_messages_per_minute, _MINUTE))
        self._user_recipients = _rates((limits.user_recipients_per_hour, _HOUR))

    # What may be done

    def greet_wait(self, client: str) -> float:
        """Seconds of silence that are expected of `client` before its greeting."""
        return 0.0 if not self._greet_wait or client in self._exempt else self._greet_wait

    def connection(self, client: str) -> Reply | None:
        """Count a connection; or why there may be none now."""
        return self._count(self._connections, client, TOO_MANY_CONNECTIONS)

    def message(self, client: str, user: str) -> Reply | None:
        """Count a message; or why there may be none now."""
        if user:
            return self._count_user(self._user_messages, user, TOO_MUCH_MAIL)
        return self._count(self._messages, client, TOO_MUCH_MAIL)

    def decide(self, attempt: Attempt, recipient: str) -> Decision | None:
        """What becomes of a recipient; None: it may be taken, and was counted."""
        decision = self._restrictions.decide(attempt, recipient)
        if decision is None or decision.reply is None:
            refusal = self._hurry(attempt)
            if refusal is not None:
                return Decision(Action.DEFER, Reason.RATE, refusal)
        if decision is not None:
            self._note(decision)
        return decision

    def verifies(self, recipient: str) -> bool:
        """Whether `recipient` is to be verified."""
        return self._verifier is not None and self._verifier.concerns(recipient)

    @property
    def patience(self) -> float:
        """Seconds that may be waited for verification for one message."""
        return self._verifier.patience if self._verifier is not None else 0.0

    async def verified(self, recipient: str, seconds: float) -> Reply | None:
        """Why the next hop does not take `recipient`, None if it does; waits no longer."""
        assert self._verifier is not None
        refusal = await self._verifier.refusal(recipient, seconds)
        if refusal is not None:
            self.refused(Reason.UNVERIFIED)
        return refusal

    # How often

    def refused(self, reason: Reason) -> None:
        """Count a refusal."""
        self._refused[reason] += 1

    def view(self) -> PolicyView:
        """What was done since the start."""
        rates = (
            *self._connections,
            *self._messages,
            *self._recipients,
            *self._user_messages,
            *self._user_recipients,
        )
        return PolicyView(
            refused=dict(sorted(self._refused.items())),
            held=self._held,
            discarded=self._discarded,
            tracked=max(map(len, rates), default=0),
            verification=self._verifier.view() if self._verifier else VerificationView(),
        )

    def _note(self, decision: Decision) -> None:
        if decision.action is Action.HOLD:
            self._held += 1
        elif decision.action is Action.DISCARD:
            self._discarded += 1
        else:
            self.refused(decision.reason)

    def _hurry(self, attempt: Attempt) -> Reply | None:
        if attempt.user:
            return self._count_user(self._user_recipients, attempt.user, TOO_MANY_RECIPIENTS)
        return self._count(self._recipients, attempt.client, TOO_MANY_RECIPIENTS)

    def _count(self, rates: tuple[Rates, ...], client: str, refusal: Reply) -> Reply | None:
        if not rates or client in self._exempt:
            return None
        return self._take(rates, group(client), refusal)

    def _count_user(self, rates: tuple[Rates, ...], user: str, refusal: Reply) -> Reply | None:
        return self._take(rates, user, refusal) if rates else None

    def _take(self, rates: tuple[Rates, ...], key: str, refusal: Reply) -> Reply | None:
        now = self._clock()
        if not all(rate.fits(key, now) for rate in rates):
            self.refused(Reason.RATE)
            return refusal
        for rate in rates:
            rate.take(key, now)
        return None


def _rates(*limits: tuple[int | None, int]) -> tuple[Rates, ...]:
    return tuple(Rates(limit, period) for limit, period in limits if limit is not None)
