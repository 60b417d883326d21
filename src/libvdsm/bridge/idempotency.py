"""Answers by idempotency key: a repeated call is answered as the first was, also after a restart (DESIGN 2).

What stands for a call is a digest of its parameters by a random key of this store, so that a digest, wherever it may get to, tells
nothing of a short secret among them.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable

import msgspec
from msgspec import Raw, Struct, UnsetType

from libvdsm.base.clock import Clock
from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import ERRORS, AnswerNotKept, IdempotencyConflict, InternalError, restore
from libvdsm.interfaces.store import Refused, Store

#: Its kind in the store.
KIND = "answer"
#: The kind of the key, which is shown to nobody, and its name there.
DIGEST_KEYS = "secret-key"
_KEY_NAME = "idempotency"
_SECRET_OCTETS = 32
_encode = msgspec.json.Encoder().encode
_Key = tuple[str, str]  # identity and idempotency key


class _Failure(Struct, frozen=True):
    name: str
    params: dict[str, object]


class _Kept(Struct, frozen=True, omit_defaults=True):
    """An answer in the store."""

    at: float
    digest: str
    method: str
    result: Raw | UnsetType = msgspec.UNSET
    failure: _Failure | None = None
    task: str | None = None  # an operation's: the answer is that task


_decode = msgspec.json.Decoder(_Kept).decode


class _Answer(Struct, eq=False, gc=False):
    """What is known of one key: an answer to come, or one that is kept.

    A hundred thousand may be kept, and no search for garbage looks at them: what could lead back to one, the future, is gone when it is done.
    """

    digest: str
    at: float  # by the monotonic clock, of this life
    future: asyncio.Future[bytes] | None = None
    kept: bytes = b""


class Answers:
    """The answers of the newest calls that had a key. Those of the lives before are there from the start."""

    def __init__(
        self,
        clock: Clock,
        store: Store,
        task: Callable[[str], bytes | None],
        *,
        most: int = 100_000,
        keep_s: float = 86_400,
    ) -> None:
        """``task``: a task as it is now, encoded; None when it was forgotten."""
        self._clock = clock
        self._store = store
        self._task = task
        self._answers: OrderedDict[_Key, _Answer] = OrderedDict()
        self._counts: Counter[str] = Counter()  # of each identity
        self._most = most
        self._keep_s = keep_s
        kept = store.load(DIGEST_KEYS).get(_KEY_NAME)
        self._secret = kept or secrets.token_bytes(_SECRET_OCTETS)
        self._is_secret_kept = kept is not None
        store.on_refusal(self._refused)
        self._load()

    async def once(self, identity: str, key: str, method: str, params: bytes, run: Callable[[str], Awaitable[bytes]]) -> bytes:
        """The answer of ``run`` (which gets the digest), or of the call that had this key before.

        A call that failed is remembered as well as one that did not, if ``run`` has it kept. Raises ``IdempotencyConflict``
        when the key was used for another verb or other parameters, ``AnswerNotKept`` when there was an answer that may not be
        kept. A caller that goes away does not stop the work.
        """
        self._trim()
        digest = self._digest_of(method, params)
        known = self._answers.get((identity, key))
        if known is not None and known.digest != digest:
            raise IdempotencyConflict(key=key)
        if known is None:
            known = self._expect(identity, key, digest)
            known.future = asyncio.ensure_future(run(digest))
            known.future.add_done_callback(lambda done: self._has_run(identity, key, done))
        if known.future is not None:
            return await asyncio.shield(known.future)
        return self._replay(known.kept, method, key)

    def expect(self, identity: str, key: str, digest: str, outcome: asyncio.Future[bytes]) -> None:
        """A call of a life before, of which it is being found out what became of it."""
        known = self._expect(identity, key, digest)
        known.future = outcome
        outcome.add_done_callback(lambda done: self._has_run(identity, key, done))

    def keep(self, identity: str, key: str, digest: str, method: str, answer: bytes | ApiError | None, *, task: str | None = None) -> None:
        """Record an answer in this turn's transaction; None if it may not be kept, ``task`` if it is one."""
        known = self._answers.get((identity, key)) or self._expect(identity, key, digest)
        failure = _Failure(answer.name, dict(answer.params)) if isinstance(answer, ApiError) else None
        result = Raw(answer) if isinstance(answer, bytes) else msgspec.UNSET
        kept = _Kept(at=self._clock.time(), digest=digest, method=method, result=result, failure=failure, task=task)
        known.kept = _encode(kept)
        self._store.put(KIND, _name(identity, key), known.kept)

    def forget(self, identity: str, key: str) -> None:
        """The call had no effect and will have none: a repeated one is run."""
        if self._drop(identity, key):
            self._store.remove(KIND, _name(identity, key))

    def __len__(self) -> int:
        return len(self._answers)

    def _digest_of(self, method: str, params: bytes) -> str:
        """What stands for a call: its verb and its parameters in canonical form. The key is kept no later than the first digest."""
        if not self._is_secret_kept:
            self._is_secret_kept = True
            self._store.put(DIGEST_KEYS, _KEY_NAME, self._secret)
        canonical = msgspec.json.encode(msgspec.json.decode(params), order="sorted")
        return hmac.new(self._secret, method.encode() + b"\0" + canonical, hashlib.sha256).hexdigest()

    def _refused(self, _refused: Refused) -> None:
        """The key may have been among what could not be recorded."""
        self._is_secret_kept = False

    def _expect(self, identity: str, key: str, digest: str) -> _Answer:
        known = _Answer(digest, self._clock.monotonic())
        self._add(identity, key, known)
        return known

    def _add(self, identity: str, key: str, answer: _Answer) -> None:
        if (identity, key) not in self._answers:
            self._counts[identity] += 1
        self._answers[identity, key] = answer

    def _drop(self, identity: str, key: str) -> bool:
        """Whether it was there."""
        if self._answers.pop((identity, key), None) is None:
            return False
        self._counts[identity] -= 1
        if not self._counts[identity]:
            del self._counts[identity]
        return True

    def _has_run(self, identity: str, key: str, done: asyncio.Future[bytes]) -> None:
        """What was kept answers from now on; what was not leaves no trace, so that a repeated call is run."""
        if not done.cancelled():
            done.exception()  # a failure that nobody awaits any more is not an accident
        known = self._answers.get((identity, key))
        if known is not None and known.future is done:
            known.future = None
            if not known.kept:
                self._drop(identity, key)

    def _replay(self, data: bytes, method: str, key: str) -> bytes:
        kept = _decode(data)
        if kept.task is not None:
            shown = self._task(kept.task)
            if shown is not None:
                return b'{"task":' + shown + b"}"
            if isinstance(kept.result, UnsetType):
                raise AnswerNotKept(method=method, key=key)
        if kept.failure is not None:
            raise _error(kept.failure)
        if isinstance(kept.result, UnsetType):
            raise AnswerNotKept(method=method, key=key)
        return bytes(kept.result)

    def _trim(self) -> None:
        """By number and by age; age is counted by the monotonic clock, so that a jump of the other forgets nothing.

        When there are too many, whoever has most of them loses his oldest: nobody can push out what others have.
        """
        oldest = self._clock.monotonic() - self._keep_s
        while self._answers:
            (identity, key), first = next(iter(self._answers.items()))
            if first.future is not None or first.at >= oldest:
                break
            self.forget(identity, key)
        while len(self._answers) >= self._most and self._make_room():
            pass

    def _make_room(self) -> bool:
        [(greatest, _)] = self._counts.most_common(1)
        for (identity, key), answer in self._answers.items():
            if identity == greatest and answer.future is None:
                self.forget(identity, key)
                return True
        return False

    def _load(self) -> None:
        now, wall = self._clock.monotonic(), self._clock.time()
        found = self._store.understood(KIND, lambda data: (_decode(data), data))
        for name, (kept, data) in sorted(found.items(), key=lambda one: one[1][0].at):
            identity, _, key = name.partition("\n")
            age = min(max(0.0, wall - kept.at), self._keep_s)
            self._add(identity, key, _Answer(kept.digest, now - age, kept=data))


def _name(identity: str, key: str) -> str:
    return f"{identity}\n{key}"


def _error(failure: _Failure) -> ApiError:
    return restore(failure.name, failure.params) if failure.name in ERRORS else InternalError(incident=failure.name)
