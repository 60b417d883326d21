"""Grants and roles: given, taken, ended by time; at once for open connections; never more than the giver has."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from libvdsm.access.access import GONE_S, Access
from libvdsm.access.certificates import Certificates
from libvdsm.access.certificates import Kept as KeptCertificate
from libvdsm.base.clock import timestamp
from libvdsm.interfaces.generated.errors import (
    AlreadyExists,
    InUse,
    InvalidParams,
    ObjectNotFound,
    PermissionDenied,
    StateUnavailable,
    WrongState,
)
from libvdsm.interfaces.generated.types import Certificate, CertificateKind
from libvdsm.interfaces.messages import PkiIssue, PkiIssued
from libvdsm.journal.memory import MemoryJournal
from libvdsm.journal.memory_store import MemoryStore
from libvdsm.journal.recorder import Recorder
from tests.fakes.asking import ask, grant, place_vm, user
from tests.fakes.front import DAEMON, VM_1, VM_2, Front

ALICE = "unix:1000"
DAY = "2026-12-31T00:00:00Z"
EVERYWHERE = {"kind": "everywhere"}
BOB = "unix:1001"


@pytest.fixture
def front() -> Front:
    made = Front(verify=True)
    place_vm(made, VM_1, "web")
    place_vm(made, VM_2, "db")
    made.seen()
    return made


async def test_a_grant_works_at_once_on_open_connections_and_ends_at_once(front: Front) -> None:
    """No new connection, no new login is needed, in either direction; the connection is told of each change."""
    alice, told = user(front), []
    alice.on_change.append(lambda: told.append(alice.rights))
    with pytest.raises(PermissionDenied):
        await ask(front, alice, "VM.list")
    id = await grant(front, ALICE, "reader", project="web")
    assert [vm["id"] for vm in (await ask(front, alice, "VM.list"))["items"]] == [VM_1]
    await ask(front, front.admin, "Access.revoke", {"grantId": id})
    with pytest.raises(PermissionDenied):
        await ask(front, alice, "VM.list")
    assert len(told) == 2


@pytest.mark.parametrize(
    ("scope", "seen"), (({"kind": "everywhere"}, [VM_1, VM_2]), ({"kind": "project", "project": "db"}, [VM_2]), (None, [VM_1, VM_2]))
)
async def test_a_scope_holds_where_it_says(front: Front, scope: dict[str, object] | None, seen: list[str]) -> None:
    """Everywhere (also by default), or in one project."""
    params = {"identity": ALICE, "role": "reader"} | ({} if scope is None else {"scope": scope})
    await ask(front, front.admin, "Access.grant", params)
    assert [vm["id"] for vm in (await ask(front, user(front), "VM.list"))["items"]] == seen


async def test_a_grant_for_one_object_follows_it_to_another_project(front: Front) -> None:
    """It is for the object, not for where it was."""
    await grant(front, ALICE, "operator", vm=VM_1)
    alice = user(front)
    place_vm(front, VM_1, "elsewhere")
    assert (await ask(front, alice, "VM.get", {"vmId": VM_1}))["project"] == "elsewhere"
    with pytest.raises(ObjectNotFound):
        await ask(front, alice, "VM.get", {"vmId": VM_2})


async def test_the_same_grant_twice_is_one(front: Front) -> None:
    """Giving what is there answers what is there."""
    assert await grant(front, ALICE, "reader", project="web") == await grant(front, ALICE, "reader", project="web")
    assert len((await ask(front, front.admin, "Access.list"))["items"]) == 1


async def test_a_grant_ends_by_its_time(front: Front) -> None:
    """From that moment on nothing new is allowed; open connections lose it with the next look, and the record goes."""
    until = timestamp(front.clock.time() + 60)
    await grant(front, ALICE, "reader", expiresAt=until)
    alice = user(front)
    assert "vm.read" in alice.permissions
    front.clock.advance(59)
    front.access.look()
    assert "vm.read" in alice.permissions
    front.clock.advance(1)
    front.access.look()
    assert not alice.permissions
    assert (await ask(front, front.admin, "Access.list"))["items"] == []
    await front.store.commit()
    assert front.store.load("grant") == {}


async def test_an_expiry_in_the_past_or_on_no_day_is_refused(front: Front) -> None:
    """The path says which parameter it is."""
    for wrong in (timestamp(front.clock.time() - 1), "2026-02-31T00:00:00Z"):
        with pytest.raises(InvalidParams) as refused:
            await grant(front, ALICE, "reader", expiresAt=wrong)
        assert refused.value.path == "$.expiresAt"


async def test_nobody_gives_away_what_he_does_not_have_there(front: Front) -> None:
    """An administrator of a project gives roles there, not elsewhere; a manager without a permission does not give it."""
    await grant(front, ALICE, "administrator", project="web")
    alice = user(front)
    own = {"kind": "project", "project": "web"}
    await ask(front, alice, "Access.grant", {"identity": BOB, "role": "operator", "scope": own})
    for scope in ({"kind": "everywhere"}, {"kind": "project", "project": "db"}):
        with pytest.raises(PermissionDenied):
            await ask(front, alice, "Access.grant", {"identity": BOB, "role": "reader", "scope": scope})
    await ask(front, front.admin, "Access.defineRole", {"name": "giver", "permissions": ["access.manage", "vm.read"]})
    await grant(front, "unix:1002", "giver")
    giver = user(front, 1002)
    await ask(front, giver, "Access.grant", {"identity": BOB, "role": "giver"})
    with pytest.raises(PermissionDenied) as refused:
        await ask(front, giver, "Access.grant", {"identity": "unix:1002", "role": "operator"})
    assert refused.value.params["permission"] in ("event.read", "host.read")


async def test_a_giver_of_one_object_gives_that_one(front: Front) -> None:
    """Objects that he does not see are not there for him, whether or not they are."""
    await grant(front, ALICE, "administrator", vm=VM_1)
    alice = user(front)
    mine = {"kind": "object", "type": "vm", "id": VM_1}
    await ask(front, alice, "Access.grant", {"identity": BOB, "role": "reader", "scope": mine})
    for type, id in (("vm", VM_2), ("vm", "00000000-0000-4000-8000-000000000001"), ("moon", VM_1), ("host", VM_1)):
        with pytest.raises(ObjectNotFound) as refused:
            await ask(
                front, alice, "Access.grant", {"identity": BOB, "role": "reader", "scope": {"kind": "object", "type": type, "id": id}}
            )
        assert refused.value.params == {"type": type, "id": id}


async def test_a_manager_of_a_project_sees_and_revokes_its_grants_alone(front: Front) -> None:
    """Grants of elsewhere are not there for him; who may only read them is denied, not deceived."""
    elsewhere = await grant(front, BOB, "reader", project="db")
    everywhere = await grant(front, BOB, "reader")
    here = await grant(front, BOB, "reader", project="web")
    mine = await grant(front, ALICE, "administrator", project="web")
    alice = user(front)
    assert [each["id"] for each in (await ask(front, alice, "Access.list"))["items"]] == [here, mine]
    for id in (elsewhere, everywhere):
        with pytest.raises(ObjectNotFound):
            await ask(front, alice, "Access.revoke", {"grantId": id})
    assert await ask(front, alice, "Access.revoke", {"grantId": here}) == {}


async def test_lists_are_paged_and_filtered(front: Front) -> None:
    """In the order of making; the cursor goes on where the page ended; nonsense is no cursor."""
    made = [await grant(front, f"user:u{number}", "reader", project="web") for number in range(5)]
    first = await ask(front, front.admin, "Access.list", {"limit": 2})
    rest = await ask(front, front.admin, "Access.list", {"after": first["next"]})
    assert [each["id"] for each in first["items"] + rest["items"]] == made
    assert "next" not in rest
    only = await ask(front, front.admin, "Access.list", {"filter": {"identity": "user:u3", "project": "web", "role": "reader"}})
    assert [each["id"] for each in only["items"]] == [made[3]]
    for wrong in ({"project": "db"}, {"role": "operator"}):
        assert (await ask(front, front.admin, "Access.list", {"filter": wrong}))["items"] == []
    with pytest.raises(InvalidParams):
        await ask(front, front.admin, "Access.list", {"after": "x"})


async def test_grants_and_roles_survive_a_restart(front: Front) -> None:
    """What was answered is in the store; what was revoked is not."""
    await ask(front, front.admin, "Access.defineRole", {"name": "watcher", "permissions": ["vm.read"]})
    await grant(front, ALICE, "watcher", project="web")
    gone = await grant(front, ALICE, "operator")
    await ask(front, front.admin, "Access.revoke", {"grantId": gone})
    later = Access(administrators=[0], allow_anonymous=False, store=front.store, clock=front.clock)
    roles, rights = later.rights_of(ALICE)
    assert (roles, rights.everywhere, dict(rights.projects)) == (("watcher",), frozenset(), {"web": frozenset({"vm.read"})})


async def test_what_cannot_be_recorded_is_taken_back(front: Front) -> None:
    """A grant whose commit fails gives nothing; a revocation whose commit fails counts all the same, and can be asked again."""
    id = await grant(front, ALICE, "reader")
    alice, bob = user(front), user(front, 1001)
    commit, front.store.check = front.store.check, lambda **_: None  # type: ignore[method-assign]  # it fails later than asked
    front.store.become("failed", "the disk is gone")
    with pytest.raises(StateUnavailable):
        await grant(front, BOB, "reader")
    with pytest.raises(StateUnavailable):
        await ask(front, front.admin, "Access.revoke", {"grantId": id})
    front.store.become("ok")
    front.store.check = commit  # type: ignore[method-assign]
    await asyncio.sleep(0)
    assert not bob.permissions
    assert not alice.permissions
    assert await ask(front, front.admin, "Access.revoke", {"grantId": id}) == {}


async def test_roles_of_this_host_can_be_made_changed_and_removed(front: Front) -> None:
    """A change reaches whoever has the role at once; one that somebody has cannot be removed."""
    alice = user(front)
    await ask(front, front.admin, "Access.defineRole", {"name": "watcher", "permissions": ["vm.read"], "summary": "Looks"})
    id = await grant(front, ALICE, "watcher")
    assert alice.permissions == {"vm.read"}
    await ask(front, front.admin, "Access.defineRole", {"name": "watcher", "permissions": ["vm.read", "vm.screen"]})
    assert alice.permissions == {"vm.read", "vm.screen"}
    with pytest.raises(InUse):
        await ask(front, front.admin, "Access.deleteRole", {"name": "watcher"})
    await ask(front, front.admin, "Access.revoke", {"grantId": id})
    assert await ask(front, front.admin, "Access.deleteRole", {"name": "watcher"}) == {}
    with pytest.raises(ObjectNotFound):
        await grant(front, ALICE, "watcher")
    names = [role["name"] for role in (await ask(front, front.admin, "Access.listRoles"))["items"]]
    assert names == ["administrator", "operator", "reader"]


async def test_roles_of_the_api_stay_as_they_are(front: Front) -> None:
    """They cannot be changed nor removed, and unknown permissions are told by their place."""
    with pytest.raises(AlreadyExists):
        await ask(front, front.admin, "Access.defineRole", {"name": "reader", "permissions": ["vm.define"]})
    with pytest.raises(WrongState):
        await ask(front, front.admin, "Access.deleteRole", {"name": "reader"})
    with pytest.raises(ObjectNotFound):
        await ask(front, front.admin, "Access.deleteRole", {"name": "unheard"})
    with pytest.raises(InvalidParams) as refused:
        await ask(front, front.admin, "Access.defineRole", {"name": "x", "permissions": ["vm.read", "vm.fly"]})
    assert refused.value.path == "$.permissions[1]"


async def test_a_role_is_no_back_door(front: Front) -> None:
    """Who manages access but lacks a permission cannot put it into a role that he has."""
    await ask(front, front.admin, "Access.defineRole", {"name": "giver", "permissions": ["access.manage"]})
    await grant(front, ALICE, "giver")
    with pytest.raises(PermissionDenied):
        await ask(front, user(front), "Access.defineRole", {"name": "giver", "permissions": ["access.manage", "vm.define"]})


async def test_the_built_in_administrators_cannot_be_shut_out(front: Front) -> None:
    """Nothing is granted to them, so nothing can be revoked; and nobody else becomes one by a name."""
    assert (await ask(front, front.admin, "Access.list"))["items"] == []
    assert (await ask(front, front.admin, "Identity.whoAmI"))["roles"] == ["administrator"]
    assert not user(front, 1).permissions


async def test_grants_do_not_pass_to_another_object_of_the_same_id(front: Front) -> None:
    """A client may choose an id that was used before: what was granted for the object of then is not for that of now."""
    await grant(front, ALICE, "operator", vm=VM_1)
    alice = user(front)
    front.inventory.removed("vm", VM_1, DAEMON)
    place_vm(front, VM_1, "db")
    with pytest.raises(PermissionDenied):
        await ask(front, alice, "VM.get", {"vmId": VM_1})
    assert (await ask(front, front.admin, "Access.list"))["items"] == []


async def test_grants_for_what_is_gone_are_forgotten_after_a_while(front: Front) -> None:
    """Long enough that its end is heard of."""
    await grant(front, ALICE, "operator", vm=VM_1)
    front.inventory.removed("vm", VM_1, DAEMON)
    front.access.look()
    assert len((await ask(front, front.admin, "Access.list"))["items"]) == 1
    front.clock.advance(GONE_S)
    front.access.look()
    assert (await ask(front, front.admin, "Access.list"))["items"] == []


async def test_a_grant_may_end_in_a_leap_second(front: Front) -> None:
    """It is told as the second that follows; a day that does not exist is refused with its path."""
    made = await ask(
        front, front.admin, "Access.grant", {"identity": ALICE, "role": "reader", "scope": EVERYWHERE, "expiresAt": "2026-12-31T23:59:60Z"}
    )
    assert made["expiresAt"] == "2027-01-01T00:00:00.000Z"
    with pytest.raises(InvalidParams) as refused:
        await grant(front, ALICE, "operator", expiresAt="2027-02-30T00:00:00Z")
    assert refused.value.params["path"] == "$.expiresAt"


@pytest.mark.parametrize("kind", ("grant", "token", "certificate"))
async def test_what_is_kept_with_an_end_that_is_no_time_is_set_aside(front: Front, kind: str) -> None:
    """The rest is served: one record does not hold up the start."""
    await grant(front, ALICE, "reader", expiresAt="2026-12-31T00:00:00Z")
    await ask(front, front.admin, "Identity.createToken", {"label": "test", "expiresIn": 364 * 86_400})
    certificate = Certificate(
        id=VM_1,
        kind=CertificateKind.CLIENT,
        subject="CN=a",
        names=[],
        fingerprint="f",
        serial="1",
        created_at=DAY,
        expires_at=DAY,
        revision=1,
    )
    kept = {each: list(front.store.load(each).values()) for each in ("grant", "token")}
    kept["certificate"] = [msgspec.json.encode(KeptCertificate(1, certificate))]
    bad = kept[kind][0].replace(b"2026-12-3", b"2026-02-3")
    assert bad != kept[kind][0]
    store = MemoryStore(records={kind: {"good": kept[kind][0], "bad": bad}})
    Access(administrators=(), allow_anonymous=False, store=store, clock=front.clock)
    Certificates(store=store, recorder=Recorder(MemoryJournal(), front.clock), clock=front.clock, sign=_never)
    assert list(store.load(kind)) == ["good"]
    assert store.health().quarantined == 1


async def _never(asked: PkiIssue) -> PkiIssued:
    raise AssertionError(asked)
