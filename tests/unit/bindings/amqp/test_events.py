"""Events on a link: also those that come of the rights of whoever receives them."""

from __future__ import annotations

import json
import re

from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.wire.amqp import performatives as p
from libvdsm.wire.amqp.values import Described, Symbol
from tests.fakes.amqp_peer import AmqpPeer, body_of, turns
from tests.fakes.messaging import Messaging

SEES = frozenset({"vm.read", "event.read"})


def rights(project: str) -> Rights:
    return Rights(projects={project: SEES})


def told(client: AmqpPeer) -> list[tuple[str, str, str]]:
    """What came since the last time: the change, the object, and the mark of the token in the annotations."""
    found = []
    for _, payload in client.transfers():
        event = json.loads(body_of(payload))
        token = re.search(rb"([0-9a-f]+)\.[0-9a-f]+-[0-9]+", payload)
        assert token is not None
        found.append((event["change"], event["object"]["id"], token[1].decode()))
    return found


async def test_a_link_tells_what_a_change_of_rights_takes_and_shows() -> None:
    """What is lost, then what is won, as far as there is credit; the last with a token that stands for the new rights."""
    world = Messaging()
    for id, project in (("a", "web"), ("b", "web"), ("c", "db")):
        world.objects.put("vm", id, project)
    caller = Caller(identity="user:alice", source="token", roles=(), rights=rights("web"))
    client = AmqpPeer(world.exchange, caller=caller)
    client.open()
    client.begin()
    snapshot = {Symbol("vdsm:snapshot"): Described(Symbol("vdsm:snapshot"), True)}
    client.receiver(source=p.Source("/topic/vm.#", filter=snapshot), credit=4)
    await turns()
    mark = world.broker.visibility.view(caller).mark
    assert told(client) == [("added", "a", mark), ("added", "b", mark)]
    caller.entitle((), rights("db"))
    await turns()
    assert told(client) == [("removed", "a", "0"), ("removed", "b", "0")]
    client.credit(4, count=4)
    await turns()
    assert told(client) == [("added", "c", world.broker.visibility.view(caller).mark)]
