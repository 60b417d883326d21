"""What an identity may use: buckets, tallies, accounts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.bridge.limits import Account, Accounts, IdentityLimits, Tally
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.generated.errors import LimitExceeded, NotAuthenticated


class Clock:
    """Time by hand."""

    at = 0.0

    def now(self) -> float:
        """Seconds."""
        return self.at


def caller(identity: str, *, source: str = "certificate", roles: tuple[str, ...] = (), address: str = "") -> Caller:
    """One connection of an identity."""
    return Caller(identity=identity, source=source, roles=roles, rights=Rights(), address=address)


def stranger(address: str) -> Caller:
    """One connection of somebody who proved nothing."""
    return caller("anonymous", source="anonymous", address=address)


def test_a_tally_refuses_what_is_too_much_and_uses_nothing_of_it() -> None:
    """The refusal names limit and maximum; what was given back can be used again."""
    tally = Tally("tasks", 2)
    tally.take(2)
    with pytest.raises(LimitExceeded) as refused:
        tally.take()
    assert refused.value.params == {"limit": "tasks", "maximum": 2}
    assert (tally.used, tally.has_room()) == (2, False)
    tally.give()
    tally.take()


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(0, 200)), max_size=40), st.integers(1, 50), st.integers(1, 100))
def test_no_more_than_rate_and_burst(steps: list[tuple[float, int]], rate: int, burst: int) -> None:
    """In any time at most the rate and twice the burst is allowed, and whoever keeps below the rate is never refused."""
    clock = Clock()
    account = Account(IdentityLimits(requests_per_s=rate, requests_burst=burst), clock.now)
    allowed = 0
    for pause, count in steps:
        clock.at += pause
        allowed += sum(account.spend() for _ in range(count))
        assert allowed <= clock.at * rate + 2 * burst


def test_the_bucket_fills_again() -> None:
    """After a second there is a second's worth."""
    clock = Clock()
    account = Account(IdentityLimits(requests_per_s=10, requests_burst=5), clock.now)
    assert [account.spend() for _ in range(6)] == [True] * 5 + [False]
    clock.at = 0.3
    assert [account.spend() for _ in range(4)] == [True] * 3 + [False]
    clock.at = 100
    assert [account.spend() for _ in range(6)] == [True] * 5 + [False]


def test_a_steady_client_below_the_rate_is_never_refused() -> None:
    """Looking at the clock late refuses nobody who keeps to the rate."""
    clock = Clock()
    account = Account(IdentityLimits(requests_per_s=10, requests_burst=1), clock.now)
    for number in range(1_000):
        clock.at = number * 0.11
        assert account.spend()


def test_whoever_administers_at_the_machine_has_no_rate() -> None:
    """An administrator on the unix socket is always answered; the same identity elsewhere has its bucket."""
    accounts = Accounts(IdentityLimits(requests_per_s=1, requests_burst=1), Clock().now)
    local = accounts.of(caller("unix:0", source="unix", roles=("administrator",)))
    assert all(local.spend() for _ in range(100_000))
    other = accounts.of(caller("unix:0", source="unix"))
    assert [other.spend(), other.spend()] == [True, False]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    (
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("x:y", "x:z", False),
    ),
)
def test_strangers_share_what_their_address_may_use(one: str, other: str, is_same: bool) -> None:
    """One of them cannot take from others the connections on which they would log in; IPv6 gives a host a network of 64 bits."""
    accounts = Accounts(IdentityLimits(connections=1), Clock().now)
    accounts.of(stranger(one)).connections.take()
    assert accounts.of(stranger(other)).connections.has_room() is not is_same


def test_who_proved_nothing_has_no_subscriptions() -> None:
    """Not one queue of his own for replies; the administrator of a daemon that knows nobody has them all."""
    accounts = Accounts(IdentityLimits(subscriptions=1), Clock().now)
    with pytest.raises(NotAuthenticated):
        accounts.subscribe(stranger("192.0.2.1"))
    everybody = Caller(identity="anonymous", source="anonymous", roles=(), rights=Rights(frozenset({"event.read"})))
    accounts.subscribe(everybody)()


def test_who_has_proved_something_has_one_account_from_wherever_he_comes() -> None:
    accounts = Accounts(IdentityLimits(), Clock().now)
    first, second = caller("user:a", address="192.0.2.1"), caller("user:a", source="token", address="192.0.2.2")
    assert accounts.of(first) is accounts.of(second)


def test_connections_of_an_identity_share_an_account_until_it_is_idle() -> None:
    """Accounts in use, or with an empty bucket, are kept; others are forgotten when there are many."""
    clock = Clock()
    accounts = Accounts(IdentityLimits(requests_per_s=10, requests_burst=10), clock.now)
    busy, spent = accounts.of(caller("busy")), accounts.of(caller("spent"))
    assert accounts.of(caller("busy")) is busy
    busy.connections.take()
    while spent.spend():
        pass
    clock.at = 2
    spent.spend()  # the bucket is looked at: it fills from here on
    for number in range(2_000):
        accounts.of(caller(f"u{number}"))
    clock.at = 2.5
    for number in range(2_000, 5_000):
        accounts.of(caller(f"u{number}"))
    assert accounts.of(caller("busy")) is busy
    assert accounts.of(caller("spent")) is spent
    clock.at = 100
    busy.connections.give()
    assert busy.is_idle()
    for number in range(20_000):
        accounts.of(caller(f"v{number}"))
    assert accounts.of(caller("busy")) is not busy


def test_subscriptions_are_the_identitys_on_all_its_connections() -> None:
    """One that ends makes room, also when the caller has become another identity meanwhile."""
    accounts = Accounts(IdentityLimits(subscriptions=2), Clock().now)
    first, second = caller("a"), caller("a")
    end = accounts.subscribe(first)
    accounts.subscribe(second)
    with pytest.raises(LimitExceeded, match="2 subscriptions of an identity"):
        accounts.subscribe(second)
    first.become("b", "token", (), Rights())
    end()
    accounts.subscribe(second)
    assert accounts.of(first).subscriptions.used == 0


def test_limits_must_be_positive() -> None:
    """Nobody is locked out by a slip of the pen."""
    with pytest.raises(ValueError, match="positive"):
        IdentityLimits(connections=0)
    with pytest.raises(ValueError, match="positive"):
        IdentityLimits(requests_burst=0)
