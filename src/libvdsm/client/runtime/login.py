"""Tokens: where they come from. They are asked for anew for every connection, and are never part of a URL or of a message of an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from libvdsm.client.runtime.errors import AddressError

if TYPE_CHECKING:
    from libvdsm.client.runtime.address import Address

#: A token, or who gives one.
TokenSource: TypeAlias = str | Callable[[], str]

_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=")


@dataclass(frozen=True, slots=True)
class Login:
    """By which token a client logs in, if by any."""

    source: TokenSource | None = None
    file: str | None = None

    def __repr__(self) -> str:
        return f"Login({'none' if self.is_absent else 'a token'})"

    @property
    def is_absent(self) -> bool:
        """Whether there is none: the client is who the connection proves it to be."""
        return self.source is None and self.file is None

    def token(self) -> str | None:
        """The token for a new connection, read now; raises ``AddressError`` if there is none where one should be."""
        if self.file is not None:
            try:
                with open(self.file, encoding="ascii") as file:  # noqa: PTH123 - pathlib takes long to import
                    found = file.read().strip()
            except (OSError, ValueError) as error:
                message = f"the file of the token {self.file} cannot be read: {error.__class__.__name__}"
                raise AddressError(message) from error
        elif self.source is None:
            return None
        else:
            found = self.source if isinstance(self.source, str) else _asked(self.source)
        if not found or not _CHARACTERS.issuperset(found):
            message = "the token is empty or has characters that no token has"
            raise AddressError(message)
        return found


def _asked(source: Callable[[], str]) -> str:
    """What the program's own source gives; whatever it raises is a failure of this connection, and of no more than that."""
    try:
        return source()
    except Exception as error:
        message = f"who gives the token has failed: {error.__class__.__name__}"
        raise AddressError(message) from error


def checked(address: Address, login: Login | None) -> Login:
    """``login``, if a token may be sent to ``address``; raises ``AddressError`` if others could read it on its way."""
    found = Login() if login is None else login
    if not found.is_absent and not address.is_private:
        message = f"{address.url}: a token is sent by TLS, over a unix socket or to this machine, and no other way"
        raise AddressError(message)
    return found
