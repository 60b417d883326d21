"""What the front serves over HTTP beside calls: events, figures, pages. Put together here, in reading order."""

from __future__ import annotations

import msgspec
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from libvdsm.bindings.metrics.endpoint import PERMISSION, MetricsEndpoint
from libvdsm.bindings.metrics.machines import Machine, Machines
from libvdsm.bindings.metrics.names import find_groups
from libvdsm.bindings.metrics.sources import CallFigures, ConnectionFigures, Depth, EventFigures, HostFigures, ProcessFigures, QueueFigures
from libvdsm.bindings.sse.endpoint import EventEndpoint
from libvdsm.bindings.static.endpoint import StaticEndpoint
from libvdsm.interfaces.audit import Actor, Deed
from libvdsm.interfaces.generated.permissions import OBJECTS
from libvdsm.interfaces.place import Place, may_see

if TYPE_CHECKING:
    from libvdsm.base.errors import ApiError
    from libvdsm.bindings.jsonrpc.endpoint import JsonRpcEndpoint
    from libvdsm.broker.broker import Broker
    from libvdsm.broker.queues import Queues
    from libvdsm.interfaces.audit import Trail
    from libvdsm.interfaces.caller import Caller
    from libvdsm.interfaces.endpoint import HttpEndpoint
    from libvdsm.interfaces.journal import Journal
    from libvdsm.inventory.inventory import Inventory
    from libvdsm.transports.listener import Listener
    from libvdsm.transports.registry import Registry
