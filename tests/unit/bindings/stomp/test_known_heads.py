"""What many messages have in common is written once, and reads as if it were written each time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from libvdsm.bindings.stomp.messages import write_shared
from libvdsm.interfaces.messaging import Message
from libvdsm.wire.stomp.connection import StompStream
from libvdsm.wire.stomp.frames import encode_lines

_TEXTS = st.one_of(st.none(), st.text(max_size=6))


@given(st.lists(st.tuples(_TEXTS, _TEXTS, _TEXTS, _TEXTS, st.integers(0, 9), st.sampled_from(["1.0", "1.1", "1.2"])), max_size=4))
def test_heads_say_what_their_messages_do(told: list[tuple[str | None, str | None, str | None, str | None, int, str]]) -> None:
    """Whatever was written before, and whether others are alike or not."""
    for kind, encoding, subject, user, priority, version in told * 2:
        message = Message(body=b"ab", content_type=kind, content_encoding=encoding, subject=subject, user=user, priority=priority)
        said = [("content-type", kind), ("content-encoding", encoding), ("subject", subject), ("user-id", user)]
        said += [("priority", None if priority == 4 else str(priority))]
        lines = encode_lines([("destination", "/queue/a"), *((name, text) for name, text in said if text is not None)], version)
        assert write_shared(message, "/queue/a", version) == lines + b"content-length:2\n\nab\0"


def test_what_is_acknowledged_between_sends_does_not_make_them_new() -> None:
    """The headers of equal heads are one value, by which the session knows them again; those of an ACK never are."""
    stream = StompStream()
    stream.set_rules(version="1.2", is_strict=False)
    send = b"SEND\ndestination:/queue/a\n\n%d\0"
    stream.receive_data(send % 1 + b"ACK\nid:1\n\n\0" + send % 2 + b"ACK\nid:1\n\n\0" + b"SEND\ndestination:/queue/b\n\n3\0")
    first, ack, second, again, other = stream.events()
    assert (first.body, second.body, other.body) == (b"1", b"2", b"3")
    assert first.headers is second.headers
    assert ack.headers == again.headers == {"id": "1"}
    assert other.headers == {"destination": "/queue/b"}
