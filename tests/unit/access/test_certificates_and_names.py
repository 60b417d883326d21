"""Whom a certificate speaks for, and which names nobody can take by one."""

from __future__ import annotations

import pytest

from libvdsm.access.access import Access
from libvdsm.access.tokens import digest_of, new_token
from libvdsm.base.clock import ManualClock, timestamp
from libvdsm.interfaces.audit import Actor
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.endpoint import PeerCertificate
from libvdsm.interfaces.generated.errors import NotAuthenticated
from libvdsm.interfaces.generated.types import Token
from tests.fakes.front import RecordedTrail


class Register:
    """Knows one certificate, and one that was revoked."""

    def __init__(self, identity: str | None) -> None:
        self.identity = identity
        self.held: list[Caller] = []

    def identify(self, certificate: PeerCertificate) -> str | None:
        if certificate.fingerprint == "revoked":
            raise NotAuthenticated(reason="it was revoked")
        return self.identity

    def hold(self, caller: Caller, certificate: PeerCertificate) -> None:
        del certificate
        self.held.append(caller)


def certificate(fingerprint: str = "ab12", *names: str) -> PeerCertificate:
    return PeerCertificate(fingerprint=fingerprint, subject="CN=x", names=names, not_before=0.0, not_after=2e9, serial="01", issuer="CN=ca")


def access(register: Register | None = None, **mapping: str) -> Access:
    clock = ManualClock()
    return Access(administrators=[0], allow_anonymous=False, clock=clock, certificates=register, mapping=mapping)


def test_a_valid_certificate_without_a_mapping_has_an_identity_and_no_rights() -> None:
    """A chain that verifies proves a name, and gives nothing."""
    caller = access(Register(None)).certificate(certificate())
    assert (caller.identity, caller.source, caller.roles) == ("certificate:ab12", "certificate", ())
    assert not caller.permissions
    assert caller.expires_at == 2e9


def test_issued_ones_speak_for_whom_they_were_issued() -> None:
    """The register says so, and is given the caller to end him when it is revoked."""
    register = Register("user:alice")
    caller = access(register).certificate(certificate())
    assert caller.identity == "user:alice"
    assert register.held == [caller]


def test_a_revoked_one_does_not_even_connect() -> None:
    """Its refusal is the register's, and is told to the trail."""
    trail = RecordedTrail()
    made = Access(administrators=[0], allow_anonymous=False, certificates=Register("user:alice"), trail=trail)
    with pytest.raises(NotAuthenticated):
        made.certificate(certificate("revoked"), "192.0.2.1")
    (told,) = trail.refusals
    assert told.actor == Actor("certificate:revoked", "certificate", "192.0.2.1")
    assert (told.method, told.outcome, told.error) == ("Identity.login", "refused", "NotAuthenticated")


@pytest.mark.parametrize("by", ("ab12", "DNS:web.example", "URI:spiffe://x/y"))
def test_others_are_mapped_by_fingerprint_or_name(by: str) -> None:
    """What the configuration says of a certificate that this host has not issued."""
    made = access(Register(None), **{by: "service:web"})
    assert made.certificate(certificate("ab12", "DNS:web.example", "URI:spiffe://x/y")).identity == "service:web"
    assert made.certificate(certificate("ffff", "DNS:other.example")).identity == "certificate:ffff"


@pytest.mark.parametrize("reserved", ("unix:0", "connector:x", "certificate:ffff", "anonymous"))
def test_no_certificate_takes_a_name_that_others_vouch_for(reserved: str) -> None:
    """What the kernel or the daemon says of a peer cannot be said by a certificate."""
    caller = access(Register(reserved)).certificate(certificate())
    assert caller.identity == "certificate:ab12"
    assert not caller.permissions


def bound(register: Register | None = None) -> tuple[Access, dict[str, str], RecordedTrail]:
    """Somebody's tokens, by whom they speak for."""
    trail, clock = RecordedTrail(), ManualClock()
    made = Access(administrators=[0], allow_anonymous=False, clock=clock, certificates=register or Register("user:alice"), trail=trail)
    texts = {}
    for number, identity in enumerate(("user:alice", "user:bob")):
        texts[identity], at = new_token(), timestamp(clock.time() + 3_600)
        shown = Token(
            id=f"{number:08x}-0000-4000-8000-000000000000", label="t", identity=identity, created_at=at, created_by=identity, expires_at=at
        )
        made.tokens.add(shown, digest_of(texts[identity]), (), None)
    return made, texts, trail


def test_over_a_certificate_a_token_is_of_the_same_identity() -> None:
    """By a login and by a header alike; also when a token of his own was taken before. It is on record."""
    made, texts, trail = bound()
    alice = made.certificate(certificate(), "192.0.2.1")
    made.login(alice, texts["user:alice"])
    for caller in (alice, made.bearer(texts["user:alice"], own=alice)):
        assert (caller.identity, caller.source) == ("user:alice", "token")
        with pytest.raises(NotAuthenticated, match="certificate"):
            made.login(caller, texts["user:bob"])
        with pytest.raises(NotAuthenticated, match="certificate"):
            made.bearer(texts["user:bob"], "192.0.2.1", own=caller)
        assert caller.identity == "user:alice"
    assert [(deed.method, deed.error) for deed in trail.refusals] == [("Identity.login", "NotAuthenticated")] * 4


def test_a_certificate_that_nobody_has_mapped_takes_no_token() -> None:
    """It is an identity of its own; whoever has stolen a token has no certificate of its identity."""
    made, texts, _ = bound(Register(None))
    with pytest.raises(NotAuthenticated):
        made.login(made.certificate(certificate()), texts["user:alice"])


def test_without_a_certificate_a_token_is_anybodys() -> None:
    """A peer on the unix socket, or a stranger where that is allowed, becomes who the token says."""
    made, texts, _ = bound()
    for caller in (made.unix(0, 0, 1), made.anonymous("192.0.2.1")):
        assert made.bearer(texts["user:alice"], own=caller).identity == "user:alice"
        made.login(caller, texts["user:bob"])
        assert caller.identity == "user:bob"


def test_who_speaks_by_a_token_over_a_certificate_ends_with_either() -> None:
    """The register holds him, and the earlier end is his."""
    register = Register("user:alice")
    made, texts, _ = bound(register)
    alice = made.certificate(
        PeerCertificate(fingerprint="f", subject="", names=(), not_before=0, not_after=1_767_225_700.0, serial="1", issuer="")
    )
    speaker = made.bearer(texts["user:alice"], own=alice)
    assert register.held == [alice, speaker]
    made.login(alice, texts["user:alice"])
    assert (speaker.expires_at, alice.expires_at) == (1_767_225_700.0, 1_767_225_700.0)
