"""What is kept of a call by its key tells nothing of its parameters."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
from collections.abc import Callable

import pytest

from libvdsm.base.clock import ManualClock
from libvdsm.bridge.idempotency import DIGEST_KEYS, KIND, Answers
from libvdsm.interfaces.generated.errors import IdempotencyConflict
from libvdsm.interfaces.store import Store
from libvdsm.journal.memory_store import MemoryStore

METHOD = "VM.update"
PARAMS = b'{"graphics":{"password":"1234"}}'
PLAIN = hashlib.sha256(METHOD.encode() + b"\0" + PARAMS).hexdigest()


def answers(store: Store) -> Answers:
    return Answers(ManualClock(), store, lambda _id: None)


async def call(life: Answers, params: bytes = PARAMS, answer: bytes = b"1", *, identity: str = "me", key: str = "k") -> bytes:
    async def run(digest: str) -> bytes:
        life.keep(identity, key, digest, METHOD, answer)
        return answer

    return await life.once(identity, key, METHOD, params, run)


async def test_the_digest_of_a_short_secret_cannot_be_guessed_without_the_key() -> None:
    """The same call has another digest in every store, and not the plain one; the key is kept with the first, and is long."""
    digests = set()
    for _ in range(2):
        store = MemoryStore()
        life = answers(store)
        assert store.load(KIND) == store.load(DIGEST_KEYS) == {}
        await call(life)
        (kept,) = store.load(KIND).values()
        (secret,) = store.load(DIGEST_KEYS).values()
        assert len(secret) == 32
        digests.add(json.loads(kept)["digest"])
    assert len(digests) == 2
    assert PLAIN not in digests


async def test_a_later_life_knows_the_call() -> None:
    store = MemoryStore()
    await call(answers(store))
    later = answers(store)
    assert await call(later, b' {"graphics": {"password": "1234"}}', b"2") == b"1"
    with pytest.raises(IdempotencyConflict):
        await call(later, b'{"graphics":{"password":"1235"}}')


async def test_a_key_that_could_not_be_recorded_is_recorded_with_the_next() -> None:
    ends: list[Callable[[], None]] = []
    store = MemoryStore(schedule=ends.append)
    life = answers(store)
    store.become("failed")
    await call(life)
    ends.pop()()
    await asyncio.sleep(0)
    assert store.load(DIGEST_KEYS) == {}
    store.become("ok")
    await life.once("me", "other", METHOD, PARAMS, lambda _digest: _done())
    ends.pop()()
    assert len(store.load(DIGEST_KEYS)) == 1


async def _done() -> bytes:
    return b"3"


async def test_nobody_pushes_out_what_others_have() -> None:
    """When there are too many, whoever has most of them loses his oldest."""
    store = MemoryStore()
    life = Answers(ManualClock(), store, lambda _id: None, most=10)
    for key in "ab":
        await call(life, identity="quiet", key=key)
    for number in range(30):
        await call(life, identity="loud", key=str(number))
    assert len(life) == 10
    assert set(store.load(KIND)) == {"quiet\na", "quiet\nb", *(f"loud\n{number}" for number in range(22, 30))}
    assert await call(life, answer=b"2", identity="quiet", key="a") == b"1"
    again = Answers(ManualClock(), store, lambda _id: None, most=5)
    await call(again, identity="new", key="n")
    assert set(store.load(KIND)) == {"quiet\na", "quiet\nb", "loud\n28", "loud\n29", "new\nn"}


async def test_what_is_kept_is_nothing_to_the_search_for_garbage() -> None:
    """A hundred thousand answers may be: the loop would be held for as long as it looks at all of them."""
    life = answers(MemoryStore())
    await call(life)
    gc.collect()
    before = len(gc.get_objects())
    for number in range(500):
        await call(life, key=f"k{number}")
    gc.collect()
    assert len(gc.get_objects()) - before < 250
    assert len(life) == 501
