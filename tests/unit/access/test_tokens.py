"""Tokens speak for an identity, never for more; they end at once, by time or by word, with what they opened."""

from __future__ import annotations

import json

import pytest

from libvdsm.access.access import Access
from libvdsm.access.attempts import MOST
from libvdsm.access.tokens import MOST as MOST_TOKENS
from libvdsm.access.tokens import PREFIX, Tokens, digest_of
from libvdsm.base.clock import ManualClock, timestamp
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import (
    InUse,
    LimitExceeded,
    NeedsConnection,
    NotAuthenticated,
    ObjectNotFound,
    PermissionDenied,
)
from libvdsm.interfaces.generated.types import Token
from tests.fakes.asking import ask, grant, place_vm, user
from tests.fakes.front import HOST, VM_1, VM_2, FakeSink, Front

ALICE = "unix:1000"


def made() -> Front:
    front = Front(verify=True)
    place_vm(front, VM_1, "web")
    place_vm(front, VM_2, "db")
    front.seen()
    return front


async def token(front: Front, caller: Caller, **params: object) -> dict[str, str]:
    return await ask(front, caller, "Identity.createToken", {"label": "test", **params})


async def logged_in(front: Front, text: str) -> Caller:
    caller = user(front, 4000, FakeSink())
    await ask(front, caller, "Identity.login", {"token": text})
    return caller


async def seen_by(front: Front, caller: Caller) -> list[str]:
    return [vm["id"] for vm in (await ask(front, caller, "VM.list"))["items"]]


async def test_a_login_changes_whom_a_connection_speaks_for() -> None:
    """It has the rights of the token's identity, and none of those it had."""
    front = made()
    await grant(front, ALICE, "operator", project="web")
    await grant(front, "unix:4000", "reader", project="db")
    text = (await token(front, user(front)))["token"]
    caller = user(front, 4000, FakeSink())
    assert await seen_by(front, caller) == [VM_2]
    told = await ask(front, caller, "Identity.login", {"token": text})
    assert (told["identity"], told["source"], told["roles"], told["permissions"]) == (ALICE, "token", ["operator"], [])
    assert [each["project"] for each in told["projects"]] == ["web"]
    assert await seen_by(front, caller) == [VM_1]


async def test_only_the_digest_is_kept_and_tokens_are_long() -> None:
    """256 bits behind a known prefix; the store holds nothing by which one could log in."""
    front = made()
    text = (await token(front, front.admin))["token"]
    assert text.startswith(PREFIX)
    assert len(text) == len(PREFIX) + 43
    kept = b"".join(front.store.load("token").values())
    assert text.encode() not in kept
    assert digest_of(text).encode() in kept
    listed = json.dumps(await ask(front, front.admin, "Identity.listTokens"))
    assert text not in listed
    assert digest_of(text) not in listed


@pytest.mark.parametrize(
    ("limits", "seen", "may_stop"),
    (
        ({}, [VM_1, VM_2], True),
        ({"role": "reader"}, [VM_1, VM_2], False),
        ({"scope": {"kind": "project", "project": "db"}}, [VM_2], False),
        ({"scope": {"kind": "object", "type": "vm", "id": VM_1}}, [VM_1], True),
        ({"role": "reader", "scope": {"kind": "project", "project": "web"}}, [VM_1], False),
    ),
)
async def test_a_token_is_limited_by_role_and_scope(limits: dict[str, object], seen: list[str], *, may_stop: bool) -> None:
    """What it can do is the part of both that its identity has too."""
    front = made()
    await grant(front, ALICE, "operator")
    caller = await logged_in(front, (await token(front, user(front), **limits))["token"])
    assert await seen_by(front, caller) == seen
    assert caller.rights.allows("vm.power", type="vm", id=VM_1, project="web") is may_stop


async def test_a_token_for_an_object_of_a_project_works_while_it_is_there() -> None:
    """Right by project, limit by object: allowed exactly where both hold, also after the object has moved."""
    front = made()
    await grant(front, ALICE, "operator", project="web")
    limits = {"scope": {"kind": "object", "type": "vm", "id": VM_1}}
    caller = await logged_in(front, (await token(front, user(front), **limits))["token"])
    assert await seen_by(front, caller) == [VM_1]
    told = await ask(front, caller, "Identity.whoAmI")
    assert [each["object"]["id"] for each in told["objects"]] == [VM_1]
    place_vm(front, VM_1, "db")
    assert await seen_by(front, caller) == []


async def test_its_rights_follow_those_of_its_identity() -> None:
    """They are computed when they are asked for, not when it was made."""
    front = made()
    id = await grant(front, ALICE, "operator")
    caller = await logged_in(front, (await token(front, user(front), role="operator"))["token"])
    assert "vm.power" in caller.permissions
    await ask(front, front.admin, "Access.revoke", {"grantId": id})
    assert not caller.permissions
    await grant(front, ALICE, "administrator")
    assert "vm.power" in caller.permissions
    assert "vm.define" not in caller.permissions


async def test_a_revoked_token_ends_its_connections_at_once() -> None:
    """Whoever logged in by it is shut out and told to go; it opens nothing any more, and nothing says why."""
    front = made()
    await grant(front, ALICE, "operator")
    alice = user(front)
    granted = await token(front, alice)
    first, second = await logged_in(front, granted["token"]), front.access.bearer(granted["token"], "192.0.2.1")
    ended: list[str] = []
    for caller in (first, second):
        caller.on_revoked.append(ended.append)
    assert await ask(front, alice, "Identity.revokeToken", {"tokenId": granted["tokenId"]}) == {}
    assert ended == ["its token was revoked"] * 2
    assert not first.permissions
    with pytest.raises(PermissionDenied):
        await ask(front, first, "Identity.whoAmI")
    with pytest.raises(NotAuthenticated) as refused:
        front.access.bearer(granted["token"], "192.0.2.1")
    with pytest.raises(NotAuthenticated) as unknown:
        front.access.bearer("vdsm-nothing-of-the-kind", "192.0.2.1")
    assert refused.value.data() == unknown.value.data()
    assert "vm.power" in alice.permissions


async def test_an_expired_token_ends_its_connections() -> None:
    """By the clock; its record goes too."""
    front = made()
    await grant(front, ALICE, "operator")
    caller = await logged_in(front, (await token(front, user(front), expiresIn=60))["token"])
    ended: list[str] = []
    caller.on_revoked.append(ended.append)
    assert caller.expires_at == front.clock.time() + 60
    front.clock.advance(60)
    front.access.look()
    assert ended == ["its token has expired"]
    await front.store.commit()
    assert front.store.load("token") == {}


async def test_what_a_token_makes_has_its_limits_and_its_end() -> None:
    """No token makes one that can do more, lives longer, or outlives it."""
    front = made()
    await grant(front, ALICE, "operator")
    parent = await token(front, user(front), scope={"kind": "project", "project": "web"}, expiresIn=60)
    caller = await logged_in(front, parent["token"])
    child = await token(front, caller, expiresIn=86400)
    assert child["expiresAt"] == parent["expiresAt"]
    heir = await logged_in(front, child["token"])
    assert await seen_by(front, heir) == [VM_1]
    ended: list[str] = []
    heir.on_revoked.append(ended.append)
    await ask(front, front.admin, "Identity.revokeToken", {"tokenId": parent["tokenId"]})
    assert ended == ["its token was revoked"]
    assert (await ask(front, front.admin, "Identity.listTokens"))["items"] == []


async def test_tokens_for_others_need_all_that_they_could_do() -> None:
    """A manager cannot lend himself the rights of another, present or future."""
    front = made()
    await ask(front, front.admin, "Access.defineRole", {"name": "giver", "permissions": ["access.manage", "identity.token", "vm.read"]})
    await grant(front, ALICE, "giver")
    alice = user(front)
    with pytest.raises(PermissionDenied):
        await token(front, alice, identity="user:root")
    with pytest.raises(PermissionDenied):
        await token(front, alice, identity="user:root", role="operator")
    assert (await token(front, alice, identity="user:carol", role="giver"))["token"]
    assert (await token(front, front.admin, identity="user:root"))["token"]


async def test_tokens_of_others_are_not_there() -> None:
    """One sees one's own; with ``access.read`` all; to end one of another's needs ``access.manage``."""
    front = made()
    for uid in (1000, 1001):
        await grant(front, f"unix:{uid}", "operator")
    await ask(front, front.admin, "Access.defineRole", {"name": "auditor", "permissions": ["access.read", "identity.token"]})
    await grant(front, "unix:1002", "auditor")
    alice, bob, auditor = user(front), user(front, 1001), user(front, 1002)
    mine, his = await token(front, alice), await token(front, bob)
    assert [each["id"] for each in (await ask(front, alice, "Identity.listTokens"))["items"]] == [mine["tokenId"]]
    assert len((await ask(front, auditor, "Identity.listTokens"))["items"]) == 2
    with pytest.raises(ObjectNotFound):
        await ask(front, alice, "Identity.revokeToken", {"tokenId": his["tokenId"]})
    with pytest.raises(PermissionDenied):
        await ask(front, auditor, "Identity.revokeToken", {"tokenId": his["tokenId"]})
    page = await ask(front, front.admin, "Identity.listTokens", {"limit": 1})
    rest = await ask(front, front.admin, "Identity.listTokens", {"after": page["next"]})
    assert [each["id"] for each in page["items"] + rest["items"]] == [mine["tokenId"], his["tokenId"]]


async def test_login_needs_a_connection_and_does_not_change_on_failure() -> None:
    """A wrong token leaves the connection as it was."""
    front = made()
    await grant(front, ALICE, "reader")
    with pytest.raises(NeedsConnection):
        await ask(front, user(front), "Identity.login", {"token": "vdsm-0000000000000000"})
    alice = user(front, sink=FakeSink())
    with pytest.raises(NotAuthenticated):
        await ask(front, alice, "Identity.login", {"token": "vdsm-0000000000000000"})
    assert (alice.identity, alice.source, "vm.read" in alice.permissions) == (ALICE, "unix", True)


async def test_wrong_tokens_are_counted_by_address() -> None:
    """After some, even the right one waits; others are not concerned."""
    front = made()
    text = (await token(front, front.admin))["token"]
    for _ in range(MOST):
        with pytest.raises(NotAuthenticated):
            front.access.bearer("wrong" * 5, "192.0.2.1")
    with pytest.raises(NotAuthenticated):
        front.access.bearer(text, "192.0.2.1")
    assert front.access.bearer(text, "192.0.2.2").identity == "unix:0"
    front.clock.advance(60)
    assert front.access.bearer(text, "192.0.2.1").identity == "unix:0"


async def test_a_token_where_a_certificate_is_needed_first_is_told_to_the_trail() -> None:
    """A right one as well as a wrong one: it is not looked at, and nobody becomes anything."""
    front = Front()
    caller = user(front, sink=FakeSink())
    caller.only = frozenset({"Certificate.enrol"})
    with pytest.raises(NotAuthenticated, match="certificate first"):
        front.access.login(caller, "vdsm-0000000000000000")
    assert [(deed.method, deed.outcome, deed.error) for deed in front.trail.refusals] == [("Identity.login", "refused", "NotAuthenticated")]


async def test_every_refused_login_is_told_to_the_trail() -> None:
    """On whatever road it came, also while the address has to wait; never the token."""
    front = made()
    with pytest.raises(NotAuthenticated):
        await ask(front, user(front, sink=FakeSink()), "Identity.login", {"token": "vdsm-0000000000000000"})
    for _ in range(MOST + 1):
        with pytest.raises(NotAuthenticated):
            front.access.bearer("wrong" * 5, "192.0.2.1")
    told = [(deed.actor.identity, deed.actor.source, deed.actor.address) for deed in front.trail.refusals]
    assert told == [(ALICE, "unix", "")] + [("anonymous", "anonymous", "192.0.2.1")] * (MOST + 1)
    assert {(deed.method, deed.outcome, deed.error) for deed in front.trail.refusals} == {("Identity.login", "refused", "NotAuthenticated")}
    assert not front.trail.deeds


async def test_tokens_survive_a_restart_and_tell_when_they_were_used() -> None:
    """Use is kept to the hour."""
    front = made()
    text = (await token(front, front.admin))["token"]
    front.clock.advance(7199)
    front.access.bearer(text)
    later = Access(administrators=[0], allow_anonymous=False, store=front.store, clock=front.clock)
    caller = later.bearer(text)
    assert (caller.identity, caller.source) == ("unix:0", "token")
    assert later.token_of(caller) is not None
    used = (await ask(front, front.admin, "Identity.listTokens"))["items"][0]["usedAt"]
    assert used == "2026-01-01T01:00:00.000Z"


async def test_a_role_that_limits_a_token_cannot_be_removed() -> None:
    """Nor is a token made with a role that is not there."""
    front = made()
    with pytest.raises(ObjectNotFound):
        await token(front, front.admin, role="watcher")
    await ask(front, front.admin, "Access.defineRole", {"name": "watcher", "permissions": ["vm.read"]})
    limited = await token(front, front.admin, role="watcher")
    with pytest.raises(InUse):
        await ask(front, front.admin, "Access.deleteRole", {"name": "watcher"})
    await ask(front, front.admin, "Identity.revokeToken", {"tokenId": limited["tokenId"]})
    assert await ask(front, front.admin, "Access.deleteRole", {"name": "watcher"}) == {}


async def test_a_limit_holds_for_what_is_ones_own_too() -> None:
    """Tasks and tokens of the identity beyond the limits are not there, in lists, by id and in events; those within are."""
    front = made()
    await grant(front, ALICE, "operator", project="db")
    await grant(front, ALICE, "operator", project="web")
    alice = user(front)
    scope = {"kind": "project", "project": "web"}
    whole, limited = await token(front, alice), await token(front, alice, scope=scope)
    tasks = {vm: (await ask(front, alice, "VM.start", {"vmId": vm}))["task"]["id"] for vm in (VM_1, VM_2)}
    await ask(front, front.admin, "Access.defineRole", {"name": "starter", "permissions": ["vm.power", "event.read"]})
    for made_by in (limited, await token(front, alice, scope=scope, role="starter")):
        caller = await logged_in(front, made_by["token"])
        assert (await ask(front, caller, "Task.get", {"taskId": tasks[VM_1]}))["id"] == tasks[VM_1]
        with pytest.raises((ObjectNotFound, PermissionDenied)):  # the second where the verb's permission is had nowhere
            await ask(front, caller, "Task.get", {"taskId": tasks[VM_2]})
        read = await ask(front, caller, "Event.read", {"topics": ["task.#"], "after": f"{front.journal.epoch}-0"})
        assert {event["object"]["id"] for event in read["items"]} == {tasks[VM_1]}
    caller = await logged_in(front, limited["token"])
    assert [task["id"] for task in (await ask(front, caller, "Task.list"))["items"]] == [tasks[VM_1]]
    more = await token(front, caller)
    listed = await ask(front, caller, "Identity.listTokens")
    assert [each["id"] for each in listed["items"]] == [limited["tokenId"], more["tokenId"]]
    with pytest.raises(ObjectNotFound):
        await ask(front, caller, "Identity.revokeToken", {"tokenId": whole["tokenId"]})
    await ask(front, caller, "Identity.revokeToken", {"tokenId": more["tokenId"]})


async def test_an_identity_has_so_many_tokens_and_no_more() -> None:
    """Whoever makes them; one that ends makes room for another, at once, and others have room of their own."""
    front = made()
    await grant(front, ALICE, "operator")
    alice = user(front)
    first = await token(front, alice)
    for _ in range(MOST_TOKENS - 1):
        await token(front, front.admin, identity=ALICE)
    for maker, more in ((alice, {}), (front.admin, {"identity": ALICE})):
        with pytest.raises(LimitExceeded) as refused:
            await token(front, maker, **more)
        assert refused.value.params == {"limit": "tokens of an identity", "maximum": MOST_TOKENS}
    await token(front, front.admin)
    await ask(front, alice, "Identity.revokeToken", {"tokenId": first["tokenId"]})
    await token(front, alice)
    with pytest.raises(LimitExceeded):
        await token(front, alice)


async def test_tokens_that_have_ended_take_no_room() -> None:
    """Before anybody has looked, and after a restart, which counts those that are there."""
    clock, front = ManualClock(), made()

    def add(tokens: Tokens, id: str) -> None:
        tokens.check_room(ALICE)
        now = clock.time()
        tokens.add(
            Token(id=id, label="t", identity=ALICE, created_at=timestamp(now), created_by=ALICE, expires_at=timestamp(now + 60)),
            id,
            (),
            None,
        )

    add(Tokens(front.store, clock, most=2), VM_1)
    await front.store.commit()
    again = Tokens(front.store, clock, most=2)
    add(again, VM_2)
    with pytest.raises(LimitExceeded):
        add(again, HOST)
    clock.advance(60)
    add(again, HOST)
