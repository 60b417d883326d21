"""No sequence of grants, revocations, role changes, tokens, ends and moves leaves a right that the plain model denies (4.2 no 5)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from libvdsm.access.access import Access
from libvdsm.access.guards import Guards
from libvdsm.access.identities import IdentityService
from libvdsm.access.service import AccessService
from libvdsm.base.clock import ManualClock, timestamp
from libvdsm.base.errors import ApiError
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.permissions import ROLES, UNPLACED
from libvdsm.interfaces.place import Place, may
from libvdsm.journal.memory_store import MemoryStore
from tests.fakes.front import FakeSink

IDENTITIES = ("user:alice", "user:bob")
PROJECTS = ("web", "db")
OBJECTS = ("1", "2")
OWN_ROLES = ("watcher", "mover")
WATCHED = ("vm.read", "vm.power", "vm.define", "host.read", "access.manage", "identity.token")
BUILT_IN = {name: frozenset(role.permissions) for name, role in ROLES.items()}

scopes = st.one_of(
    st.just({"kind": "everywhere"}),
    st.builds(lambda project: {"kind": "project", "project": project}, st.sampled_from(PROJECTS)),
    st.builds(lambda id: {"kind": "object", "type": "vm", "id": id}, st.sampled_from(OBJECTS)),
)
roles = st.sampled_from((*BUILT_IN, *OWN_ROLES))
lives = st.sampled_from((30, 3000))


@dataclass
class World:
    """Where the objects are."""

    projects: dict[str, str] = field(default_factory=lambda: dict(zip(OBJECTS, PROJECTS, strict=True)))

    def find(self, type: str, id: str) -> Place | None:
        return Place(type, id, self.projects[id]) if type == "vm" and id in self.projects else None


@dataclass
class Given:
    """A grant, as the model knows it."""

    id: str
    identity: str
    role: str
    scope: dict[str, str]
    until: float


@dataclass
class Lent:
    """A token, as the model knows it."""

    id: str
    text: str
    identity: str
    limits: list[tuple[str | None, dict[str, str]]]
    until: float
    parents: list[str]


class Rights(RuleBasedStateMachine):
    """``Access`` beside a model that keeps lists and asks them all, every time."""

    grants = Bundle("grants")
    tokens = Bundle("tokens")

    @initialize(role=st.sampled_from((*BUILT_IN, "mover")), scope=scopes)
    def begin(self, role: str, scope: dict[str, str]) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock, self.store, self.world = ManualClock(), MemoryStore(schedule=self.loop.call_soon), World()
        self.given: dict[str, Given] = {}
        self.lent: dict[str, Lent] = {}
        self.ended: set[str] = set()
        self.own: dict[str, frozenset[str]] = {}
        self.open: list[tuple[Caller, Lent | None]] = []
        self.start()
        self.define_role("mover", {"access.manage", "identity.token", "vm.read"})
        for identity in IDENTITIES:
            self.grant(identity, role, scope, None)

    def start(self) -> None:
        """A new life of the daemon, over the same store."""
        self.access = Access(administrators=[0], allow_anonymous=False, store=self.store, clock=self.clock)
        guards = Guards(self.access, clock=self.clock, places=self.world)
        self.services = (
            AccessService(self.access, guards, store=self.store, clock=self.clock),
            IdentityService(self.access, guards, store=self.store, clock=self.clock),
        )
        self.admin = self.access.unix(0, 0, 1)
        self.open = [(self.caller(identity), None) for identity in IDENTITIES]
        for lent in self.lent.values():
            self.use(lent)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.close()

    def ask(self, caller: Caller, method: str, **params: Any) -> dict[str, Any] | None:
        """A call as the bridge makes it, from decoding on; None if it is refused."""
        entry = METHODS[method]
        decoded = msgspec.json.decode(json.dumps(params).encode(), type=entry.params)

        async def call() -> bytes:
            service = next(each for each in self.services if hasattr(each, entry.attribute))
            answer: bytes = getattr(service, entry.attribute)(caller, decoded)
            for _ in range(3):
                await asyncio.sleep(0)  # the commit
            return answer

        try:
            found: dict[str, Any] = json.loads(self.loop.run_until_complete(call()))
        except ApiError:
            return None
        return found

    # --- what is done ---

    @rule(target=grants, identity=st.sampled_from(IDENTITIES), role=roles, scope=scopes, life=st.one_of(st.none(), lives))
    def grant_by_root(self, identity: str, role: str, scope: dict[str, str], life: int | None) -> Any:
        made = self.grant(identity, role, scope, life)
        return multiple() if made is None else made

    def grant(self, identity: str, role: str, scope: dict[str, str], life: int | None) -> str | None:
        until = self.clock.time() + life if life else float("inf")
        more = {"expiresAt": timestamp(until)} if life else {}
        made = self.ask(self.admin, "Access.grant", identity=identity, role=role, scope=scope, **more)
        assert (made is not None) is (role in BUILT_IN or role in self.own)
        if made is None:
            return None
        self.given[made["id"]] = Given(made["id"], identity, role, scope, until)
        return str(made["id"])

    @rule(giver=st.sampled_from(IDENTITIES), identity=st.sampled_from(IDENTITIES), role=roles, scope=scopes)
    def grant_by_somebody(self, giver: str, identity: str, role: str, scope: dict[str, str]) -> None:
        """Whoever gives must have all of it there."""
        needed = self.permissions(role) | {"access.manage"}
        may_give = all(
            self.model_gives_in(giver, permission, scope)
            for permission in needed
            if scope["kind"] == "everywhere" or permission not in UNPLACED
        )
        made = self.ask(self.caller(giver), "Access.grant", identity=identity, role=role, scope=scope)
        if made is not None:
            assert may_give
            self.given.setdefault(made["id"], Given(made["id"], identity, role, scope, float("inf")))

    @rule(id=grants)
    def revoke(self, id: str) -> None:
        was_there = id in self.given and self.given[id].until > self.clock.time()
        done = self.ask(self.admin, "Access.revoke", grantId=id)
        assert done is not None or not was_there
        self.given.pop(id, None)

    @rule(name=st.sampled_from(OWN_ROLES), permissions=st.sets(st.sampled_from(WATCHED), min_size=1))
    def define_role(self, name: str, permissions: set[str]) -> None:
        assert self.ask(self.admin, "Access.defineRole", name=name, permissions=sorted(permissions)) is not None
        self.own[name] = frozenset(permissions)

    @rule(name=st.sampled_from(OWN_ROLES))
    def delete_role(self, name: str) -> None:
        if self.ask(self.admin, "Access.deleteRole", name=name) is not None:
            del self.own[name]
            assert not any(given.role == name and given.until > self.clock.time() for given in self.given.values())

    @rule(
        target=tokens,
        identity=st.sampled_from(IDENTITIES),
        role=st.one_of(st.none(), roles),
        scope=st.one_of(st.none(), scopes),
        life=lives,
    )
    def lend(self, identity: str, role: str | None, scope: dict[str, str] | None, life: int) -> Any:
        return self.make_token(self.caller(identity), None, role, scope, life)

    @rule(target=tokens, parent=tokens, role=st.one_of(st.none(), roles), scope=st.one_of(st.none(), scopes), life=lives)
    def lend_on(self, parent: str, role: str | None, scope: dict[str, str] | None, life: int) -> Any:
        lent = self.lent[parent]
        try:
            caller = self.access.bearer(lent.text, "192.0.2.1")
        except ApiError:
            return multiple()
        return self.make_token(caller, lent, role, scope, life)

    def make_token(self, caller: Caller, parent: Lent | None, role: str | None, scope: dict[str, str] | None, life: int) -> Any:
        params: dict[str, Any] = {"label": "test", "expiresIn": life}
        params |= ({} if role is None else {"role": role}) | ({} if scope is None else {"scope": scope})
        made = self.ask(caller, "Identity.createToken", **params)
        if made is None:
            return multiple()
        until = min(self.clock.time() + life, parent.until if parent else float("inf"))
        limits = [*(parent.limits if parent else []), (role, scope or {"kind": "everywhere"})]
        parents = [*parent.parents, parent.id] if parent else []
        self.lent[made["tokenId"]] = Lent(made["tokenId"], made["token"], caller.identity, limits, until, parents)
        self.use(self.lent[made["tokenId"]])
        return made["tokenId"]

    @rule(id=tokens)
    def revoke_token(self, id: str) -> None:
        if self.ask(self.admin, "Identity.revokeToken", tokenId=id) is not None:
            self.ended.add(id)

    def use(self, lent: Lent) -> None:
        """A connection by login, and one that bears the token; both exactly while it is valid."""
        login = self.access.unix(4000, 0, 1, address=lent.id, sink=FakeSink())
        ways: tuple[Callable[[], Caller], ...] = (lambda: self.access.bearer(lent.text, lent.id), lambda: self.login(login, lent.text))
        for way in ways:
            try:
                caller = way()
            except ApiError:
                assert not self.is_valid(lent)
            else:
                assert self.is_valid(lent)
                self.open.append((caller, lent))

    def login(self, caller: Caller, text: str) -> Caller:
        caller.source = "anonymous"  # so that failures are counted by the address, of which each token has its own here
        self.access.login(caller, text)
        return caller

    @rule(id=st.sampled_from(OBJECTS), project=st.sampled_from(PROJECTS))
    def move(self, id: str, project: str) -> None:
        self.world.projects[id] = project

    @rule(id=st.sampled_from(OBJECTS), project=st.sampled_from(PROJECTS))
    def replace(self, id: str, project: str) -> None:
        """The object is deleted, and another one gets its id."""
        self.access.object_removed("vm", id)
        self.access.object_added("vm", id)
        self.world.projects[id] = project
        for known in [given.id for given in self.given.values() if given.scope == {"kind": "object", "type": "vm", "id": id}]:
            del self.given[known]

    @rule(seconds=st.sampled_from((5, 60, 4000)))
    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.access.look()

    @rule()
    def restart(self) -> None:
        self.loop.run_until_complete(self.committed())
        self.start()

    async def committed(self) -> None:
        """What was asked of the store is in it: a daemon that ends records as much."""
        await self.store.commit()

    # --- the model ---

    def caller(self, identity: str) -> Caller:
        """Somebody whose name was proved otherwise, as a certificate does it."""
        return self.access._known(identity, "certificate", address="", sink=None)

    def permissions(self, role: str | None) -> frozenset[str]:
        return frozenset(WATCHED) if role is None else BUILT_IN.get(role) or self.own.get(role, frozenset())

    @staticmethod
    def holds(scope: dict[str, str], id: str, project: str, permission: str) -> bool:
        if scope["kind"] == "everywhere":
            return True
        if permission in UNPLACED:
            return False
        return scope.get("project") == project if scope["kind"] == "project" else scope.get("id") == id

    def is_valid(self, lent: Lent) -> bool:
        return lent.until > self.clock.time() and not ({lent.id, *lent.parents} & self.ended)

    def model_allows(self, identity: str, lent: Lent | None, permission: str, id: str) -> bool:
        project = self.world.projects[id]
        if lent is not None:
            if not self.is_valid(lent):
                return False
            for role, scope in lent.limits:
                if permission not in self.permissions(role) or not self.holds(scope, id, project, permission):
                    return False
        return any(
            given.identity == identity
            and given.until > self.clock.time()
            and permission in self.permissions(given.role)
            and self.holds(given.scope, id, project, permission)
            for given in self.given.values()
        )

    def model_gives_in(self, identity: str, permission: str, scope: dict[str, str]) -> bool:
        """Whether a grant of his reaches all of a scope: everywhere, the same, or the project where the object is."""
        wide: list[dict[str, str]] = [{"kind": "everywhere"}, scope]
        if scope["kind"] == "object":
            wide.append({"kind": "project", "project": self.world.projects[scope["id"]]})
        return any(
            given.identity == identity and permission in self.permissions(given.role) and given.scope in wide
            for given in self.given.values()
        )

    @invariant()
    def nobody_may_more_or_less_than_the_model_says(self) -> None:
        if not hasattr(self, "access"):
            return
        self.access.look()  # as the daemon does when something is due
        for caller, lent in self.open:
            identity = caller.identity if lent is None else lent.identity
            for permission in WATCHED:
                for id in OBJECTS:
                    place = Place("vm", id, self.world.projects[id])
                    assert may(caller.rights, permission, place) is self.model_allows(identity, lent, permission, id), (permission, id)


Rights.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestRights = Rights.TestCase
