"""The table of docs/guide/messages.md, row by row: what one protocol says of a message is what the other one hears, in both directions."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any, Final

import pytest

from libvdsm.bindings.amqp import messages
from libvdsm.bindings.stomp.messages import read_members, write_shared
from libvdsm.interfaces.messaging import DEAD_ORIGIN, DEAD_REASON, Delivery, Message
from libvdsm.wire.amqp import decoding, encoding, sections
from libvdsm.wire.amqp.values import Described, Symbol, Timestamp, UByte, UInt, ULong
from tests.fakes.amqp_peer import body_of
from tests.fakes.amqp_peer import message as amqp

NOW: Final = 1_800_000_000.0
QUEUE: Final = "/queue/work"
UUID: Final = uuid.UUID("6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d")
PROPERTIES: Final = ("message-id", "user-id", "to", "subject", "reply-to", "correlation-id", "content-type", "content-encoding", "expiry")
VALUE: Final = b"\x00\x53\x77"


def properties(**said: object) -> list[object]:
    """The list of a section, by the names of its members."""
    return [said.get(name.replace("-", "_")) for name in PROPERTIES]


def from_amqp(payload: bytes) -> Message:
    return messages.read(payload, NOW, "user:alice")[0]


def from_stomp(headers: Mapping[str, str], body: bytes = b"x") -> Message:
    members: dict[str, Any] = read_members(headers)
    return Message(body=body, user="user:alice", **members)


def in_stomp(message: Message) -> dict[str, str]:
    """The headers of its MESSAGE, but for those that are of each delivery."""
    head, _, rest = write_shared(message, QUEUE, "1.2").partition(b"\n\n")
    assert rest == message.body + b"\0"
    found = dict(line.replace(":", "\0", 1).replace("\\c", ":").split("\0") for line in head.decode().split("\n"))
    assert found.pop("destination") == QUEUE
    assert found.pop("content-length") == str(len(message.body))
    return found


def in_amqp(message: Message, *, count: int = 0) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], bytes]:
    """Its header and properties by name, its application properties, its annotations, its body."""
    delivery = Delivery(tag=1, message=message, destination=QUEUE, count=count)
    payload = messages.header(delivery, NOW) + messages.tail(message, QUEUE)
    parts = sections.split(payload)
    header, _end = decoding.decode_list(payload, parts.header, len(payload))
    said, _end = decoding.decode_list(payload, parts.properties, len(payload))
    application = decoding.decode(payload, parts.application_properties)[0] if parts.application_properties >= 0 else {}
    annotations = {} if parts.annotations is None else decoding.decode(payload, parts.annotations[0] + 3)[0]
    assert isinstance(application, dict)
    assert isinstance(annotations, dict)
    named = dict(zip(("durable", "priority", "ttl", "first-acquirer", "delivery-count"), header, strict=False)) | dict(
        zip(PROPERTIES, said, strict=False)
    )
    return {name: value for name, value in named.items() if value is not None}, application, annotations, body_of(payload)


@pytest.mark.parametrize(
    ("said", "heard"),
    (
        ({"content_type": Symbol("text/csv")}, {"content-type": "text/csv"}),
        ({"content_encoding": Symbol("gzip")}, {"content-encoding": "gzip"}),
        ({"correlation_id": "c"}, {"correlation-id": "c"}),
        ({"correlation_id": ULong(2**63)}, {"correlation-id": "AMQP_ULONG:9223372036854775808"}),
        ({"correlation_id": UUID}, {"correlation-id": f"AMQP_UUID:{UUID}"}),
        ({"correlation_id": b"\x00\xff"}, {"correlation-id": "AMQP_BINARY:00ff"}),
        ({"reply_to": "/queue/replies"}, {"reply-to": "/queue/replies"}),
        ({"subject": "s"}, {"subject": "s"}),
        ({"message_id": "m"}, {"amqp-message-id": "m"}),
        ({"message_id": ULong(7)}, {"amqp-message-id": "AMQP_ULONG:7"}),
        ({"user_id": b"user:alice"}, {}),
        ({"to": "/queue/elsewhere"}, {}),
        ({"expiry": Timestamp(1_800_000_000_500)}, {"expires": "1800000000500"}),
    ),
)
def test_properties_are_headers(said: dict[str, object], heard: dict[str, str]) -> None:
    """To STOMP; and what STOMP says in the same words is the same properties, of the same types."""
    first = from_amqp(amqp(properties=properties(**said)))
    assert in_stomp(first) == heard | {"user-id": "user:alice"}
    second = from_stomp(heard)
    back, *_ = in_amqp(second)
    for name in ("user_id", "to"):
        said.pop(name, None)
    expected = {"durable": True, "priority": 4, "delivery-count": 0, "user-id": b"user:alice", "to": QUEUE}
    assert back == expected | {name.replace("_", "-"): value for name, value in said.items()} | ({"ttl": 500} if "expiry" in said else {})
    for value in said.values():
        assert encoding.encode(value) in messages.tail(second, QUEUE)


@pytest.mark.parametrize(
    ("header", "heard", "durable"),
    (
        ([], {}, False),
        ([True], {}, True),
        ([False, UByte(0)], {"priority": "0"}, False),
        ([False, UByte(9)], {"priority": "9"}, False),
        ([False, UByte(200)], {"priority": "9"}, False),
        ([False, UByte(4)], {}, False),
        ([False, None, UInt(1500)], {"expires": "1800000001500"}, False),
    ),
)
def test_the_header_of_amqp(header: list[object], heard: dict[str, str], durable: bool) -> None:
    message = from_amqp(amqp(header=header))
    assert in_stomp(message) == heard | {"user-id": "user:alice"}
    assert message.durable is durable


@pytest.mark.parametrize(
    ("headers", "heard"),
    (
        ({}, {"durable": True, "priority": 4}),
        ({"persistent": "true"}, {"durable": True, "priority": 4}),
        ({"persistent": "false"}, {"durable": False, "priority": 4}),
        ({"priority": "0"}, {"durable": True, "priority": 0}),
        ({"priority": "9"}, {"durable": True, "priority": 9}),
        ({"expires": "0"}, {"durable": True, "priority": 4}),
        ({"expires": "1800000001500"}, {"durable": True, "priority": 4, "ttl": 1500, "expiry": 1800000001500}),
    ),
)
def test_headers_of_stomp_that_amqp_has_in_its_own(headers: dict[str, str], heard: dict[str, object]) -> None:
    found, application, _annotations, _body = in_amqp(from_stomp(headers), count=3)
    assert found == heard | {"delivery-count": 3, "user-id": b"user:alice", "to": QUEUE}
    assert application == {}


def test_headers_without_a_meaning_are_application_properties() -> None:
    """As text to STOMP, in their order; what is the broker's to say is not taken from a property either."""
    forged = dict.fromkeys(("destination", "subscription", "message-id", "ack", "redelivered", "user-id", "resume", "receipt"), "forged")
    own: dict[str, Any] = {"text": "t", "number": 5, "yes": True, "none": None, "octets": b"\x00\xff", "uuid": UUID, "half": 0.5}
    message = from_amqp(amqp(**own, **forged))
    assert in_stomp(message) == {
        "user-id": "user:alice",
        "text": "t",
        "number": "5",
        "yes": "true",
        "none": "",
        "octets": "AP8=",
        "uuid": str(UUID),
        "half": "0.5",
    }
    said = {"mine": "v", "topic": "t", "gap": "g", "x-opt-vdsm-resume": "forged", "resume": "r"}
    _found, application, annotations, _body = in_amqp(from_stomp(said))
    assert application == {"mine": "v", "topic": "t", "gap": "g", "x-opt-vdsm-resume": "forged"}
    assert annotations == {}


@pytest.mark.parametrize(
    ("payload", "body", "kind"),
    (
        (amqp(b"\x00\xff"), b"\x00\xff", None),
        (amqp(b"ab") + b"\x00\x53\x75\xa0\x01c", b"abc", None),
        (VALUE + b"\xa0\x02\x00\xff", b"\x00\xff", None),
        (VALUE + b"\xa1\x02\xc3\xb6", "ö".encode(), "text/plain"),
        (VALUE + b"\x40", None, "application/json"),
        (VALUE + b"\x41", True, "application/json"),
        (VALUE + b"\xc1\x05\x02\xa1\x01k\x43", {"k": 0}, "application/json"),
        (VALUE + b"\xc0\x03\x02\x43\x41", [0, True], "application/json"),
        (b"\x00\x53\x76\xc0\x02\x01\x43" + b"\x00\x53\x76\xc0\x02\x01\x41", [0, True], "application/json"),
        (VALUE + b"\x80\xff\xff\xff\xff\xff\xff\xff\xff", str(2**64 - 1), "application/json"),
        (VALUE + b"\x00\xa3\x01d\x43", {"descriptor": "d", "value": 0}, "application/json"),
    ),
)
def test_bodies_are_octets_for_everybody_else(payload: bytes, body: object, kind: str | None) -> None:
    """And of what type they are is said, unless their sender says it; to AMQP they leave as they came."""
    message = from_amqp(payload)
    assert (json.loads(message.body) if kind == "application/json" else message.body) == body
    assert in_stomp(message) == {"user-id": "user:alice"} | ({} if kind is None else {"content-type": kind})
    named = from_amqp(amqp(properties=properties(content_type=Symbol("x/y")))[: -len(amqp())] + payload)
    assert in_stomp(named)["content-type"] == "x/y"
    assert messages.tail(message, QUEUE).endswith(payload)


@pytest.mark.parametrize("body", (b"", b"\x00\xff\n", "ö".encode(), b"x" * 300))
def test_bodies_of_stomp_are_one_data_section(body: bytes) -> None:
    assert in_amqp(from_stomp({"content-type": "text/plain"}, body))[3] == body


def test_what_came_by_amqp_leaves_by_amqp_octet_for_octet() -> None:
    """But for its header, which is the delivery's, and for who sent it, which only the daemon says."""
    bare = amqp(b"x", properties=properties(message_id=ULong(5), user_id=b"user:alice", to="/queue/elsewhere"), half=0.5)
    annotations = b"\x00\x53\x72\xc1\x12\x02\xa3\x0cx-opt-mine-a\xa1\x01v"
    annotations = annotations[:4] + bytes((len(annotations) - 5,)) + annotations[5:]
    message = from_amqp(b"\x00\x53\x70\xc0\x02\x01\x41" + annotations + bare)
    tail = messages.tail(message, QUEUE)
    assert tail.endswith(bare)
    told, end = decoding.decode(tail, 3)
    assert (told, tail[end:]) == ({"x-opt-mine-a": "v", "x-opt-vdsm-user": "user:alice"}, bare)


@pytest.mark.parametrize("came_by", ("stomp", "amqp"))
def test_dead_letters_say_why(came_by: str) -> None:
    """In headers to STOMP, in annotations to AMQP, whoever sent them."""
    first = from_stomp({"mine": "v"}) if came_by == "stomp" else from_amqp(amqp(mine="v"))
    members = {name: getattr(first, name) for name in ("body", "user", "amqp", "durable")}
    dead = Message(**members, headers={**first.headers, DEAD_REASON: "failed", DEAD_ORIGIN: "work"})
    assert in_stomp(dead) == {"user-id": "user:alice", "mine": "v", "dead-letter-reason": "failed", "dead-letter-queue": "work"}
    payload = messages.tail(dead, QUEUE)
    annotations, _end = decoding.decode(payload, 3)
    assert isinstance(annotations, dict)
    assert annotations["x-opt-vdsm-dead-letter-reason"] == "failed"
    assert annotations["x-opt-vdsm-dead-letter-queue"] == "work"


def test_the_token_of_an_event() -> None:
    """AMQP has it as an annotation that no sender can say."""
    octets = messages.resume_annotation("epoch-5")
    assert decoding.decode(octets, 3)[0] == {"x-opt-vdsm-resume": "epoch-5"}
    forged = b"\x00\x53\x72" + octets[3:]
    message = from_amqp(forged + amqp())
    assert b"x-opt-vdsm-resume" not in messages.tail(message, QUEUE)
    assert isinstance(message, Message)
    assert not isinstance(message.body, Described)
