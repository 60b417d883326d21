"""Heads that are kept are those that would be made."""

from __future__ import annotations

from libvdsm.wire.http.events import Response
from libvdsm.wire.http.frames import UsualAnswers, encode_response


def test_they_are_the_answers_that_would_be_made() -> None:
    """Of any length, in one second and the next, however many lengths there are."""
    usual = UsualAnswers()
    for second in range(3):
        date = b"Sat, 21 Nov 2026 02:15:%02d GMT" % second
        for size in (*range(400), 3, 0, 100_000):
            body = b"x" * size
            assert usual.encode(body, date) == encode_response(Response(200, body), date)
