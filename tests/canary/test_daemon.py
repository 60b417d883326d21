"""A daemon is told secrets in every way there is; at the end of the session nothing that it wrote holds one."""

from __future__ import annotations

import copy
import http.client
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.redaction import Shape, shape_of
from libvdsm.schema.compiled import load
from tests.canary import record
from tests.daemon_process import VdsmdProcess, start_vdsmd
from tests.roads import Caller, ask_http, ask_stream, connect, noted

API = load()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VdsmdProcess]:
    """One for all tests of this file, whose log tells as much as it can."""
    folder = tmp_path_factory.mktemp("canary")
    settings = folder / "vdsmd.toml"
    settings.write_text('[log]\nlevel = "debug"\n')
    started = start_vdsmd(folder, "--config", str(settings), hypervisor="simulator:3")
    yield started
    started.stop()


@pytest.fixture
def caller(daemon: VdsmdProcess) -> Iterator[Caller]:
    with Caller(daemon.socket) as made:
        yield made


def placed(value: Any, shape: Shape, secret: Callable[[], Any]) -> Any:
    """``value`` with what ``secret`` gives wherever the schema has a secret."""
    if shape.is_secret:
        return secret()
    if isinstance(value, dict) and shape.members is not None:
        return {name: placed(one, shape.members.get(name, Shape()), secret) for name, one in value.items()}
    if isinstance(value, dict) and shape.values is not None:
        return {name: placed(one, shape.values, secret) for name, one in value.items()}
    if isinstance(value, list) and shape.items is not None:
        return [placed(one, shape.items, secret) for one in value]
    return copy.deepcopy(value)


#: What a caller may send for a secret: as it should be, and in every way that it should not.
FORMS: tuple[Callable[[str], Any], ...] = (
    lambda text: text,
    lambda text: text * 50,
    lambda text: [text],
    lambda text: {text: text},
    lambda text: text + "\x00\u202e",
    lambda text: text + "\ud800",
    lambda text: {"token": {"token": text}},
)


def guarded() -> list[str]:
    return sorted(name for name, entry in METHODS.items() if entry.has_secret)


def test_there_are_verbs_with_secrets() -> None:
    assert "Identity.login" in guarded()


@pytest.mark.parametrize("method", guarded())
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("road", ("stream", "http"))
def test_no_answer_repeats_a_secret(daemon: VdsmdProcess, method: str, form: Callable[[str], Any], road: str) -> None:
    """Each verb that takes a secret, in each form, by each road: the answer holds nothing of it."""
    secret = record.plant(f"{method} parameter")
    example = dict(API.methods[method].examples[0].params)
    params = placed(example, shape_of(METHODS[method].params), lambda: form(secret))
    assert secret in json.dumps(params), "the example has no secret"
    for given in (params, params | {"more": secret}, list(params.values())):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": given, "meta": {"flowId": "canary"}}
        raw = json.dumps(request).encode()
        answer = ask_stream(daemon.socket, raw) if road == "stream" else ask_http(("127.0.0.1", daemon.port or 0), raw)
        assert b'"error"' in answer
        assert secret.encode() not in answer


@pytest.mark.parametrize(
    "broken", ('{"jsonrpc":"2.0","id":1,"method":"Identity.login","params":{"token":"%s"', '{"token":"%s",}', '"%s"\n["')
)
def test_what_cannot_be_read_is_not_repeated(daemon: VdsmdProcess, broken: str) -> None:
    secret = record.plant("text that is no JSON")
    with connect(daemon.socket) as stream:
        stream.sendall((broken % secret).encode() + b"\n]\n")
        stream.settimeout(1)
        answer = b""
        try:
            while part := stream.recv(65536):
                answer += part
        except TimeoutError:
            pass
    assert secret.encode() not in noted(answer)


@pytest.mark.parametrize("scheme", ("Bearer", "bearer", "Basic", "Token", ""))
def test_a_header_is_not_repeated(daemon: VdsmdProcess, scheme: str) -> None:
    secret = record.plant("Authorization header")
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port or 0, timeout=60)
    try:
        for path in ("/rpc", f"/stream/{secret}", f"/nothing?token={secret}"):
            headers = {"Authorization": f"{scheme} {secret}".strip(), "Cookie": f"session={secret}", "Content-Type": "application/json"}
            connection.request("POST", path, b'{"jsonrpc":"2.0","id":1,"method":"Host.ping"}', headers)
            answer = connection.getresponse()
            told = answer.read() + str(answer.getheaders()).encode()
            assert secret.encode() not in noted(told)
    finally:
        connection.close()


def test_tokens_live_and_die_without_a_trace(daemon: VdsmdProcess, caller: Caller) -> None:
    caller.call("Event.subscribe", {"topics": ["#"]})
    made = caller.call("Identity.createToken", {"label": "canary", "expiresIn": 600}, idempotencyKey="canary-1")
    with Caller(daemon.socket) as other:
        assert other.call("Identity.login", {"token": made["token"]})["source"] == "token"
        other.answer("VM.delete", {"vmId": "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"})
    repeated = caller.answer("Identity.createToken", {"label": "canary", "expiresIn": 600}, idempotencyKey="canary-1")
    assert made["token"] not in json.dumps(repeated), "an answer with a secret is told once"
    assert made["token"] not in json.dumps(caller.call("Identity.listTokens"))
    caller.call("Identity.revokeToken", {"tokenId": made["tokenId"]})
    with Caller(daemon.socket) as other:
        assert other.error("Identity.login", {"token": made["token"]})["data"]["error"] == "NotAuthenticated"
    told = json.dumps([caller.call("Audit.list"), caller.call("Audit.changes", {"since": "2000-01-01T00:00:00Z"}), caller.events])
    assert made["token"] not in told
    assert "Identity.createToken" in told


def test_tickets_open_what_they_are_for_without_a_trace(caller: Caller) -> None:
    running = [vm["id"] for vm in caller.call("VM.list", {"filter": {"states": ["running"]}})["items"]]
    opened = caller.call("Console.open", {"vmId": running[0]}, idempotencyKey="canary-2")
    again = caller.answer("Console.open", {"vmId": running[0]}, idempotencyKey="canary-2")
    assert opened["ticket"] not in json.dumps(again)
    assert opened["ticket"] not in json.dumps(caller.call("Audit.list"))


def test_a_leaking_daemon_would_be_found(daemon: VdsmdProcess, caller: Caller) -> None:
    """The run looks where daemons write: what may be told is there."""
    label = "no-secret-" + os.urandom(8).hex()
    caller.call("Identity.createToken", {"label": label})
    folder = daemon.log_path.parent
    assert folder / "state" in set(folder.iterdir())
    deadline = time.monotonic() + 60
    while not any(label.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file()):
        assert time.monotonic() < deadline, "a token's label is in no file of the daemon"
        time.sleep(0.05)


# --- memory


def limits(pid: int) -> str:
    return next(line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max core file size"))


def test_no_process_may_leave_a_core(daemon: VdsmdProcess) -> None:
    family = daemon.family()
    assert len(family) >= 3
    assert {limits(pid).split()[-3:-1] == ["0", "0"] for pid in family} == {True}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else to look from there")
def test_nobody_but_root_looks_into_memory(daemon: VdsmdProcess) -> None:
    """Neither another user nor the front's own, which whoever takes over another process of that user would be."""
    front = Path(f"/proc/{daemon.front}")
    owners = {65534, next(int(line.split()[1]) for line in front.joinpath("status").read_text().splitlines() if line.startswith("Uid:"))}
    for pid in daemon.family():
        for uid in owners:
            assert looked(uid, pid) == {"mem": "refused", "environ": "refused", "maps": "refused", "fd/0": "refused"}, (pid, uid)


def looked(uid: int, pid: int) -> dict[str, str]:
    """What a process of the user ``uid`` gets of the memory of another."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        found = {}
        for name in ("mem", "environ", "maps", "fd/0"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as file:  # noqa: PTH123 - as plain as it gets, between fork and exit
                    file.seek(0)
                    file.read(1)
                found[name] = "read"
            except PermissionError:
                found[name] = "refused"
            except OSError as failure:
                found[name] = str(failure)
        os.write(writing, json.dumps(found).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        told: dict[str, str] = json.loads(answer.read())
    os.waitpid(child, 0)
    return told


def test_a_crash_leaves_no_core(tmp_path: Path) -> None:
    daemon = start_vdsmd(tmp_path / "crashing")
    try:
        with Caller(daemon.socket) as caller:
            caller.call("Identity.createToken", {"label": "in memory"})
            os.kill(daemon.front, signal.SIGSEGV)
        deadline = time.monotonic() + 20
        while "was killed by SIGSEGV" not in daemon.log:
            assert time.monotonic() < deadline, daemon.log
            time.sleep(0.02)
    finally:
        daemon.stop()
    assert not [path for path in (tmp_path / "crashing").rglob("*core*") if path.is_file()]
