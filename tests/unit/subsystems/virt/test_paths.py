"""Questions about files: a path that hangs costs one thread, and nobody waits for it beyond the time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from libvdsm.subsystems.virt.paths import HANGS, Paths


async def test_a_path_that_hangs_is_told_of_and_asked_once() -> None:
    go_on, asked = threading.Event(), list[str]()

    def ask(path: str) -> str | None:
        asked.append(path)
        if path == "/dead":
            go_on.wait(20)
        return None if path == "/good" else "bad"

    loop = asyncio.get_running_loop()
    paths = Paths(ask, loop)
    try:
        assert await paths.ask("/dead", loop.time() + 0.01) == HANGS
        assert await paths.ask("/dead", loop.time() + 0.01) == HANGS
        assert await paths.ask("/good", loop.time() + 10) is None
        assert await paths.ask("/bad", loop.time() + 10) == "bad"
        assert asked == ["/dead", "/good", "/bad"]
    finally:
        go_on.set()
    assert await paths.ask("/dead", loop.time() + 10) == "bad"
    assert await paths.ask("/dead", loop.time() + 10) == "bad"
    assert asked.count("/dead") == 2, "it answers again, so it is asked again"


async def test_no_more_threads_hang_than_are_allowed() -> None:
    go_on = threading.Event()
    loop = asyncio.get_running_loop()
    paths = Paths(lambda _path: str(go_on.wait(20)), loop)
    before = threading.active_count()
    try:
        found = [await paths.ask(f"/dead/{number}", loop.time()) for number in range(40)]
        assert found[0] == HANGS
        assert found[-1] == "32 other files do not answer"
        assert threading.active_count() - before <= 32
    finally:
        go_on.set()


async def test_what_the_host_answers_is_told_in_its_words() -> None:
    def ask(_path: str) -> str | None:
        raise PermissionError(13, "Permission denied")

    loop = asyncio.get_running_loop()
    assert await Paths(ask, loop).ask("/secret", loop.time() + 10) == "Permission denied"


async def test_f41_without_a_thread_it_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may have no more threads says so, and holds nothing."""
    loop = asyncio.get_running_loop()
    paths = Paths(lambda _path: None, loop)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_more)
        assert await paths.ask("/a", loop.time() + 10) == "it cannot be asked: virt-path: can't start new thread"
    assert await paths.ask("/a", loop.time() + 10) is None


def no_more(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
