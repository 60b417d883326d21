"""A session that answers from a table, and command lines run against it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from libvdsm.cli import shell
from libvdsm.cli.failures import ApiFailure, Failure, Refused
from libvdsm.cli.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from libvdsm.cli.session import Stream

WEB = "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"
DB = "0b8f6b5e-5a54-4d6d-9c3a-1d3b9f6f2a11"
TASK = "11111111-2222-4333-8444-555555555555"

#: The machines of the fake host: two have one name.
MACHINES: tuple[dict[str, Any], ...] = (
    {"id": WEB, "name": "web", "state": "running", "config": {"memory": 2 * 1024**3, "vcpus": 2}},
    {"id": DB, "name": "db", "state": "stopped", "config": {"memory": 512 * 1024**2, "vcpus": 1}},
    {"id": "aaaaaaaa-0000-4000-8000-000000000001", "name": "twin", "state": "stopped"},
    {"id": "aaaaaaaa-0000-4000-8000-000000000002", "name": "twin", "state": "running"},
)


def task(state: str = "running", value: float = 0, **more: object) -> dict[str, Any]:
    """Return a task as the API has it."""
    return {
        "id": TASK,
        "method": "VM.start",
        "subsystem": "virt",
        "state": state,
        "progress": {"value": value, "unit": "percent"},
        "cancellable": False,
        "createdAt": "2026-01-01T00:00:00Z",
        "revision": 7,
        **more,
    }


def list_vms(params: Mapping[str, Any]) -> dict[str, Any]:
    """Answer VM.list with the fake host's machines."""
    name = params.get("filter", {}).get("name")
    return {"items": [dict(machine) for machine in MACHINES if name in (None, machine["name"])]}


@dataclass
class FakeSession:
    """Answers calls by method; an answer may be a value, a function of the parameters, a failure, or a list of those in turn."""

    answers: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    delivered: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    stream: Stream | None = None
    url: str = ""
    target: Target = field(default_factory=Target)
    closed: bool = False

    def call(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> Any:
        """Record the call and give its answer."""
        self.calls.append((method, dict(params), dict(options or {})))
        answer = self.answers.get(method, list_vms if method == "VM.list" else {})
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer(params) if callable(answer) else answer

    def deliveries(self, topics: list[str], *, after: str | None, snapshot: bool) -> Iterator[Mapping[str, Any]]:
        """Give the prepared deliveries."""
        self.asked.append({"topics": topics, "after": after, "snapshot": snapshot})
        yield from self.delivered

    def open_stream(self, path: str) -> Stream:
        """Give the prepared stream."""
        self.asked.append({"path": path})
        if self.stream is None:
            raise Failure("no stream")
        return self.stream

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def made(self, method: str) -> list[dict[str, Any]]:
        """Return the parameters of the calls of a method."""
        return [params for name, params, _ in self.calls if name == method]


def refused(
    error: str, fault: str = "client", *, code: int = 3, message: str = "it is so", path: str = "", remedy: str = "do this"
) -> Refused:
    """Return an error answer as the session raises it."""
    return Refused(ApiFailure(code=code, message=message, error=error, fault=fault, path=path, remedy=remedy))


@dataclass
class Ran:
    """What a command line has done."""

    code: int
    out: str
    err: str


class Shell:
    """Runs command lines of vdsmsh in this process, against one fake session."""

    def __init__(self, session: FakeSession, capture: Callable[[], tuple[str, str]]) -> None:
        self.session = session
        self._capture = capture

    def __call__(self, *arguments: str) -> Ran:
        """Run one command line."""
        code = shell.run(arguments, self._open)
        out, err = self._capture()
        return Ran(int(code), out, err)

    def _open(self, target: Target, _limit_s: float | None) -> FakeSession:
        self.session.url = target.url
        self.session.target = target
        return self.session
