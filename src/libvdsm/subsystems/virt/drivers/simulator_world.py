"""The simulator's world as a process of its own, as libvirtd is: it survives its clients, and can be killed, stopped and hung.

It serves a unix socket (``simulator_frames``) and keeps its machines in a file (``simulator_store``); what machines and
guests do is in ``simulator_model`` and ``simulator_guest``. Whoever can open the socket may do everything.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import functools
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from libvdsm.base.clock import Clock, SystemClock
from libvdsm.subsystems.virt.drivers.simulator_faults import FailNext, Faults
from libvdsm.subsystems.virt.drivers.simulator_frames import HEADER_SIZE, Answer, Failure, FrameError, Request, body_size, pack
from libvdsm.subsystems.virt.drivers.simulator_guest import Shell, banner
from libvdsm.subsystems.virt.drivers.simulator_model import Machine, World, WorldError, capabilities
from libvdsm.subsystems.virt.drivers.simulator_screen import RfbError, RfbSession
from libvdsm.subsystems.virt.drivers.simulator_store import ShiftedClock, Store

_log = logging.getLogger(__name__)
_CONSOLE_TICK_S = 0.02
_BUFFER_LIMIT = 8 * 1024 * 1024
_decoder = msgspec.json.Decoder(Request)

Call = Callable[[dict[str, Any]], object]
Streaming = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class SerialSession:
    """Somebody at a serial port."""

    def __init__(self, machine: Machine, writer: asyncio.StreamWriter) -> None:
        self.machine = machine
        self.writer = writer
        self.shell = Shell(machine.name)
        self._boot = machine.boots
        self._shown = 0

    def show(self, world: World) -> bool:
        """Print what has become due of the boot messages; tells whether there is more to come."""
        machine = self.machine
        if machine.boots != self._boot:
            self._boot, self._shown, self.shell = machine.boots, 0, Shell(machine.name)
        progress = world.boot_progress(machine)
        text, self._shown = banner(machine.name, machine.live or machine.config, progress, self._shown)
        if text:
            self.writer.write(text.encode())
        return progress < 1


class Server:
    """The world behind its socket."""

    def __init__(self, world: World, store: Store, clock: ShiftedClock) -> None:
        self._world = world
        self._store = store
        self._clock = clock
        self._faults = Faults()
        self._listeners: set[asyncio.StreamWriter] = set()
        self._serials: dict[tuple[str, str], SerialSession] = {}
        self._screens: dict[asyncio.StreamWriter, Machine] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: dict[str | None, set[asyncio.Task[None]]] = {}  # what suffers a fault, by machine
        self._timer: asyncio.TimerHandle | None = None
        self._calls: dict[str, Call] = self._table()

    def _table(self) -> dict[str, Call]:
        world = self._world
        return {
            "ping": lambda _params: None,
            "capabilities": lambda _params: capabilities(),
            "domains": lambda _params: world.domains(),
            "domain": lambda params: world.domain(params["id"]),
            "fence": lambda params: world.machine(params["id"]).id,
            "define": lambda params: world.define(params["definition"]),
            "set_autostart": lambda params: world.set_autostart(params["id"], autostart=params["autostart"]),
            "undefine": lambda params: world.undefine(params["id"]),
            "start": lambda params: world.start(params["id"], paused=params["paused"]),
            "ask_shutdown": lambda params: world.ask(params["id"], "shutdown", params["way"]),
            "ask_reboot": lambda params: world.ask(params["id"], "reboot", params["way"]),
            "destroy": lambda params: world.destroy(params["id"]),
            "reset": lambda params: world.reset(params["id"]),
            "suspend": lambda params: world.suspend(params["id"]),
            "resume": lambda params: world.resume(params["id"]),
            "stats": lambda _params: world.stats(),
            "screenshot": lambda params: world.screenshot(params["id"], params["screen"]),
        }

    # the process

    async def run(self, path: Path) -> None:
        """Serve until told to end."""
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        server = await asyncio.start_unix_server(self._connected, sock=_listening(path), limit=1024 * 1024)
        self._after()
        await ended.wait()
        server.close()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._later(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError, FrameError, RfbError, msgspec.DecodeError) as error:
            _log.debug("a client is gone: %s", error)
        finally:
            self._listeners.discard(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = _decoder.decode(await reader.readexactly(body_size(await reader.readexactly(HEADER_SIZE))))
            if request.call == "listen":
                self._listeners.add(writer)
                writer.write(pack(Answer(id=request.id)))
            elif request.call.startswith("fault."):
                writer.write(self._answer(request, self._fault))
            elif request.call in {"open_serial", "open_graphics"}:
                await self._stream(request, reader, writer)
                return
            elif request.call == "fence":
                self._later(self._fence(request, writer))
            elif self._faults.is_in_the_way(request.call, request.params):
                self._note(request.params.get("id"), self._later(self._suffer(request, writer)))
            else:
                writer.write(self._answer(request, self._carry_out))
            await writer.drain()

    def _later(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _note(self, id: str | None, task: asyncio.Task[None]) -> None:
        """A call for a machine takes its time; it goes on although its client may leave."""
        under_way = self._under_way.setdefault(id, set())
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    async def _fence(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Answer when the calls for this machine that are under way have ended."""
        under_way = self._under_way.get(request.params.get("id"))
        if under_way:
            await asyncio.wait(tuple(under_way))
        if not writer.is_closing():
            writer.write(self._answer(request, self._carry_out))

    async def _suffer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        try:
            await self._faults.suffer(request.call, request.params)
        except WorldError as error:
            answer = _failed(request, error)
        else:
            answer = self._answer(request, self._carry_out)
        if not writer.is_closing():
            writer.write(answer)

    # calls

    def _answer(self, request: Request, carry_out: Callable[[Request], object]) -> bytes:
        try:
            result = carry_out(request)
            self._after()
        except WorldError as error:
            return _failed(request, error)
        except (KeyError, TypeError) as error:
            return _failed(request, WorldError("HypervisorError", call=request.call, number=2, reason=f"bad request: {error!r}"))
        except OSError as error:
            return _failed(request, WorldError("HypervisorError", call=request.call, number=3, reason=f"cannot keep the state: {error}"))
        return pack(Answer(id=request.id, result=Raw(msgspec.json.encode(result))))

    def _carry_out(self, request: Request) -> object:
        call = self._calls.get(request.call)
        if call is None:
            raise WorldError("Unsupported", feature=request.call, reason="the simulator has no such call")
        self._world.settle()
        return call(request.params)

    def _fault(self, request: Request) -> object:
        params = request.params
        match request.call.removeprefix("fault."):
            case "hang":
                self._hang(params.get("id"))
            case "slow":
                self._faults.slow(params.get("id"), params["seconds"])
            case "drop_events":
                self._faults.drops_events = True
            case "fail_next":
                self._faults.fail_next(msgspec.convert(params, FailNext))
            case "crash":
                self._world.crash(params["id"], silent=params["silent"])
            case "reboot_host":
                self._world.reboot_host()
            case "advance":
                self._advance(params["seconds"])
            case "clear":
                self._faults.clear()
                self._world.problems.clear()
            case other:
                raise WorldError("Unsupported", feature=other, reason="the simulator has no such fault")
        return None

    def _hang(self, id: str | None) -> None:
        if id is not None:
            self._world.machine(id)
            self._world.problems[id] = (self._world.now(), "its process does not answer")
        self._faults.hang(id)

    def _advance(self, seconds: float) -> None:
        self._clock.ahead += seconds
        self._store.keep(self._world.machines, set(), self._clock.ahead)

    # what follows from a change

    def _after(self) -> None:
        """Bring all that depends on the machines up to date; ordered so that a change is kept before it is told."""
        self._world.settle()
        if self._world.changed:
            self._store.keep(self._world.machines, self._world.changed, self._clock.ahead)
            self._world.changed.clear()
        for event in self._world.events():
            if not self._faults.drops_events:
                self._tell(pack(Answer(event=event)))
        for writer, machine in self._screens.items():
            if not machine.is_active():
                writer.close()
        is_booting = self._show_serials()
        self._set_timer(is_booting=is_booting)

    def _tell(self, data: bytes) -> None:
        for writer in list(self._listeners):
            if writer.transport.get_write_buffer_size() > _BUFFER_LIMIT:
                self._listeners.discard(writer)
                writer.transport.abort()
            else:
                writer.write(data)

    def _show_serials(self) -> bool:
        more = False
        for session in list(self._serials.values()):
            if session.machine.is_active():
                more |= session.show(self._world)
            else:
                session.writer.close()
        return more

    def _set_timer(self, *, is_booting: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._world.next_due()
        delays = [] if due is None else [max(0.001, due - self._world.now())]
        if is_booting:
            delays.append(_CONSOLE_TICK_S)
        if delays:
            self._timer = asyncio.get_running_loop().call_later(min(delays), self._tick)

    def _tick(self) -> None:
        try:
            self._after()
        except OSError as error:  # a change that cannot be kept stays changed, and is tried again
            _log.warning("cannot keep the state: %s", error)
            self._timer = asyncio.get_running_loop().call_later(1.0, self._tick)

    # streams

    async def _stream(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._faults.suffer(request.call, request.params)
            self._world.settle()
            session = self._open(request, writer)
        except WorldError as error:
            writer.write(_failed(request, error))
            await writer.drain()
            return
        writer.write(pack(Answer(id=request.id)))
        await session(reader, writer)

    def _open(self, request: Request, writer: asyncio.StreamWriter) -> Streaming:
        params = request.params
        if request.call == "open_graphics":
            machine = self._world.graphics(params["id"])
            return functools.partial(self._graphics, machine)
        machine = self._world.serial(params["id"], params["device_id"])
        place = (machine.id, params["device_id"])
        if (present := self._serials.get(place)) is not None:
            if not params["take_over"]:
                raise WorldError("ResourceBusy", type="device", id=place[1], reason="somebody else has it open")
            present.writer.close()
        self._serials[place] = session = SerialSession(machine, writer)
        return functools.partial(self._serial, place, session)

    async def _serial(
        self, place: tuple[str, str], session: SerialSession, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._after()
        try:
            while data := await reader.read(4096):
                self._world.settle()
                machine = session.machine
                if machine.state == "running" and self._world.is_up(machine) and machine.id not in self._faults.hung:
                    shown, act = session.shell.receive(data, machine.guest_time(self._world.now()) - machine.booted)
                    writer.write(shown)
                    if act is not None:
                        self._world.act(machine, act, 0.0)
                self._after()
                await writer.drain()
        finally:
            if self._serials.get(place) is session:
                del self._serials[place]

    async def _graphics(self, machine: Machine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = RfbSession(machine.name)
        self._screens[writer] = machine
        try:
            writer.write(session.greeting())
            while data := await reader.read(4096):
                writer.write(session.receive(data))
                await writer.drain()
        finally:
            del self._screens[writer]


def _failed(request: Request, error: WorldError) -> bytes:
    return pack(Answer(id=request.id, error=Failure(name=error.name, params=error.params)))


def run(
    socket_path: str | os.PathLike[str], state_file: str | os.PathLike[str], vms: int = 0, seed: int = 1, clock: Clock | None = None
) -> None:
    """Be the world until SIGTERM; ``vms`` and ``seed`` count only when the state file is not there yet.

    Raises ``RuntimeError`` if another world has the state file.
    """
    state_path = Path(state_file)
    state_path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(state_path.with_suffix(".lock")):
        virtual = ShiftedClock(clock or SystemClock())
        store = Store.open(state_path, seed=seed, vms=vms, now=virtual.time())
        virtual.ahead = store.ahead
        world = World(store.seed, virtual, store.machines())
        asyncio.run(Server(world, store, virtual).run(Path(socket_path)))
        Path(socket_path).unlink(missing_ok=True)


def _listening(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    return listener


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            reason = f"another world is running: {path} is locked"
            raise RuntimeError(reason) from None
        yield


def main(argv: Sequence[str] | None = None) -> int:
    """Be the world as the command line says."""
    parser = argparse.ArgumentParser(prog="simulator-world", description="The simulator's world: a hypervisor that runs no guests.")
    parser.add_argument("--socket", required=True, help="the unix socket to serve")
    parser.add_argument("--state", required=True, help="the file that keeps the machines")
    parser.add_argument("--vms", type=int, default=0, help="how many machines a new world has")
    parser.add_argument("--seed", type=int, default=1, help="from what a new world is made")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="simulator: %(message)s")
    try:
        run(arguments.socket, arguments.state, arguments.vms, arguments.seed)
    except (RuntimeError, OSError) as error:
        _log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
