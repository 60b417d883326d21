"""What certificates ought to be, without making any: lifetimes and names."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

DAY_S: Final = 86_400.0
CA_DAYS: Final = 3_650
SERVER_DAYS: Final = 365
CLIENT_DAYS: Final = 365
MOST_CLIENT_DAYS: Final = 3_650
#: A server's certificate is renewed this long before its end, and a CA's (with the same key) while it still outlives all that it signs.
RENEW_SERVER_DAYS: Final = 30
RENEW_CA_DAYS: Final = 400
#: Clocks of hosts differ a little.
BACKDATED_S: Final = 300.0
#: What an identity's certificate is known by.
IDENTITY_URN: Final = "urn:libvdsm:identity:"
_MOST_NAMES: Final = 64
_HOST: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*")


def is_due(not_after: float, now: float, days: int) -> bool:
    """Whether fewer than ``days`` are left."""
    return not_after - now < days * DAY_S


def client_end(now: float, days: int, ca_not_after: float) -> float:
    """When a client's certificate ends that is made now: never after its CA."""
    return min(now + days * DAY_S, ca_not_after)


def identity_uri(identity: str) -> str:
    """An identity as it stands among a certificate's names."""
    return IDENTITY_URN + quote(identity, safe=":@._-")


def server_names(hostname: str, addresses: Iterable[str], further: Iterable[str]) -> tuple[str, ...]:
    """The names and addresses that a server's certificate should be for: sorted, each once, none that cannot be one."""
    found = {"localhost", "127.0.0.1", "::1"}
    for word in (hostname, *addresses, *further):
        name = _address(word) if _is_address(word) else word.lower() if _HOST.fullmatch(word) else None
        if name is not None:
            found.add(name)
    return tuple(sorted(found)[:_MOST_NAMES])


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def _address(word: str) -> str | None:
    """An address by which a host can be called; none that means all, many, or another one on each link."""
    parsed = ipaddress.ip_address(word)
    return None if parsed.is_unspecified or parsed.is_multicast or parsed.is_link_local else str(parsed)


def local_addresses(fib_trie: str, if_inet6: str) -> tuple[str, ...]:
    """The addresses of this host, as the kernel shows them (``/proc/net/fib_trie``, ``/proc/net/if_inet6``)."""
    found = set(re.findall(r"\|-- (\d+\.\d+\.\d+\.\d+)\n\s+/32 host LOCAL", fib_trie))
    for line in if_inet6.splitlines():
        digits = line.partition(" ")[0]
        if re.fullmatch(r"[0-9a-f]{32}", digits):
            found.add(str(ipaddress.IPv6Address(int(digits, 16))))
    return tuple(sorted(found))
