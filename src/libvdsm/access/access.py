"""Identities, their rights, and the connections that speak for them.

One path for all roads: whatever proved an identity, its rights come from the same grants. Every change of those, of roles or of
tokens reaches open connections at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from libvdsm.access.attempts import Attempts
from libvdsm.access.grants import Grants
from libvdsm.access.rights import ALL, NOTHING, combine, narrow, within
from libvdsm.access.roles import ADMINISTRATOR, Roles
from libvdsm.access.tokens import MOST, Kept, Limit, Tokens
from libvdsm.base.clock import Clock, SystemClock
from libvdsm.interfaces.audit import Actor, Deed, Trail
from libvdsm.interfaces.caller import Caller, Rights, Sink
from libvdsm.interfaces.certificates import CertificateRegister
from libvdsm.interfaces.endpoint import PeerCertificate
from libvdsm.interfaces.generated.errors import NotAuthenticated
from libvdsm.interfaces.generated.types import AccessScope
from libvdsm.interfaces.store import Store

_log = logging.getLogger(__name__)

#: How long a change of the host's clock may go unnoticed by what expires.
LOOK_S: Final = 10.0
#: How long the grants for an object outlive it, so that its end is still heard of.
GONE_S: Final = 60.0
#: Identities whose rights are remembered; they are computed anew when forgotten.
_REMEMBERED: Final = 10_000
#: What only the kernel or the daemon itself can vouch for: nobody is called so by a certificate.
_RESERVED: Final = ("unix:", "connector:", "certificate:", "anonymous")
#: What the audit trail calls a refused proof of identity, on whatever road it came.
LOGIN: Final = "Identity.login"


class _Proof(NamedTuple):
    """The certificate that a connection showed, and for whom it speaks."""

    identity: str
    certificate: PeerCertificate


class Access:
    """Who may do what. Whoever is not known here has no rights."""

    def __init__(
        self,
        *,
        administrators: Iterable[int],
        allow_anonymous: bool,
        store: Store | None = None,
        clock: Clock | None = None,
        certificates: CertificateRegister | None = None,
        mapping: Mapping[str, str] | None = None,
        later: Callable[[float, Callable[[], None]], object] | None = None,
        trail: Trail | None = None,
        most_tokens: int = MOST,
    ) -> None:
        """``administrators``: user ids that may do everything; ``allow_anonymous``: so may anybody (``--insecure``).

        ``mapping``: identities by a certificate's fingerprint or by one of its names with its kind (``DNS:web.example``), for
        certificates that this host has not issued. ``later`` is the loop's ``call_later``; without it what expires is noticed when ``look`` is called.
        ``trail`` is told of every proof of an identity that is refused. ``most_tokens`` may speak for one identity.
        """
        self._trail = trail
        self._clock = clock or SystemClock()
        self._administrators = frozenset(f"unix:{uid}" for uid in administrators)
        self._allow_anonymous = allow_anonymous
        self._later = later
        self.certificates = certificates
        self._mapping = dict(mapping or {})
        self.roles = Roles(store)
        self.grants = Grants(store, self._clock)
        self.tokens = Tokens(store, self._clock, most=most_tokens)
        self._attempts = Attempts(self._clock)
        self._callers: dict[str, WeakSet[Caller]] = {}
        self._tokens_of: WeakKeyDictionary[Caller, str] = WeakKeyDictionary()  # the ids of those by which callers are known
        self._proofs: WeakKeyDictionary[Caller, _Proof] = WeakKeyDictionary()  # of those whose connection showed a certificate
        self._gone: dict[tuple[str, str], float] = {}  # objects for which there are grants, and since when they are gone
        self._rights: dict[str, tuple[tuple[str, ...], Rights]] = {}
        if later is not None:
            later(LOOK_S, self._look_again)

    # --- who is it? ---

    def unix(self, uid: int, gid: int, pid: int, address: str = "", sink: Sink | None = None) -> Caller:
        """The identity of a unix socket's peer, by its credentials."""
        del gid, pid
        return self._known(f"unix:{uid}", "unix", address=address, sink=sink)

    def anonymous(self, address: str = "", sink: Sink | None = None, *, is_local: bool = True) -> Caller:
        """Somebody of whom nothing is known; who is not at a place that is loopback's alone may do nothing, whatever anybody may do there."""
        if not is_local:
            return Caller(identity="anonymous", source="anonymous", roles=(), rights=Rights(), address=address, sink=sink)
        return self._known("anonymous", "anonymous", address=address, sink=sink)

    def connector(self, name: str, sink: Sink | None = None) -> Caller:
        """A connector inside the daemon that the configuration enables."""
        return self._known(f"connector:{name}", "connector", address="", sink=sink)

    def certificate(self, certificate: PeerCertificate, address: str = "", sink: Sink | None = None) -> Caller:
        """The holder of a certificate; one without a mapping has an identity and no rights.

        Raises ``NotAuthenticated`` for one that was revoked.
        """
        register = self.certificates
        try:
            identity = None if register is None else register.identify(certificate)
        except NotAuthenticated as refusal:
            self._tell(Actor(f"certificate:{certificate.fingerprint}", "certificate", address), refusal)
            raise
        if identity is None:
            named = (self._mapping[name] for name in (certificate.fingerprint, *certificate.names) if name in self._mapping)
            identity = next(named, None)
        if identity is None or identity.startswith(_RESERVED):
            identity = f"certificate:{certificate.fingerprint}"
        caller = self._known(identity, "certificate", address=address, sink=sink, expires_at=certificate.not_after)
        self._bind(caller, _Proof(identity, certificate))
        return caller

    def bearer(self, token: str, address: str = "", sink: Sink | None = None, own: Caller | None = None) -> Caller:
        """Whoever presents a token on the connection of ``own``. Raises ``NotAuthenticated``, alike for whatever is wrong with it."""
        proof = None if own is None else self._admitted(own)
        kept = self._redeem(token, address, Actor("anonymous", "anonymous", address), proof)
        until = self._until(kept, proof)
        caller = self._known(kept.token.identity, "token", address=address, sink=sink, expires_at=until, token_id=kept.token.id)
        if proof is not None:
            self._bind(caller, proof)
        return caller

    def login(self, caller: Caller, token: str) -> None:
        """Let a caller speak for a token's identity from now on. Raises ``NotAuthenticated``; then nothing has changed."""
        proof = self._admitted(caller)
        address = caller.address if caller.source not in ("unix", "connector") else caller.identity
        kept = self._redeem(token, address, Actor(caller.identity, caller.source, caller.address), proof)
        self._part(caller)
        caller.expires_at = self._until(kept, proof)
        caller.is_limited = bool(kept.limits)
        caller.become(kept.token.identity, "token", *self._by_token(kept.token.id))
        self._join(caller, kept.token.id)

    # --- what may he do? ---

    def rights_of(self, identity: str) -> tuple[tuple[str, ...], Rights]:
        """The roles and rights of an identity now."""
        known = self._rights.get(identity)
        if known is None:
            if len(self._rights) >= _REMEMBERED:
                self._rights.clear()
            known = self._rights[identity] = self._computed(identity)
        return known

    def is_built_in(self, identity: str) -> bool:
        """Whether the identity may do everything, whatever is granted or revoked."""
        if identity == "anonymous":
            return self._allow_anonymous
        return identity in self._administrators or identity.startswith("connector:")

    def limited(self, identity: str, limits: Iterable[Limit]) -> Rights:
        """The rights of an identity within the limits of a token."""
        _, rights = self.rights_of(identity)
        for limit in limits:
            permissions = ALL if limit.role is None else self.roles.permissions(limit.role)
            rights = narrow(rights, within(limit.scope, permissions))
        return rights

    def token_of(self, caller: Caller) -> Kept | None:
        """The token by which a caller is known, if it is by one."""
        id = self._tokens_of.get(caller)
        return None if id is None else self.tokens.get(id)

    def scope_of(self, type: str, id: str) -> AccessScope | None:
        """Where a ``grant`` or a ``token`` holds, if it is known and has a bound."""
        if type == "grant":
            grant = self.grants.get(id)
            return None if grant is None else grant.scope
        kept = self.tokens.get(id) if type == "token" else None
        return None if kept is None else kept.token.scope

    # --- what has changed? ---

    def changed(self, identities: Iterable[str] | None = None) -> None:
        """Grants of these identities (None: roles, and so everybody's) have changed: open connections follow now."""
        if identities is None:
            self._rights.clear()
            identities = list(self._callers)
        for identity in set(identities):
            self._rights.pop(identity, None)
            for caller in list(self._callers.get(identity, ())):
                caller.entitle(*self._entitlement(caller))

    def end_token(self, id: str, reason: str) -> None:
        """Connections that a token opened end."""
        for caller, token_id in list(self._tokens_of.items()):
            if token_id == id:
                self._part(caller)
                self._tokens_of.pop(caller, None)
                caller.revoke(reason)

    def object_removed(self, type: str, id: str) -> None:
        """An object is gone: so are the grants for it, as soon as those who have them have heard of it."""
        if self.grants.about(type, id):
            self._gone[type, id] = self._clock.monotonic()

    def object_added(self, type: str, id: str) -> None:
        """An object is new, not merely new to us: what was granted for one of that id before was not meant for it."""
        self._forget_about(type, id)

    def look(self) -> None:
        """End what has expired."""
        gone = self.grants.expired()
        for grant in gone:
            self.grants.suspend(grant.id)
            self.grants.forget(grant.id)
        self.changed({grant.identity for grant in gone})
        now = self._clock.monotonic()
        for type, id in [object for object, since in self._gone.items() if now - since >= GONE_S]:
            self._forget_about(type, id)
        for id in self.tokens.expired():
            self.tokens.suspend(id)
            self.end_token(id, "its token has expired")
            self.tokens.forget(id)
        for identity in [identity for identity, callers in self._callers.items() if not callers]:
            del self._callers[identity]

    def expect(self, at: float) -> None:
        """Something expires at this time: look then, if that is soon; otherwise a regular look finds it."""
        wait = at - self._clock.time()
        if self._later is not None and wait <= LOOK_S:
            self._later(max(wait, 0.0) + 0.001, self.look)

    # --- within ---

    def _forget_about(self, type: str, id: str) -> None:
        self._gone.pop((type, id), None)
        gone = self.grants.about(type, id)
        for grant in gone:
            self.grants.suspend(grant.id)
            self.grants.forget(grant.id)
        self.changed({grant.identity for grant in gone})

    def _bind(self, caller: Caller, proof: _Proof) -> None:
        """From now on the caller is let go when the certificate is revoked, and no token makes another of him."""
        self._proofs[caller] = proof
        if self.certificates is not None:
            self.certificates.hold(caller, proof.certificate)

    def _admitted(self, caller: Caller) -> _Proof | None:
        """The certificate that bounds what a token does on this connection; raises ``NotAuthenticated`` if one is needed first."""
        if caller.only is not None:
            raise self._certificate_first(caller)
        return self._proofs.get(caller)

    def _until(self, kept: Kept, proof: _Proof | None) -> float:
        until = self.tokens.until(kept.token.id)
        return until if proof is None else min(until, proof.certificate.not_after)

    def _redeem(self, token: str, address: str, actor: Actor, proof: _Proof | None) -> Kept:
        try:
            kept = self._valid(token, address)
            _check_same(kept, proof)
        except NotAuthenticated as refusal:
            self._tell(actor, refusal)
            raise
        self.tokens.used(kept.token.id)
        self.expect(self.tokens.until(kept.token.id))
        return kept

    def _valid(self, token: str, address: str) -> Kept:
        if self._attempts.too_many(address):
            raise NotAuthenticated(reason="too many wrong tokens came from there; wait a minute")
        kept = self.tokens.find(token)
        if kept is None:
            self._attempts.failed(address)
            _log.warning("a token that is not valid was presented from %s", address or "within")
            raise NotAuthenticated(reason="the token is not valid")
        return kept

    def _certificate_first(self, caller: Caller) -> NotAuthenticated:
        """The refusal of a token on a connection that must prove something else before; it is on record."""
        refusal = NotAuthenticated(reason="this connection needs a certificate first")
        self._tell(Actor(caller.identity, caller.source, caller.address), refusal)
        return refusal

    def _tell(self, actor: Actor, refusal: NotAuthenticated) -> None:
        if self._trail is not None:
            self._trail.refusal(Deed(actor=actor, method=LOGIN, outcome="refused", error=refusal.name))

    def _known(
        self,
        identity: str,
        source: str,
        *,
        address: str,
        sink: Sink | None,
        expires_at: float | None = None,
        token_id: str | None = None,
    ) -> Caller:
        caller = Caller(identity=identity, source=source, roles=(), rights=Rights(), address=address, sink=sink, expires_at=expires_at)
        self._join(caller, token_id)
        caller.entitle(*self._entitlement(caller))
        return caller

    def _join(self, caller: Caller, token_id: str | None) -> None:
        self._callers.setdefault(caller.identity, WeakSet()).add(caller)
        if token_id is None:
            self._tokens_of.pop(caller, None)
        else:
            self._tokens_of[caller] = token_id
            kept = self.tokens.get(token_id)
            caller.is_limited = kept is not None and bool(kept.limits)

    def _part(self, caller: Caller) -> None:
        callers = self._callers.get(caller.identity)
        if callers is not None:
            callers.discard(caller)
            if not callers:
                del self._callers[caller.identity]

    def _entitlement(self, caller: Caller) -> tuple[tuple[str, ...], Rights]:
        id = self._tokens_of.get(caller)
        return self.rights_of(caller.identity) if id is None else self._by_token(id)

    def _by_token(self, id: str) -> tuple[tuple[str, ...], Rights]:
        kept = self.tokens.valid(id)
        if kept is None:
            return (), Rights()
        roles, _ = self.rights_of(kept.token.identity)
        return roles if kept.token.role is None else (kept.token.role,), self.limited(kept.token.identity, kept.limits)

    def _computed(self, identity: str) -> tuple[tuple[str, ...], Rights]:
        if self.is_built_in(identity):
            return (ADMINISTRATOR,), Rights(ALL)
        if identity == "anonymous":
            return (), Rights()
        grants = self.grants.of(identity)
        rights = combine((grant.scope, self.roles.permissions(grant.role)) for grant in grants)
        return tuple(sorted({grant.role for grant in grants if self.roles.permissions(grant.role) != NOTHING})), rights

    def _look_again(self) -> None:
        self.look()
        soon = [at for at in (self.grants.next_expiry(), self.tokens.next_expiry()) if at is not None]
        if soon:
            self.expect(min(soon))
        if self._later is not None:
            self._later(LOOK_S, self._look_again)


def _check_same(kept: Kept, proof: _Proof | None) -> None:
    """The one rule for all roads: over a client certificate a token speaks for the certificate's identity, or for nobody."""
    if proof is not None and kept.token.identity != proof.identity:
        raise NotAuthenticated(reason="the token is of another identity than this connection's certificate")
