"""Delays before the next attempt."""

from __future__ import annotations

import pytest

from libvdsm.daemon.restart import UNREACHABLE, Pace, RestartPolicy


def policy() -> RestartPolicy:
    return RestartPolicy(Pace(), jitter=lambda: 0.0)


def test_the_delay_doubles_with_every_crash_up_to_the_limit() -> None:
    crashing = policy()
    delays = [crashing.ended(now, 1.0, None).delay_s for now in range(0, 240, 20)]
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0, 30.0])


def test_five_crashes_in_a_minute_hold_it_down_until_it_was_well_for_a_minute() -> None:
    crashing = policy()
    verdicts = [crashing.ended(now, 0.5, 1) for now in range(5)]
    assert [verdict.is_held for verdict in verdicts] == [False] * 4 + [True]
    assert verdicts[-1].delay_s == 30.0
    assert crashing.ended(300, 59.0, 1).is_held
    well = crashing.ended(500, 60.0, 1)
    assert not well.is_held
    assert well.delay_s == pytest.approx(0.1)


def test_crashes_that_are_rare_never_hold_it_down() -> None:
    crashing = policy()
    assert not any(crashing.ended(now, 10.0, 1).is_held for now in range(0, 1000, 16))


def test_an_unreachable_hypervisor_is_tried_every_two_seconds_and_is_no_crash() -> None:
    waiting = policy()
    verdicts = [waiting.ended(now, 0.5, UNREACHABLE) for now in range(10)]
    assert [verdict.delay_s for verdict in verdicts[:6]] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0])
    assert not any(verdict.is_held for verdict in verdicts)
    assert waiting.ended(11, 0.5, 1).delay_s == pytest.approx(0.1)


def test_jitter_takes_a_quarter_off_at_most() -> None:
    assert RestartPolicy(Pace(), jitter=lambda: 1.0).ended(0, 1, 1).delay_s == pytest.approx(0.075)
    delays = {RestartPolicy(Pace()).ended(0, 1, 1).delay_s for _ in range(20)}
    assert len(delays) > 1
    assert all(0.075 <= delay <= 0.1 for delay in delays)
