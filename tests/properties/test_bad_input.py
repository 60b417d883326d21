"""Bad input to every verb gives a typed error that names the place, and the daemon lives on (generated from the schema)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libvdsm.schema.ir import Record
from tests.daemon_process import VdsmdProcess, start_vdsmd
from tests.faults.caller import Caller, RefusedError
from tests.properties.spoiled import API, TYPES, Spoiled, faults_of_fields, spoiled_fields, valid_fields

METHODS = API.methods
NAMES = tuple(sorted(METHODS))
OPTIONS = TYPES["CallOptions"]
assert isinstance(OPTIONS, Record)
UNKNOWN = "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"
many = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VdsmdProcess]:
    """One daemon for all: it has to bear them all."""
    found = start_vdsmd(tmp_path_factory.mktemp("vdsmd"), hypervisor="simulator:6", listen=None)
    with closing(Caller(found.socket)) as caller:
        caller.await_(lambda: caller.condition("virt") == caller.condition("host") == "ready", "the subsystems are ready")
        objects = caller.states()
    pids = (found.front, found.worker("virt"), found.worker("host"))
    yield found
    with closing(Caller(found.socket)) as caller:
        assert caller.states() == objects, "nothing was done"
    assert (found.front, found.worker("virt"), found.worker("host")) == pids, "nobody had to be restarted"
    found.stop()


@pytest.fixture
def caller(daemon: VdsmdProcess) -> Iterator[Caller]:
    with closing(Caller(daemon.socket)) as found:
        found.call("Host.ping")  # who says nothing for ten seconds is sent away
        yield found
        found.call("Host.ping")


def send(daemon: VdsmdProcess, data: bytes) -> list[Any]:
    """What is answered to these bytes on a connection of their own, until it is closed."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(daemon.socket))
        said = b""
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(65536):
                said += more
        except (BrokenPipeError, ConnectionResetError):
            pass
    return [json.loads(line) for line in said.splitlines() if line.startswith((b"{", b"["))]


def request(method: str, params: bytes) -> bytes:
    """A request with raw parameters."""
    return b'{"jsonrpc":"2.0","id":1,"method":"%s","params":%s}\n' % (method.encode(), params)


def refused(caller: Caller, method: str, params: Any) -> RefusedError:
    with pytest.raises(RefusedError) as raised:
        caller.call(method, params)
    error = raised.value
    assert set(error.data) >= {"error", "params", "fault", "retryable", "remedy"}
    return error


def check_place(error: RefusedError, fault: Spoiled, params: object) -> None:
    """The error names the place of the fault."""
    place = "$" + fault.path
    story = f"{fault.what} at {place} of {json.dumps(params)[:600]}: {error.error} {error.data}"
    if error.error == "ParseError":
        assert not fault.is_exact, story
        return
    assert error.error == "InvalidParams", story
    assert error.code == -32602, story
    path = error.data["path"]
    if fault.is_exact:
        assert path == place, story
    else:
        assert path.startswith(place.rsplit(".", 1)[0]), story


@pytest.mark.parametrize("name", NAMES)
def test_parameters_that_do_not_fit_are_refused_with_their_place(caller_of_module: Caller, name: str) -> None:
    faults = faults_of_fields(METHODS[name].params)

    @settings(many, max_examples=20 + 4 * len(faults))
    @given(fault=st.one_of(faults))
    def look(fault: Spoiled) -> None:
        check_place(refused(caller_of_module, name, fault.value), fault, fault.value)

    look()


@pytest.fixture(scope="module")
def caller_of_module(daemon: VdsmdProcess) -> Iterator[Caller]:
    with closing(Caller(daemon.socket)) as found:
        yield found


@many
@given(fault=spoiled_fields(OPTIONS.fields))
def test_options_that_do_not_fit_are_refused(caller_of_module: Caller, fault: Spoiled) -> None:
    with pytest.raises(RefusedError) as raised:
        caller_of_module.call("Host.ping", **fault.value)
    assert raised.value.error in {"InvalidParams", "InvalidRequest", "ParseError"}
    assert "meta" in str(raised.value.data) or raised.value.error == "ParseError"


@pytest.mark.parametrize("name", [name for name in NAMES if METHODS[name].object_param])
@many
@given(data=st.data())
def test_an_unknown_object_is_not_found(caller_of_module: Caller, name: str, data: st.DataObject) -> None:
    method = METHODS[name]
    params = data.draw(valid_fields(method.params)) | {str(method.object_param): UNKNOWN}
    error = refused(caller_of_module, name, params)
    assert (error.error, error.code) == ("ObjectNotFound", 2)
    assert error.data["params"] == {"type": method.object_type, "id": UNKNOWN}


@pytest.mark.parametrize(
    ("name", "state"),
    (
        ("VM.start", "running"),
        ("VM.delete", "running"),
        ("VM.pause", "stopped"),
        ("VM.resume", "stopped"),
        ("VM.reset", "stopped"),
        ("VM.reboot", "stopped"),
        ("VM.screenshot", "stopped"),
        ("Console.open", "stopped"),
    ),
)
def test_a_state_that_refuses_is_told_with_the_states_that_do_not(caller: Caller, name: str, state: str) -> None:
    id = caller.of_state(state)[0]
    try:
        answer = caller.call(name, {"vmId": id}, wait=5)
    except RefusedError as refusal:
        data, code = refusal.data, refusal.code
    else:
        data, code = answer["task"]["error"]["data"], answer["task"]["error"]["code"]
    assert (data["error"], code) == ("WrongState", 3)
    assert (data["params"]["type"], data["params"]["id"], data["params"]["state"]) == ("vm", id, state)
    assert state not in data["params"]["needs"].split(", ")


_DEEP = 100_000
HOSTILE = {
    "not a number": b"NaN",
    "infinity": b"Infinity",
    "minus infinity": b"-Infinity",
    "infinite by exponent": b"1e999",
    "5,000 digits": b"9" * 5000,
    "minus 5,000 digits": b"-" + b"9" * 5000,
    "5,000 digits behind the point": b"0." + b"3" * 5000,
    "an exponent of 5,000 digits": b"1e" + b"9" * 5000,
    "deep arrays": b"[" * _DEEP + b"]" * _DEEP,
    "deep objects": b'{"a":' * _DEEP + b"1" + b"}" * _DEEP,
    "arrays without end": b"[" * _DEEP,
    "members twice": b'{"a":1,"a":2}',
    "members twice by escape": b'{"a":1,"\\u0061":2}',
    "no UTF-8": b'"\xff\xfe"',
    "overlong UTF-8": b'"\xc0\xaf"',
    "surrogates in UTF-8": b'"\xed\xa0\x80"',
    "cut UTF-8": b'"\xe2\x82"',
    "half a surrogate pair": b'"\\ud800"',
    "a raw control character": b'"a\x01b"',
    "a raw line's end": b'"a\nb"',
    "a leading zero": b"012",
    "a plus": b"+1",
    "a comma too many": b"[1,]",
    "single quotes": b"'a'",
    "a comment": b"1/**/",
    "a byte order mark": b"\xef\xbb\xbf1",
    "an empty value": b"",
}


@pytest.mark.parametrize("what", tuple(HOSTILE))
def test_hostile_json_is_a_typed_error_in_every_verb(daemon: VdsmdProcess, caller: Caller, what: str) -> None:
    for name in NAMES:
        member = next((field.name for field in METHODS[name].params), "odd")
        answers = send(daemon, request(name, b'{"%s":%s}' % (member.encode(), HOSTILE[what])))
        assert answers, f"{name}: no answer"
        assert all("result" not in answer for answer in answers), f"{name}: {answers}"
        assert answers[0]["error"]["code"] in {-32700, -32602}, f"{name}: {answers}"
        data = answers[0]["error"]["data"]
        assert data["error"] in {"ParseError", "InvalidParams"}
        assert data["params"]["reason"]
        assert data["fault"] == "client"


@many
@given(data=st.binary(max_size=300))
def test_any_bytes_leave_the_daemon_well(daemon: VdsmdProcess, caller_of_module: Caller, data: bytes) -> None:
    for answer in send(daemon, b'{"' + data):
        assert "error" in (answer[0] if isinstance(answer, list) else answer)
    assert caller_of_module.call("Host.ping") == {"pong": True}


@many
@given(at=st.integers(0, 200), byte=st.integers(0, 255), name=st.sampled_from(["VM.get", "VM.list", "Host.ping"]))
def test_one_wrong_byte_leaves_the_daemon_well(daemon: VdsmdProcess, caller_of_module: Caller, at: int, byte: int, name: str) -> None:
    whole = bytearray(request(name, b'{"vmId":"%s"}' % UNKNOWN.encode() if name == "VM.get" else b"{}"))
    whole[at % len(whole)] = byte
    send(daemon, bytes(whole))
    assert caller_of_module.call("Host.ping") == {"pong": True}
