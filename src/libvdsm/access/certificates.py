"""The register of certificates: which there are, whom they speak for, when they end, and the verbs of ``Certificate``.

What is kept is a record of each certificate and never a key. Keys and signatures are made where the CA's key is, by
``sign``. A certificate counts from when its record is on disk, and no longer from the moment it is asked to be revoked.
"""

from __future__ import annotations

import logging
import uuid
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Final

import msgspec

from libvdsm.access.commits import Commits
from libvdsm.access.cursors import number_of
from libvdsm.access.enrolments import Enrolment, Enrolments
from libvdsm.base.clock import Clock, seconds_of, timestamp
from libvdsm.base.ids import new_uuid
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.endpoint import PeerCertificate
from libvdsm.interfaces.generated.errors import NotAuthenticated, ObjectNotFound, WrongState
from libvdsm.interfaces.generated.types import (
    Certificate,
    CertificateCreateEnrolmentParams,
    CertificateEnrolParams,
    CertificateFilter,
    CertificateGetParams,
    CertificateIssued,
    CertificateIssueParams,
    CertificateKind,
    CertificateList,
    CertificateListParams,
    CertificateRenewParams,
    CertificateRevokeParams,
    EnrolmentMade,
)
from libvdsm.interfaces.messages import Cause, PkiIssue, PkiIssued, ReportTls, SeenCertificate
from libvdsm.interfaces.place import Place
from libvdsm.interfaces.store import Store
from libvdsm.journal.recorder import Recorder, merge_patch

_log = logging.getLogger(__name__)

#: Their kind in the store, and the type of their events.
KIND: Final = "certificate"
#: Days before an end at which it is told.
WARNINGS: Final = (30, 7, 1)
#: How long a certificate is still shown after its end, in days.
KEPT_DAYS: Final = 90
#: How often ends are looked at.
LOOK_S: Final = 3_600.0
_DAY_S: Final = 86_400.0
_DAEMON: Final = Cause(kind="daemon")

Sign = Callable[[PkiIssue], Awaitable[PkiIssued]]
_encode = msgspec.json.Encoder().encode
_to_document = msgspec.json.Decoder(dict[str, object]).decode


class Kept(msgspec.Struct, frozen=True):
    """A certificate in the store."""

    number: int  # its place in the order of making
    certificate: Certificate


_to_kept = msgspec.json.Decoder(Kept).decode


def _decode(data: bytes) -> Kept:
    """A kept certificate; raises for one whose end is no time, as for anything else that is no certificate."""
    kept = _to_kept(data)
    seconds_of(kept.certificate.expires_at)
    return kept


def warning(until: float, now: float) -> int | None:
    """Which warning holds: 30, 7 or 1 days before the end, 0 when it is over; ``None``: none yet."""
    left = until - now
    return 0 if left <= 0 else min((days for days in WARNINGS if left <= days * _DAY_S), default=None)


class Certificates:
    """See ``interfaces.certificates.CertificateRegister``; and the verbs, by their names."""

    def __init__(
        self,
        *,
        store: Store,
        recorder: Recorder,
        clock: Clock,
        sign: Sign,
        later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        """``sign``: has the host's worker make a client's certificate; raises ``ApiError``.

        ``later`` is the loop's ``call_later``; without it ends are noticed when ``look`` is called.
        """
        self._store = store
        self._recorder = recorder
        self._clock = clock
        self._sign = sign
        self._enrolments = Enrolments(store, clock)
        kept = sorted(store.understood(KIND, _decode).values(), key=lambda each: each.number)
        self._all = {each.certificate.id: each for each in kept}
        self._by_fingerprint = {each.certificate.fingerprint: each.certificate.id for each in kept}
        self._last = max((each.number for each in kept), default=0)
        self._idle: set[str] = set()  # not yet on disk
        self._commits = Commits(store)
        self._callers: weakref.WeakKeyDictionary[Caller, str] = weakref.WeakKeyDictionary()

        self._later = later
        if later is not None:
            later(LOOK_S, self._look_again)

    def _look_again(self) -> None:
        self.look()
        if self._later is not None:
            self._later(LOOK_S, self._look_again)

    # --- who comes ---

    def identify(self, certificate: PeerCertificate) -> str | None:
        """See ``CertificateRegister``."""
        id = self._by_fingerprint.get(certificate.fingerprint)
        if id is None or id in self._idle:
            return None
        found = self._all[id].certificate
        if found.revoked_at is not None:
            raise NotAuthenticated(reason=f"the certificate {found.id} of {found.identity} was revoked at {found.revoked_at}")
        return found.identity

    def hold(self, caller: Caller, certificate: PeerCertificate) -> None:
        """See ``CertificateRegister``."""
        self._callers[caller] = certificate.fingerprint

    # --- this host's own ---

    def seen(self, told: ReportTls) -> None:
        """The certificates that this host shows and trusts now."""
        present = {each.fingerprint: each for each in told.seen}
        for kept in list(self._own()):
            if kept.certificate.fingerprint not in present:
                self._remove(kept, _DAEMON)
        for fingerprint, each in present.items():
            if fingerprint not in self._by_fingerprint:
                self._add(_own_certificate(each), _DAEMON)
        self.look()

    def _own(self) -> Iterator[Kept]:
        return (kept for kept in self._all.values() if kept.certificate.kind is not CertificateKind.CLIENT)

    # --- ends ---

    def look(self) -> None:
        """Tell which ends have come near, and forget what is long over; once a day at least."""
        now = self._clock.time()
        self._enrolments.forget_expired()
        for kept in list(self._all.values()):
            self._look_at(kept, now)

    def _look_at(self, kept: Kept, now: float) -> None:
        found = kept.certificate
        until = seconds_of(found.expires_at)
        if now - until >= KEPT_DAYS * _DAY_S and found.kind is CertificateKind.CLIENT:
            self._remove(kept, _DAEMON)
            return
        if found.revoked_at is not None or found.replaced_by is not None:
            return
        near = warning(until, now)
        if near == found.expiry_warning:
            return
        self._change(kept, _DAEMON, expiry_warning=near)
        if near is not None:
            _log.warning(
                "the %s certificate of %s (%s) %s",
                found.kind.value,
                found.identity or found.subject,
                found.id,
                f"ends at {found.expires_at}" if near else f"has ended at {found.expires_at}",
            )

    # --- verbs that read ---

    def certificate_list(self, _caller: Caller, params: CertificateListParams) -> bytes:
        """A page, in the order of making; the cursor is the number of the last one of the page before."""
        after = number_of(params.after)
        now = self._clock.time()
        found = (kept for kept in self._all.values() if kept.number > after and _fits(kept.certificate, params.filter, now))
        page = list(islice(found, params.limit + 1))
        items = [kept.certificate for kept in page[: params.limit]]
        following = str(page[params.limit - 1].number) if len(page) > params.limit else None
        return _encode(CertificateList(items=items, next=following))

    def certificate_get(self, _caller: Caller, params: CertificateGetParams) -> bytes:
        """One certificate."""
        return _encode(self._get(params.certificate_id).certificate)

    # --- verbs that change ---

    async def certificate_issue(self, caller: Caller, params: CertificateIssueParams) -> bytes:
        """A certificate for an identity."""
        made = await self._sign(PkiIssue(params.identity, params.days, params.csr))
        return self._keep(made, params.identity, Cause(kind="call", method="Certificate.issue", identity=caller.identity))

    async def certificate_renew(self, caller: Caller, params: CertificateRenewParams) -> bytes:
        """The one that follows another."""
        identity = self.renewable(params.certificate_id).certificate.identity or ""
        made = await self._sign(PkiIssue(identity, params.days, params.csr))
        self.renewable(params.certificate_id)  # it may have been revoked meanwhile
        cause = Cause(kind="call", method="Certificate.renew", identity=caller.identity)
        return self._keep(made, identity, cause, before=params.certificate_id)

    def certificate_revoke(self, caller: Caller, params: CertificateRevokeParams) -> bytes:
        """It counts no longer; its connections end, and so do invitations of whom it spoke for: they are as lost as it is."""
        kept = self.revocable(params.certificate_id)
        found = kept.certificate
        voided = self._enrolments.void(found.identity or "")
        if voided:
            _log.info("%d invitations of %s are void", voided, found.identity)
        if found.revoked_at is None:
            cause = Cause(kind="call", method="Certificate.revoke", identity=caller.identity)
            self._change(kept, cause, revoked_at=timestamp(self._clock.time()), revoked_by=caller.identity)
            self._end(found.fingerprint, f"the certificate {found.id} of {found.identity} was revoked by {caller.identity}")
        return b"{}"

    def certificate_create_enrolment(self, caller: Caller, params: CertificateCreateEnrolmentParams) -> bytes:
        """The right to one certificate."""
        until = self._clock.time() + params.expires_in
        token = self._enrolments.add(Enrolment(params.identity, params.days, until, caller.identity))
        self._commits.when_recorded(failed=lambda: self._enrolments.forget(token))
        return _encode(EnrolmentMade(token=token, expires_at=timestamp(until)))

    async def certificate_enrol(self, _caller: Caller, params: CertificateEnrolParams) -> bytes:
        """The certificate that a token stands for. The token is spent as soon as it is used, and given back if nothing comes of it."""
        token = params.token.reveal()
        enrolment = self._enrolments.take(token)
        if enrolment is None:
            raise _not_valid()
        try:
            made = await self._sign(PkiIssue(enrolment.identity, enrolment.days, params.csr))
        except BaseException:
            self._enrolments.give_back(token)
            raise
        if not self._enrolments.spend(token):
            raise _not_valid()
        self._commits.when_recorded(failed=lambda: self._enrolments.give_back(token), done=lambda: self._enrolments.done(token))
        _log.info("%s enrols", enrolment.identity)
        return self._keep(made, enrolment.identity, Cause(kind="call", method="Certificate.enrol", identity=enrolment.made_by))

    def _keep(self, made: PkiIssued, identity: str, cause: Cause, before: str | None = None) -> bytes:
        """Record a certificate that was made, and answer it; all of it in one turn."""
        now = self._clock.time()
        certificate = Certificate(
            id=new_uuid(),
            kind=CertificateKind.CLIENT,
            identity=identity,
            subject=made.subject,
            names=made.names,
            fingerprint=made.fingerprint,
            serial=made.serial,
            created_at=timestamp(now),
            created_by=cause.identity,
            expires_at=timestamp(made.notAfter),
            expiry_warning=warning(made.notAfter, now),
            revision=0,
        )
        self._add(certificate, cause)
        self._idle.add(certificate.id)
        self._commits.when_recorded(failed=lambda: self._forget(certificate.id), done=lambda: self._idle.discard(certificate.id))
        if before in self._all:
            self._change(self._all[before], cause, replaced_by=certificate.id, expiry_warning=None)
        return _encode(
            CertificateIssued(
                id=certificate.id,
                identity=identity,
                certificate=made.certificate,
                key=made.key,
                ca=made.ca,
                expires_at=certificate.expires_at,
            )
        )

    def _end(self, fingerprint: str, reason: str) -> None:
        """Whoever proved himself with it is let go."""
        for caller in [caller for caller, held in self._callers.items() if held == fingerprint]:
            caller.revoke(reason)

    # --- records ---

    def _get(self, id: str) -> Kept:
        kept = self._all.get(id)
        if kept is None:
            raise ObjectNotFound(type=KIND, id=id)
        return kept

    def revocable(self, id: str) -> Kept:
        """One that somebody else holds; raises ``ObjectNotFound`` or ``WrongState``."""
        kept = self._get(id)
        kind = kept.certificate.kind
        if kind is not CertificateKind.CLIENT:
            raise WrongState(type=KIND, id=id, state=kind.value, needs="client")
        return kept

    def renewable(self, id: str) -> Kept:
        """One that can be followed by another; raises ``ObjectNotFound`` or ``WrongState``."""
        kept = self._get(id)
        found = kept.certificate
        if found.kind is not CertificateKind.CLIENT or found.revoked_at is not None:
            state = "revoked" if found.revoked_at is not None else found.kind.value
            raise WrongState(type=KIND, id=id, state=state, needs="client, and not revoked")
        return kept

    def _add(self, certificate: Certificate, cause: Cause) -> None:
        self._last += 1
        shown = msgspec.structs.replace(certificate, revision=self._recorder.next_revision())
        kept = self._all[shown.id] = Kept(self._last, shown)
        self._by_fingerprint[shown.fingerprint] = shown.id
        self._store.put(KIND, shown.id, _encode(kept))
        self._record(shown.id, "added", _to_document(_encode(shown)), cause)

    def _change(self, kept: Kept, cause: Cause, **members: object) -> None:
        before = kept.certificate
        after = msgspec.structs.replace(before, revision=self._recorder.next_revision(), **members)
        self._all[before.id] = changed = Kept(kept.number, after)
        self._store.put(KIND, before.id, _encode(changed))
        self._record(before.id, "changed", merge_patch(_to_document(_encode(before)), _to_document(_encode(after))), cause)

    def _remove(self, kept: Kept, cause: Cause) -> None:
        self._forget(kept.certificate.id)
        self._store.remove(KIND, kept.certificate.id)
        self._record(kept.certificate.id, "removed", None, cause)

    def _forget(self, id: str) -> None:
        kept = self._all.pop(id, None)
        self._idle.discard(id)
        if kept is not None:
            self._by_fingerprint.pop(kept.certificate.fingerprint, None)

    def _record(self, id: str, change: str, patch: dict[str, object] | None, cause: Cause) -> None:
        self._recorder.record(type=KIND, id=id, topic=f"{KIND}.{id}", change=change, patch=patch, cause=cause)

    def find(self, id: str) -> Place | None:
        """Where a certificate stands, for ``Places``: it belongs to no project."""
        return Place(KIND, id) if id in self._all else None

    def documents(self) -> Iterable[tuple[str, int, bytes]]:
        """All as objects, for snapshots: id, revision and document."""
        return [(kept.certificate.id, kept.certificate.revision, _encode(kept.certificate)) for kept in self._all.values()]


def _not_valid() -> NotAuthenticated:
    return NotAuthenticated(reason="the enrolment token is not valid: wrong, used or expired")


def _own_certificate(seen: SeenCertificate) -> Certificate:
    """One of this host's own; it has the same id whenever it is seen."""
    return Certificate(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, seen.fingerprint)),
        kind=CertificateKind(seen.kind),
        subject=seen.subject,
        names=seen.names,
        fingerprint=seen.fingerprint,
        serial=seen.serial,
        created_at=timestamp(seen.notBefore),
        expires_at=timestamp(seen.notAfter),
        revision=0,
    )


def _fits(found: Certificate, wanted: CertificateFilter | None, now: float) -> bool:
    if wanted is None:
        return True
    is_valid = found.revoked_at is None and seconds_of(found.expires_at) > now
    return (
        (wanted.kind is None or found.kind is wanted.kind)
        and (wanted.identity is None or found.identity == wanted.identity)
        and (wanted.fingerprint is None or found.fingerprint == wanted.fingerprint.lower())
        and (wanted.valid is None or is_valid is wanted.valid)
    )


def signer(call: Callable[[bytes], Awaitable[bytes]]) -> Sign:
    """``sign`` by a call of the host's worker that takes and gives encoded messages."""
    decode = msgspec.json.Decoder(PkiIssued).decode

    async def sign(asked: PkiIssue) -> PkiIssued:
        return decode(await call(_encode(asked)))

    return sign
