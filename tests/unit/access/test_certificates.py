"""The register of certificates: who is known by which, until when, and what is told of their ends."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from libvdsm.access.certificates import KEPT_DAYS, Certificates, signer
from libvdsm.base.clock import ManualClock, timestamp
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.endpoint import PeerCertificate
from libvdsm.interfaces.generated.errors import InvalidParams, NotAuthenticated, ObjectNotFound, SubsystemUnavailable, WrongState
from libvdsm.interfaces.generated.types import (
    CertificateCreateEnrolmentParams,
    CertificateEnrolParams,
    CertificateFilter,
    CertificateGetParams,
    CertificateIssueParams,
    CertificateKind,
    CertificateListParams,
    CertificateRenewParams,
    CertificateRevokeParams,
)
from libvdsm.interfaces.messages import PkiIssue, PkiIssued, ReportTls, SeenCertificate
from libvdsm.journal.memory import MemoryJournal
from libvdsm.journal.memory_store import MemoryStore
from libvdsm.journal.recorder import Recorder

DAY_S = 86_400.0


def caller(identity: str = "unix:0") -> Caller:
    return Caller(identity=identity, source="unix", roles=(), rights=Rights())


class Register:
    """A register, what it stands on, and a worker that signs what it is told to."""

    def __init__(self, store: MemoryStore | None = None, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.store = store or MemoryStore()
        self.journal = MemoryJournal()
        self.asked: list[PkiIssue] = []
        self.failure: Exception | None = None
        self.meanwhile: Callable[[], Awaitable[None]] | None = None  # what else is done while one is signed
        self.certificates = Certificates(store=self.store, recorder=Recorder(self.journal, self.clock), clock=self.clock, sign=self.sign)

    async def sign(self, asked: PkiIssue) -> PkiIssued:
        if self.failure is not None:
            raise self.failure
        self.asked.append(asked)
        if self.meanwhile is not None:
            await self.meanwhile()
        number = f"{len(self.asked):02x}"
        now = self.clock.time()
        return PkiIssued(
            certificate="PEM " + number,
            ca="CA",
            fingerprint=number * 32,
            subject=f"CN={asked.identity}",
            serial=number,
            names=[f"URI:urn:libvdsm:identity:{asked.identity}"],
            notBefore=now,
            notAfter=now + asked.days * DAY_S,
            key=None if asked.csr else "KEY " + number,
        )

    async def issue(self, identity: str = "user:alice", **params: Any) -> dict[str, Any]:
        answer = await self.certificates.certificate_issue(caller(), CertificateIssueParams(identity=identity, **params))
        await self.store.commit()
        return self.decoded(answer)

    def get(self, id: str) -> dict[str, Any]:
        return self.decoded(self.certificates.certificate_get(caller(), CertificateGetParams(certificate_id=id)))

    def page(self, **params: Any) -> dict[str, Any]:
        return self.decoded(self.certificates.certificate_list(caller(), CertificateListParams(**params)))

    async def revoke(self, id: str) -> None:
        self.certificates.certificate_revoke(caller(), CertificateRevokeParams(certificate_id=id))
        await self.store.commit()

    def peer(self, id: str) -> PeerCertificate:
        """The one who holds a certificate, as the listener sees him."""
        found = self.get(id)
        return PeerCertificate(
            fingerprint=found["fingerprint"], subject="", names=(), not_before=0, not_after=0, serial=found["serial"], issuer=""
        )

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(entry.data) for entry in self.journal.read(0, 1000)]

    def decoded(self, answer: bytes) -> dict[str, Any]:
        found = json.loads(answer)
        assert isinstance(found, dict)
        return found


async def test_what_is_issued_is_known_by_its_fingerprint() -> None:
    """The answer has all that its holder needs; the record has no key."""
    register = Register()
    made = await register.issue(days=10)
    assert (made["certificate"], made["key"], made["ca"], made["identity"]) == ("PEM 01", "KEY 01", "CA", "user:alice")
    assert made["expiresAt"] == timestamp(register.clock.time() + 10 * DAY_S)
    assert register.certificates.identify(register.peer(made["id"])) == "user:alice"
    assert "KEY" not in str(register.store.load("certificate"))
    (event,) = register.events()
    assert (event["topic"], event["change"], event["cause"]["method"]) == (f"certificate.{made['id']}", "added", "Certificate.issue")
    assert event["patch"] == register.get(made["id"])


async def test_a_request_is_handed_on_and_no_key_comes_back() -> None:
    register = Register()
    made = await register.issue(csr="CSR")
    assert register.asked == [PkiIssue("user:alice", 365, "CSR")]
    assert "key" not in made


async def test_a_certificate_that_was_never_issued_here_speaks_for_nobody() -> None:
    register = Register()
    stranger = PeerCertificate(fingerprint="ff", subject="CN=user:alice", names=(), not_before=0, not_after=0, serial="", issuer="")
    assert register.certificates.identify(stranger) is None


async def test_a_revoked_one_is_refused_and_its_callers_are_let_go() -> None:
    """At once, with the reason; those of others stay. Twice is as good as once."""
    register = Register()
    alice, bob = await register.issue(), await register.issue("user:bob")
    told: list[str] = []
    callers = [caller("user:alice"), caller("user:alice"), caller("user:bob")]
    for each, made in zip(callers, (alice, alice, bob), strict=True):
        each.on_revoked.append(told.append)
        register.certificates.hold(each, register.peer(made["id"]))
    await register.revoke(alice["id"])
    assert told == [f"the certificate {alice['id']} of user:alice was revoked by unix:0"] * 2
    with pytest.raises(NotAuthenticated, match=f"{alice['id']} of user:alice was revoked at"):
        register.certificates.identify(register.peer(alice["id"]))
    await register.revoke(alice["id"])
    assert [event["change"] for event in register.events()] == ["added", "added", "changed"]
    assert register.get(alice["id"])["revokedBy"] == "unix:0"
    assert register.certificates.identify(register.peer(bob["id"])) == "user:bob"


async def test_a_revocation_survives_a_restart() -> None:
    first = Register()
    made = await first.issue()
    await first.revoke(made["id"])
    again = Register(first.store, first.clock)
    with pytest.raises(NotAuthenticated):
        again.certificates.identify(again.peer(made["id"]))


async def test_renewing_names_the_follower_and_leaves_the_old_one_valid() -> None:
    register = Register()
    old = await register.issue()
    params = CertificateRenewParams(certificate_id=old["id"], days=20)
    new = register.decoded(await register.certificates.certificate_renew(caller(), params))
    await register.store.commit()
    assert register.asked[1] == PkiIssue("user:alice", 20)
    assert register.get(old["id"])["replacedBy"] == new["id"]
    assert {register.certificates.identify(register.peer(each["id"])) for each in (old, new)} == {"user:alice"}
    await register.revoke(old["id"])
    with pytest.raises(WrongState):
        await register.certificates.certificate_renew(caller(), params)


async def test_one_that_is_revoked_while_its_follower_is_signed_has_none() -> None:
    """The key is made elsewhere, which takes its time; a revocation meanwhile is not outlived by a new certificate."""
    register = Register()
    old = await register.issue()
    register.meanwhile = partial(register.revoke, old["id"])
    with pytest.raises(WrongState):
        await register.certificates.certificate_renew(caller(), CertificateRenewParams(certificate_id=old["id"]))
    assert [each["id"] for each in register.page()["items"]] == [old["id"]]


async def test_what_is_not_there_cannot_be_renewed_revoked_or_seen() -> None:
    register = Register()
    absent = "11111111-1111-4111-8111-111111111111"
    for attempt in (
        register.get,
        lambda id: register.certificates.certificate_revoke(caller(), CertificateRevokeParams(certificate_id=id)),
    ):
        with pytest.raises(ObjectNotFound):
            attempt(absent)
    with pytest.raises(ObjectNotFound):
        await register.certificates.certificate_renew(caller(), CertificateRenewParams(certificate_id=absent))


async def test_lists_are_filtered_and_paged_in_the_order_of_making() -> None:
    register = Register()
    made = [(await register.issue(f"user:{name}", days=days))["id"] for name, days in (("a", 1), ("b", 100), ("a", 100))]
    assert [each["id"] for each in register.page()["items"]] == made
    page = register.page(limit=2)
    assert [each["id"] for each in page["items"]] == made[:2]
    assert [each["id"] for each in register.page(limit=2, after=page["next"])["items"]] == made[2:]
    assert "next" not in register.page(limit=3)
    assert [each["id"] for each in register.page(filter=CertificateFilter(identity="user:a"))["items"]] == [made[0], made[2]]
    register.clock.advance(2 * DAY_S)
    await register.revoke(made[1])
    assert [each["id"] for each in register.page(filter=CertificateFilter(valid=True))["items"]] == [made[2]]
    assert [each["id"] for each in register.page(filter=CertificateFilter(valid=False))["items"]] == made[:2]
    assert [each["id"] for each in register.page(filter=CertificateFilter(fingerprint="02" * 32))["items"]] == [made[1]]
    assert register.page(filter=CertificateFilter(kind=CertificateKind.CA))["items"] == []
    with pytest.raises(InvalidParams):
        register.page(after="x")


def report(clock: ManualClock, *kinds: tuple[str, str, float]) -> ReportTls:
    """What the host's worker tells: kind, fingerprint and days to live."""
    seen = [SeenCertificate(kind, mark, f"CN={kind}", mark, [], clock.time(), clock.time() + days * DAY_S) for kind, mark, days in kinds]
    return ReportTls(generation="g", certificate="", key="", clientCas="", ca="", seen=seen)


async def test_this_host_s_own_certificates_are_shown_and_go_with_their_generation() -> None:
    """The same one is the same object, however often it is seen, also after a restart."""
    register = Register()
    register.certificates.seen(report(register.clock, ("server", "aa", 365), ("ca", "bb", 3650)))
    first = register.page()["items"]
    assert [each["kind"] for each in first] == ["server", "ca"]
    await register.store.commit()
    again = Register(register.store, register.clock)
    again.certificates.seen(report(register.clock, ("server", "aa", 365), ("ca", "bb", 3650)))
    assert again.events() == []
    again.certificates.seen(report(register.clock, ("server", "cc", 365), ("ca", "bb", 3650)))
    assert [event["change"] for event in again.events()] == ["removed", "added"]
    assert again.events()[0]["object"]["id"] == first[0]["id"]
    with pytest.raises(WrongState):
        await again.revoke(first[1]["id"])


async def test_ends_are_told_thirty_seven_and_one_day_before(caplog: pytest.LogCaptureFixture) -> None:
    """Each once, as an event and in the log: of clients, of the server and of the CA; at last that it is over."""
    register = Register()
    made = await register.issue(days=100)
    register.certificates.seen(report(register.clock, ("server", "aa", 100), ("ca", "bb", 100)))
    begun = len(register.events())
    for days, told in ((69, 0), (1.5, 3), (1, 0), (22, 3), (1, 0), (5, 3), (0.2, 0), (1, 3), (1, 0)):
        before = len(register.events())
        register.clock.advance(days * DAY_S)
        register.certificates.look()
        register.certificates.look()
        assert len(register.events()) - before == told
    warnings = [event["patch"]["expiryWarning"] for event in register.events()[begun:] if event["object"]["id"] == made["id"]]
    assert warnings == [30, 7, 1, 0]
    assert caplog.text.count("the client certificate of user:alice") == 4
    assert caplog.text.count("the server certificate of CN=server") == 4
    assert caplog.text.count("the ca certificate of CN=ca") == 4
    assert "has ended at" in caplog.text


async def test_nobody_is_warned_of_what_was_replaced_or_revoked() -> None:
    register = Register()
    revoked, replaced = await register.issue(days=100), await register.issue("user:bob", days=100)
    await register.revoke(revoked["id"])
    await register.certificates.certificate_renew(caller(), CertificateRenewParams(certificate_id=replaced["id"], days=1000))
    register.clock.advance(95 * DAY_S)
    before = len(register.events())
    register.certificates.look()
    assert len(register.events()) == before


async def test_one_that_is_short_is_warned_of_from_the_start() -> None:
    register = Register()
    assert register.get((await register.issue(days=5))["id"])["expiryWarning"] == 7


async def test_what_is_long_over_is_forgotten() -> None:
    register = Register()
    made = await register.issue(days=1)
    register.clock.advance((KEPT_DAYS + 0.9) * DAY_S)
    register.certificates.look()
    assert register.page()["items"]
    register.clock.advance(DAY_S)
    register.certificates.look()
    assert register.page()["items"] == []
    assert register.events()[-1]["change"] == "removed"
    await register.store.commit()
    assert register.store.load("certificate") == {}
    assert register.certificates.find(made["id"]) is None


def enrolment(token: str, csr: str | None = None) -> CertificateEnrolParams:
    from libvdsm.base.secret import Secret

    return CertificateEnrolParams(token=Secret(token), csr=csr)  # type: ignore[arg-type]  # any length


async def invite(register: Register, **params: Any) -> str:
    answer = register.certificates.certificate_create_enrolment(
        caller(), CertificateCreateEnrolmentParams(identity="user:alice", days=50, **params)
    )
    await register.store.commit()
    return str(register.decoded(answer)["token"])


async def test_an_enrolment_gives_one_certificate() -> None:
    """To whoever has its token, which is kept nowhere; the second time it is worth nothing, also after a restart."""
    register = Register()
    token = await invite(register)
    assert token not in str(register.store.load("enrolment"))
    made = register.decoded(await register.certificates.certificate_enrol(caller("anonymous"), enrolment(token)))
    await register.store.commit()
    assert (made["identity"], register.asked) == ("user:alice", [PkiIssue("user:alice", 50)])
    assert register.events()[-1]["cause"] == {"kind": "call", "method": "Certificate.enrol", "identity": "unix:0"}
    for again in (register, Register(register.store, register.clock)):
        with pytest.raises(NotAuthenticated):
            await again.certificates.certificate_enrol(caller("anonymous"), enrolment(token))


async def test_a_wrong_an_expired_and_a_used_token_are_alike() -> None:
    register = Register()
    token = await invite(register, expires_in=60)
    register.clock.advance(60)
    said = set()
    for each in (token, "enrol-" + "x" * 43):
        with pytest.raises(NotAuthenticated) as refused:
            await register.certificates.certificate_enrol(caller("anonymous"), enrolment(each))
        said.add(str(refused.value))
    assert len(said) == 1
    register.certificates.look()
    await register.store.commit()
    assert register.store.load("enrolment") == {}


async def test_a_token_of_which_nothing_came_can_be_used_again() -> None:
    """Because the worker was away, or the record could not be written."""
    register = Register()
    token = await invite(register)
    register.failure = SubsystemUnavailable(subsystem="host", reason="away")
    with pytest.raises(SubsystemUnavailable):
        await register.certificates.certificate_enrol(caller("anonymous"), enrolment(token))
    register.failure = None
    made = register.decoded(await register.certificates.certificate_enrol(caller("anonymous"), enrolment(token)))
    await register.store.commit()
    assert made["identity"] == "user:alice"


@pytest.mark.parametrize("is_again", (False, True))
async def test_a_revocation_makes_invitations_void(*, is_again: bool) -> None:
    """Those of whom the certificate spoke for, also after a restart, and also if it was revoked before; what is made later counts."""
    register = Register()
    made = await register.issue()
    if is_again:
        await register.revoke(made["id"])
    tokens = [await invite(register) for _ in range(2)]
    other = register.decoded(
        register.certificates.certificate_create_enrolment(caller(), CertificateCreateEnrolmentParams(identity="user:bob"))
    )
    await register.revoke(made["id"])
    later = await invite(register)
    restarted = Register(register.store, register.clock)
    for token in tokens:
        for each in (register, restarted):
            with pytest.raises(NotAuthenticated):
                await each.certificates.certificate_enrol(caller("anonymous"), enrolment(token))
    for token in (later, other["token"]):
        await restarted.certificates.certificate_enrol(caller("anonymous"), enrolment(token))


@pytest.mark.parametrize("fails", (False, True))
async def test_an_invitation_that_becomes_void_while_it_is_used_gives_nothing(*, fails: bool) -> None:
    """Whether the worker signs or not; nor is it given back."""
    register = Register()
    made = await register.issue()
    token = await invite(register)

    async def meanwhile() -> None:
        await register.revoke(made["id"])
        if fails:
            raise SubsystemUnavailable(subsystem="host", reason="away")

    register.meanwhile = meanwhile
    with pytest.raises(SubsystemUnavailable if fails else NotAuthenticated):
        await register.certificates.certificate_enrol(caller("anonymous"), enrolment(token))
    register.meanwhile = None
    assert [each["id"] for each in register.page()["items"]] == [made["id"]]
    assert register.store.load("enrolment") == {}
    with pytest.raises(NotAuthenticated):
        await register.certificates.certificate_enrol(caller("anonymous"), enrolment(token))


async def test_a_signer_speaks_encoded_messages() -> None:
    register = Register()

    async def call(params: bytes) -> bytes:
        import msgspec

        return msgspec.json.encode(await register.sign(msgspec.json.decode(params, type=PkiIssue)))

    made = await signer(call)(PkiIssue("user:alice", 3))
    assert made.fingerprint == "01" * 32
