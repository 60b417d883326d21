"""Who looks into a queue sees every message that waits once, however often it is taken and given back meanwhile."""

from __future__ import annotations

import pytest

from libvdsm.interfaces.messaging import Ack, Verdict
from tests.fakes.messaging import FakeConsumer, Messaging, message, subscribe, turns


@pytest.mark.parametrize("verdict", (Verdict.RELEASED, Verdict.FAILED))
async def test_what_is_given_back_is_not_shown_again(verdict: Verdict) -> None:
    """One browser has seen it, and sees it no more; another comes later and sees it."""
    world = Messaging()
    await world.queue()
    session, browser, late, consumer = world.open(), FakeConsumer(), FakeConsumer(), FakeConsumer()
    subscribe(session, "/queue/work", browser, browse=True, id="b")
    session.send("/queue/work", message("a"))
    await turns()
    subscription = subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL, id="c")
    await turns()
    subscription.end()
    session.settle(consumer.deliveries[0].tag, verdict)
    session.send("/queue/work", message("b"))
    subscribe(session, "/queue/work", late, browse=True, id="late")
    await turns()
    assert browser.bodies() == ["a", "b"]
    assert late.bodies() == ["a", "b"]


async def test_what_is_with_a_consumer_is_shown_when_it_is_given_back() -> None:
    """It did not wait when its turn was, so it has another one."""
    world = Messaging()
    await world.queue()
    session, browser, consumer = world.open(), FakeConsumer(room=0), FakeConsumer()
    session.send("/queue/work", message("a"))
    subscribe(session, "/queue/work", browser, browse=True, id="b")
    await turns()
    subscription = subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL, id="c")
    await turns()
    browser.read()
    await turns()
    assert browser.bodies() == []
    subscription.end()
    session.settle(consumer.deliveries[0].tag, Verdict.RELEASED)
    await turns()
    assert browser.bodies() == ["a"]


async def test_what_is_taken_again_and_again_pushes_nothing_out() -> None:
    """A slow browser has each message in its line once."""
    world = Messaging()
    await world.queue(max_messages=3)
    session, browser, consumer = world.open(), FakeConsumer(room=0), FakeConsumer()
    for text in "abc":
        session.send("/queue/work", message(text))
    subscribe(session, "/queue/work", browser, browse=True, id="b")
    subscription = subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL, id="c", credit=1)
    for _ in range(5):
        await turns()
        session.settle(consumer.deliveries[-1].tag, Verdict.RELEASED)
    subscription.end()
    await turns()
    browser.read()
    await turns()
    assert sorted(browser.bodies()) == ["a", "b", "c"]


async def test_what_went_by_is_not_remembered() -> None:
    """Its line is about as long as what is there, however much came and went; and what is there is shown."""
    world = Messaging()
    queue = await world.queue(max_messages=3)
    session, browser, consumer = world.open(), FakeConsumer(room=0), FakeConsumer()
    session.send("/queue/work", message("held"))
    subscribe(session, "/queue/work", browser, browse=True, id="b")
    subscription = subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL, id="c", credit=1)
    await turns()
    subscription.end()
    session.send("/queue/work", message("waits"))
    for _ in range(3000):
        session.send("/queue/work", message("goes"))
        queue.remove(list(queue.items())[-1])
    (looking,) = queue.browsers
    assert looking.lag < 1100
    session.settle(consumer.deliveries[0].tag, Verdict.RELEASED)
    browser.read()
    await turns()
    assert sorted(browser.bodies()) == ["held", "waits"]


async def test_browsers_that_are_gone_are_not_remembered() -> None:
    """However many have seen a message; one that still is there sees it once."""
    world = Messaging()
    queue = await world.queue()
    session, browser, consumer = world.open(), FakeConsumer(), FakeConsumer()
    session.send("/queue/work", message("a"))
    subscribe(session, "/queue/work", browser, browse=True, id="b")
    for _ in range(500):
        late = FakeConsumer()
        looking = subscribe(session, "/queue/work", late, browse=True, id="late")
        await turns(2)
        assert late.bodies() == ["a"]
        looking.end()
    (item,) = queue.items()
    assert item.browsed is not None
    assert len(item.browsed) < 10
    subscription = subscribe(session, "/queue/work", consumer, Ack.INDIVIDUAL, id="c")
    await turns()
    subscription.end()
    session.settle(consumer.deliveries[0].tag, Verdict.RELEASED)
    await turns()
    assert browser.bodies() == ["a"]


@pytest.mark.parametrize("ack", (Ack.CLIENT, Ack.INDIVIDUAL))
async def test_copies_are_acknowledged_within_a_window(ack: Ack) -> None:
    """As many unsettled copies as the browser allows; what it says of them is nothing to the queue."""
    world = Messaging()
    queue = await world.queue()
    session, browser = world.open(), FakeConsumer()
    for text in "abcde":
        session.send("/queue/work", message(text))
    subscribe(session, "/queue/work", browser, ack, browse=True, credit=2)
    await turns()
    assert browser.bodies() == ["a", "b"]
    session.settle(browser.deliveries[1].tag, Verdict.REJECTED)
    await turns()
    assert browser.bodies() == ["a", "b", "c", "d"][: 4 if ack is Ack.CLIENT else 3]
    assert (queue.waiting, queue.unsettled, queue.counters.delivered) == (5, 0, 0)


async def test_a_browser_that_counts_its_credit() -> None:
    """It gets as many as it asked for, acknowledged or not; a drain takes away the rest."""
    world = Messaging()
    await world.queue()
    session, browser = world.open(), FakeConsumer()
    for text in "abcde":
        session.send("/queue/work", message(text))
    subscription = subscribe(session, "/queue/work", browser, Ack.AUTO, browse=True, is_exact=True)
    await turns()
    assert browser.bodies() == []
    subscription.credit(1)
    subscription.credit(1)
    await turns()
    assert browser.bodies() == ["a", "b"]
    subscription.set_credit(5)
    subscription.drain()
    await turns()
    assert (browser.bodies(), browser.drains) == (["a", "b", "c", "d", "e"], 1)
    session.send("/queue/work", message("f"))
    await turns()
    assert len(browser.bodies()) == 5
