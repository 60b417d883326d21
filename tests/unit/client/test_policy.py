"""What is sent again, when, and how often; signs of life; by hand-made clocks."""

from __future__ import annotations

from typing import Any

import pytest

from libvdsm.client import ConnectionLostError, NoAnswerError, NotSentError, UntrustedError, errors
from libvdsm.client.runtime.core import Core
from libvdsm.client.runtime.errors import ApiError
from libvdsm.client.runtime.lines import LineWire
from libvdsm.client.runtime.policy import Attempts, Retry, merged, needs_key
from libvdsm.client.runtime.stomp import StompWire

LOST = ConnectionLostError("lost")
NOT_SENT = NotSentError("down")


def attempts(method: str, retry: Retry | None = None, **options: Any) -> Attempts:
    return Attempts(method, options, retry or Retry(first_s=0), now=100.0, connect_s=10.0)


def test_pauses_are_anything_up_to_a_bound_that_doubles() -> None:
    retry = Retry(first_s=0.1, most_s=5.0)
    for attempt, bound in ((0, 0.1), (1, 0.2), (4, 1.6), (10, 5.0), (10_000, 5.0)):
        found = [retry.pause(attempt) for _ in range(300)]
        assert 0 <= min(found) < bound / 4
        assert bound * 0.75 < max(found) <= bound


def test_keys_are_for_what_changes_something() -> None:
    assert needs_key("VM.create")
    assert needs_key("VM.stop")
    assert not any(map(needs_key, ("VM.list", "Event.subscribe", "Event.unsubscribe", "Connection.close", "Not.known")))
    own = attempts("VM.create", idempotencyKey="mine")
    assert own.options == {"idempotencyKey": "mine"}
    assert attempts("VM.list").options == {}
    assert attempts("VM.create", Retry(keys=False)).options == {}
    assert attempts("VM.create").options != attempts("VM.create").options


@pytest.mark.parametrize("method", ("VM.list", "VM.create"))
def test_a_lost_answer_is_asked_for_once_more(method: str) -> None:
    one = attempts(method)
    assert one.after(LOST, 101.0) == 0.0
    with pytest.raises(ConnectionLostError):
        one.after(LOST, 102.0)


@pytest.mark.parametrize(("method", "retry"), (("VM.create", Retry(keys=False)), ("Event.subscribe", Retry()), ("Not.known", Retry())))
def test_what_could_happen_twice_is_not(method: str, retry: Retry) -> None:
    with pytest.raises(ConnectionLostError):
        attempts(method, retry).after(LOST, 101.0)


def test_what_was_not_sent_is_tried_while_there_is_patience() -> None:
    one = attempts("Not.known")
    assert one.after(NOT_SENT, 101.0) == 0.0
    assert one.after(NOT_SENT, 109.9) == 0.0
    with pytest.raises(NotSentError):
        one.after(NOT_SENT, 110.0)


def test_after_a_loss_nobody_says_that_it_was_not_sent() -> None:
    """It may have been run: what comes of the second attempt must not hide that."""
    one = attempts("VM.create")
    one.after(LOST, 105.0)
    one.after(NOT_SENT, 114.0)
    with pytest.raises(ConnectionLostError, match="lost"):
        one.after(NOT_SENT, 115.0)
    other = attempts("VM.create")
    other.after(LOST, 105.0)
    with pytest.raises(ConnectionLostError, match="lost"):
        other.after(UntrustedError("who are you"), 106.0)


def test_whoever_is_not_trusted_is_not_asked_again() -> None:
    with pytest.raises(UntrustedError):
        attempts("VM.list").after(UntrustedError("who are you"), 100.0)


def test_late_answers_are_not_asked_for_again() -> None:
    with pytest.raises(NoAnswerError):
        attempts("VM.list").after(NoAnswerError("late"), 101.0)


def test_a_daemon_that_goes_down_is_asked_when_it_is_back() -> None:
    down = errors.ShuttingDown(18, "down", {"error": "ShuttingDown", "retryable": True})
    one = attempts("VM.create")
    assert one.after(down, 200.0) == 0.0
    assert one.after(NOT_SENT, 205.0) == 0.0
    with pytest.raises(errors.ShuttingDown):
        one.after(down, 210.0)
    with pytest.raises(errors.ShuttingDown):
        attempts("VM.create", Retry(keys=False)).after(down, 101.0)


def test_refusals_for_now_are_tried_again_if_that_is_wanted() -> None:
    refused = ApiError(6, "later", {"error": "SubsystemUnavailable", "retryable": True})
    with pytest.raises(ApiError):
        attempts("VM.list").after(refused, 101.0)
    one = attempts("VM.list", Retry(refusals=2, first_s=0))
    assert [one.after(refused, 101.0) for _ in range(2)] == [0.0, 0.0]
    with pytest.raises(ApiError):
        one.after(refused, 101.0)
    with pytest.raises(ApiError):
        attempts("VM.list", Retry(refusals=2)).after(ApiError(2, "no", {"error": "ObjectNotFound"}), 101.0)


def test_a_refused_call_has_a_new_key_and_a_lost_one_the_old() -> None:
    one = attempts("VM.create", Retry(refusals=1, first_s=0))
    first = one.options["idempotencyKey"]
    one.after(LOST, 101.0)
    assert one.options["idempotencyKey"] == first
    one.after(ApiError(6, "later", {"error": "Interrupted", "retryable": True}), 102.0)
    assert one.options["idempotencyKey"] != first
    own = attempts("VM.create", Retry(refusals=1), idempotencyKey="mine")
    own.after(ApiError(6, "later", {"error": "Interrupted", "retryable": True}), 102.0)
    assert own.options == {"idempotencyKey": "mine"}


def test_merge_patches() -> None:
    document = {"a": {"b": 1, "c": 2}, "d": [1]}
    assert merged(document, {"a": {"b": None, "e": {"f": None, "g": 3}}, "d": [2]}) == {"a": {"c": 2, "e": {"g": 3}}, "d": [2]}
    assert merged(1, {"a": 1}) == {"a": 1}
    assert document == {"a": {"b": 1, "c": 2}, "d": [1]}


def test_a_silent_peer_is_asked_and_then_given_up() -> None:
    core = Core[str](LineWire(), beat_s=10.0, now=0.0)
    assert core.tick(9.9) == b""
    assert b"Host.ping" in core.tick(10.0)
    assert core.tick(19.9) == b""
    with pytest.raises(ConnectionLostError, match="no life"):
        core.tick(20.0)


def test_a_peer_that_answers_is_kept() -> None:
    core = Core[str](LineWire(), beat_s=10.0, now=0.0)
    core.tick(10.0)
    assert core.receive(b'{"id":"life","result":{}}\n', 19.0) == []
    assert core.dropped == 0
    assert core.tick(28.9) == b""
    assert b"Host.ping" in core.tick(29.0)


def test_who_was_held_up_himself_asks_before_he_gives_up() -> None:
    core = Core[str](LineWire(), beat_s=10.0, now=0.0)
    assert b"Host.ping" in core.tick(500.0)
    assert core.tick(509.9) == b""


def test_without_beats_nothing_is_asked() -> None:
    assert Core[str]().tick(1e9) == b""


def test_promised_beats_are_given_in_time() -> None:
    wire = StompWire(beat_s=10.0)
    core = Core[str](wire, beat_s=10.0, now=0.0)
    core.receive(b"CONNECTED\nversion:1.2\nheart-beat:0,10000\n\n\0", 0.0)
    said = []
    for now in (2.5, 5.0, 7.5, 10.0, 12.5):
        core.receive(b"\n", now)
        said.append(core.tick(now))
    assert said == [b"", b"\n", b"", b"\n", b""]
