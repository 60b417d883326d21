"""Whoever presents wrong tokens has to wait."""

from __future__ import annotations

from libvdsm.access.attempts import ADDRESSES, MOST, REFILL_S, Attempts
from libvdsm.base.clock import ManualClock


def test_a_few_failures_are_free_and_time_heals() -> None:
    """After ``MOST`` wrong ones an address waits; each ``REFILL_S`` it may try once more; others are not concerned."""
    clock = ManualClock()
    attempts = Attempts(clock)
    for _ in range(MOST):
        assert not attempts.too_many("192.0.2.1")
        attempts.failed("192.0.2.1")
    assert attempts.too_many("192.0.2.1")
    assert not attempts.too_many("192.0.2.2")
    clock.advance(REFILL_S + 0.1)
    assert not attempts.too_many("192.0.2.1")
    attempts.failed("192.0.2.1")
    assert attempts.too_many("192.0.2.1")
    clock.advance(REFILL_S * MOST + 1)
    assert not attempts.too_many("192.0.2.1")


def test_no_crowd_of_addresses_fills_the_memory() -> None:
    """So many addresses are remembered, and no more."""
    attempts = Attempts(ManualClock())
    for number in range(ADDRESSES + 10):
        attempts.failed(str(number))
    assert not attempts.too_many("0")
    assert len(attempts._full) == ADDRESSES
