"""Programs of others that use the bridge: found by their entry point, started only if the configuration names them.

An entry point in the group ``libvdsm.connectors`` is a ``ConnectorFactory``. It needs nothing of this tree but
``libvdsm.interfaces.bridge``. Standard library only, because the supervisor looks whether the names can be had.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from libvdsm.daemon.config import Config, ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from libvdsm.access.access import Access
    from libvdsm.interfaces.bridge import Bridge
    from libvdsm.interfaces.caller import Caller, Sink

_log = logging.getLogger(__name__)

GROUP: Final = "libvdsm.connectors"


class Connector(Protocol):
    """A road of its own to the bridge."""

    async def start(self) -> None:
        """Begin to serve; returns when callers can come."""
        ...

    async def stop(self) -> None:
        """End within a few seconds; answers that are due may still go out."""
        ...


#: Builds a connector from the bridge, from what makes its callers (one per connection, with its sink if it has one), and
#: from its settings: the table ``[connectors.NAME]`` with ``state_dir``, a folder in which it may write.
ConnectorFactory: TypeAlias = "Callable[[Bridge, Callable[[Sink | None], Caller], Mapping[str, object]], Connector]"


class Connectors:
    """Those that are enabled."""

    def __init__(self, factories: Mapping[str, ConnectorFactory], config: Config) -> None:
        self._factories = factories
        self._config = config
        self._started: list[tuple[str, Connector]] = []

    @classmethod
    def load(cls, config: Config) -> Connectors:
        """Load their code; raises ``ConfigError`` for a name that no installed package offers."""
        return cls({name: found.load() for name, found in offered(config).items()}, config)

    async def start(self, bridge: Bridge, access: Access) -> None:
        """Start all; one that fails is logged and left out, because it is not ours."""
        for name, factory in self._factories.items():
            settings = {"state_dir": ".", **self._config.connectors.settings.get(name, {})}
            try:
                connector = factory(bridge, functools.partial(access.connector, name), settings)
                await connector.start()
            except Exception:  # noqa: BLE001 - code that is not ours
                _log.exception("connector %s does not start", name)
            else:
                self._started.append((name, connector))

    async def stop(self) -> None:
        """Stop all."""
        for name, connector in self._started:
            try:
                await connector.stop()
            except Exception:  # noqa: BLE001 - code that is not ours
                _log.exception("connector %s does not stop", name)


def offered(config: Config) -> dict[str, EntryPoint]:
    """Where each enabled connector is; raises ``ConfigError`` for a name that no installed package offers."""
    if not config.connectors.enabled:
        return {}
    from importlib.metadata import entry_points

    found = {each.name: each for each in entry_points(group=GROUP)}
    for name in config.connectors.enabled:
        if name not in found:
            raise ConfigError(f"connectors.enabled: no installed package offers the connector {name!r}")
    return {name: found[name] for name in config.connectors.enabled}
