"""What the configuration says reaches the rooms; without a word each has the bounds that it has by itself."""

from __future__ import annotations

from dataclasses import replace

from libvdsm.bindings.amqp.config import ConversationLimits
from libvdsm.bindings.static.endpoint import StaticEndpoint
from libvdsm.bindings.stomp.config import SessionLimits
from libvdsm.broker.exchange import ExchangeLimits
from libvdsm.daemon import build
from libvdsm.daemon.addresses import PROTOCOLS
from libvdsm.daemon.config import AmqpConfig, Config, LimitsConfig, MessagesConfig, StompConfig
from libvdsm.interfaces.endpoint import Endpoints, HttpEndpoint
from libvdsm.transports.config import Limits


def test_without_a_word_the_bounds_are_those_of_the_rooms() -> None:
    """But for the patience with strangers: with the second between two looks at the clock it is what the rooms have."""
    config = Config(limits=LimitsConfig(stranger_seconds=10))
    assert Config().limits.stranger_seconds + Limits().sweep_s == Limits().login_s == Limits().detect_s
    assert build._exchange_limits(config.messages) == replace(ExchangeLimits(), transactions=config.messages.transactions)
    assert build._stomp_limits(config) == SessionLimits()
    assert build._amqp_limits(config) == ConversationLimits()


def test_events_and_figures_over_http_can_be_switched_off() -> None:
    """Each by its name, all else stays; without a word all are there."""
    paths: dict[str, HttpEndpoint] = dict.fromkeys(("/rpc", "/events", "/metrics", "/docs/"), StaticEndpoint("/docs/", {}))
    for off, gone in ((set(), set()), ({"sse"}, {"/events"}), ({"sse", "metrics"}, {"/events", "/metrics"})):
        spoken = build._spoken(Endpoints(http=paths), frozenset(PROTOCOLS) - off)
        assert set(paths) - set(spoken.http) == gone


def test_bounds_of_messages_reach_the_rooms() -> None:
    config = Config(
        messages=MessagesConfig(window=2, transactions=3, subscriptions_per_connection=4, temporary_queues=5),
        stomp=StompConfig(body_octets=6, prefetch=7),
        amqp=AmqpConfig(transfer_octets=8, sessions=9, links=10),
    )
    exchange, stomp, amqp = build._exchange_limits(config.messages), build._stomp_limits(config), build._amqp_limits(config).wire
    assert (exchange.window, exchange.transactions, exchange.subscriptions, exchange.temporary_queues) == (2, 3, 4, 5)
    assert (stomp.transactions, stomp.subscriptions, stomp.frame.body_octets, stomp.prefetch) == (3, 4, 6, 7)
    assert (amqp.message_octets, amqp.partial_octets, amqp.sessions, amqp.links) == (8, 16, 9, 10)
