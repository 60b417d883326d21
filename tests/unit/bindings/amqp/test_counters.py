"""Whatever is counted of AMQP does happen, and is counted when it does: operators read it at ``/metrics``."""

from __future__ import annotations

from dataclasses import asdict

from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.messaging import Delivery
from libvdsm.wire.amqp import performatives as p
from libvdsm.wire.amqp.frames import SASL_HEADER, encode_frame
from libvdsm.wire.amqp.limits import AmqpLimits
from tests.fakes.amqp_peer import AmqpPeer, message, served
from tests.fakes.messaging import message as plain


async def test_every_counter_counts() -> None:
    messaging, client = await served(wire=AmqpLimits(credit=1))
    counted = client.endpoint.counters
    assert asdict(counted) == dict.fromkeys(asdict(counted), 0) | {"connections": 1}
    client.sender(None)
    client.send(message("x", properties=[None, None, "/queue/work"]))
    client.send(message("x", properties=[None, None, "/queue/none"]))
    assert (counted.messages, counted.refused_messages) == (2, 1)
    client.attach(p.Attach("no", 5, role=False, target=p.Target("/queue/none"), initial_delivery_count=0))
    assert counted.refused_links == 1
    client.receiver("replies")
    (consumer,) = client.conversation._consumers
    for number in range(2):  # one waits for credit
        consumer.deliver(Delivery(tag=number, message=plain("late"), destination="replies"))
    assert counted.dropped_answers == 1
    client.conversation.check_time(1.0)
    client.conversation.check_time(200.0)
    assert counted.lost_peers == 1
    nobody = Caller(identity="anonymous", source="anonymous", roles=(), rights=Rights())
    stranger = AmqpPeer(messaging.exchange, caller=nobody)
    stranger.raw(SASL_HEADER + encode_frame(0, p.SaslInit("EXTERNAL", b""), kind=1))
    assert stranger.endpoint.counters.refused_logins == 1
    assert [name for name, count in asdict(counted).items() if not count] == ["refused_logins"]
