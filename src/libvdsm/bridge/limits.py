"""What one identity may use: counters by identity, asked before the work is done and told when it is over.

A refusal is one ``LimitExceeded`` per limit, made once, so that saying no costs no more than saying yes. Administrators on
the unix socket have no bound on rate and connections: whoever sits at the machine is always answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from math import inf
from typing import NoReturn

from libvdsm.interfaces.caller import Caller, is_stranger
from libvdsm.interfaces.generated.errors import LimitExceeded, NotAuthenticated

_ADMINISTRATOR = "administrator"
_ANONYMOUS = "anonymous"
_NETWORK_BITS = 64
_NO_BOUND = 2**31
#: So many accounts are kept before those that owe nothing are forgotten.
_PRUNE_AT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityLimits:
    """What one identity may use at a time; 0 for the rate means that it has no bound."""

    connections: int = 1_000
    requests_per_s: int = 100_000
    requests_burst: int = 200_000
    requests_in_flight: int = 4_000
    subscriptions: int = 1_000
    tasks: int = 500
    upload_octets: int = 64 * 1024**3

    def __post_init__(self) -> None:
        counts = (self.connections, self.requests_in_flight, self.subscriptions, self.tasks, self.upload_octets)
        if min(counts) < 1 or self.requests_per_s < 0 or self.requests_burst < 1:
            msg = "limits must be positive"
            raise ValueError(msg)


def is_local_administrator(caller: Caller) -> bool:
    """Whether somebody administers from this very machine: what is reserved is reserved for them."""
    return caller.source == "unix" and _ADMINISTRATOR in caller.roles


def network(address: str) -> str:
    """Whose an address is: IPv6 has whole networks for one host (RFC 4291, 2.5.1)."""
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    inner = parsed.ipv4_mapped
    return str(inner) if inner is not None else str(IPv6Address(int(parsed) >> _NETWORK_BITS << _NETWORK_BITS))


class Tally:
    """How much of one thing is in use, and how much may be."""

    __slots__ = ("maximum", "refusal", "used")

    def __init__(self, limit: str, maximum: int) -> None:
        self.maximum = maximum
        self.used = 0
        self.refusal = LimitExceeded(limit=limit, maximum=maximum)

    def has_room(self, count: int = 1) -> bool:
        """Whether ``take`` would succeed."""
        return self.used + count <= self.maximum

    def take(self, count: int = 1) -> None:
        """Use more; raises ``LimitExceeded`` and uses nothing if that is too much."""
        if self.used + count > self.maximum:
            self.refuse()
        self.used += count

    def give(self, count: int = 1) -> None:
        """Use less."""
        self.used -= count

    def refuse(self) -> NoReturn:
        """Raise the refusal."""
        raise self.refusal.with_traceback(None) from None


class Account:
    """What one identity uses."""

    __slots__ = (
        "_burst",
        "_filled_at",
        "_most_in_flight",
        "_now",
        "_rate",
        "connections",
        "flight_refusal",
        "left",
        "rate_refusal",
        "room",
        "subscriptions",
        "tasks",
        "uploads",
    )

    def __init__(self, limits: IdentityLimits, now: Callable[[], float], *, is_local: bool = False) -> None:
        self._now = now
        self._rate = 0 if is_local else limits.requests_per_s
        self._burst = limits.requests_burst
        self._filled_at = now()
        #: Requests that may be made before the clock is looked at: take one, and ask ``refill`` below nothing.
        self.left: float = limits.requests_burst if self._rate else inf
        self.rate_refusal = LimitExceeded(limit="requests in a second", maximum=limits.requests_per_s)
        self.connections = Tally("connections of an identity", _NO_BOUND if is_local else limits.connections)
        #: Requests that may still be begun; hot paths count for themselves, and refuse with ``flight_refusal``.
        self.room = limits.requests_in_flight
        self.flight_refusal = LimitExceeded(limit="requests in flight of an identity", maximum=limits.requests_in_flight)
        self._most_in_flight = limits.requests_in_flight
        self.subscriptions = Tally("subscriptions of an identity", limits.subscriptions)
        self.tasks = Tally("tasks under way of an identity", limits.tasks)
        self.uploads = Tally("octets under way of an identity", limits.upload_octets)

    def spend(self) -> bool:
        """Take one request from the bucket; whether there was one. Hot paths do the same in place."""
        self.left -= 1
        return self.left >= 0 or self.refill()

    def refill(self) -> bool:
        """The bucket is empty: put in what has come since, and take one; whether there was one.

        The clock is looked at only here, so a burst may be up to twice as large after a pause.
        """
        now = self._now()
        come = (now - self._filled_at) * self._rate
        if come < 1:
            self.left = -1
            return False
        self._filled_at = now
        self.left = min(self._burst, come) - 1
        return True

    def is_idle(self) -> bool:
        """Whether nothing of it is in use, and its bucket would be full."""
        tallies = (self.connections, self.subscriptions, self.tasks, self.uploads)
        if self.room < self._most_in_flight or any(tally.used for tally in tallies):
            return False
        return not self._rate or (self._now() - self._filled_at) * self._rate >= self._burst


class Accounts:
    """The accounts of all identities.

    Who proved nothing has that of his address: otherwise one such client could use up what all others need until they have logged in.
    """

    def __init__(self, limits: IdentityLimits, now: Callable[[], float]) -> None:
        """``now`` counts seconds and never goes back."""
        self._limits = limits
        self._now = now
        self._accounts: dict[tuple[str, bool, str], Account] = {}
        self._prune_at = _PRUNE_AT

    def of(self, caller: Caller) -> Account:
        """The account of whoever calls: one for all connections of an identity, or of an address that is all we know."""
        key = (caller.identity, is_local_administrator(caller), network(caller.address) if caller.source == _ANONYMOUS else "")
        account = self._accounts.get(key)
        if account is None:
            if len(self._accounts) >= self._prune_at:
                self._accounts = {key: each for key, each in self._accounts.items() if not each.is_idle()}
                self._prune_at = max(_PRUNE_AT, 2 * len(self._accounts))
            account = self._accounts[key] = Account(self._limits, self._now, is_local=key[1])
        return account

    def subscribe(self, caller: Caller) -> Callable[[], None]:
        """Count a subscription of whoever calls; answers how its end is told. Raises ``LimitExceeded``.

        Who proved nothing has none: over a road that greets everybody he would keep queues of his own, in memory that all share.
        """
        if is_stranger(caller):
            raise NotAuthenticated(reason="nobody logged in")
        tally = self.of(caller).subscriptions
        tally.take()
        return tally.give

    @property
    def known(self) -> int:
        """How many identities are known."""
        return len(self._accounts)
