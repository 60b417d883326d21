"""``vdsmd``: reads its configuration, binds its sockets, and becomes the supervisor of the rest.

Exit status: 0 stopped as asked; 1 failed; 2 wrong command line or configuration; 3 an address cannot be listened on.
With ``--check-state`` it serves nothing: 0 the state is sound; 1 it is not; 2 it could not be looked at.
Standard library only: front and workers are forked from here and load their own code afterwards.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from libvdsm.daemon import kernel, log
from libvdsm.daemon.child import ChildEnds, Program
from libvdsm.daemon.config import Config, ConfigError, read_config
from libvdsm.daemon.connectors import offered
from libvdsm.daemon.listening import CannotListenError, UnixListener, listen_tcp
from libvdsm.daemon.supervisor import Plan, Supervisor
from libvdsm.daemon.tls import prepare_keys

_log = logging.getLogger(__name__)

WRONG_CONFIGURATION = 2
CANNOT_LISTEN = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Be ``vdsmd`` until SIGTERM or SIGINT."""
    try:
        config = read_config(sys.argv[1:] if arguments is None else arguments)
        offered(config)
    except ConfigError as failure:
        return _refuse(str(failure), WRONG_CONFIGURATION)
    # Subsystems inside the front need the rights that workers have, so it keeps them.
    is_apart = os.geteuid() == 0 and not config.in_process
    front_user = kernel.user_for(config.front.user, config.front.uid) if is_apart else None
    if config.check_state:
        from libvdsm.daemon.state import check_state

        return check_state(config, front_user)
    kernel.hide_memory(from_own_user=os.geteuid() == 0)  # who runs it for himself may look into it as into all he runs
    outlet = log.stderr_outlet()
    log.set_up("supervisor", config.log.level, outlet)
    try:
        _make_folders(config, front_user)
        prepare_keys(config)
        listener = UnixListener(config.socket, front_user)
    except ConfigError as failure:
        return _refuse(str(failure), WRONG_CONFIGURATION)
    except (CannotListenError, OSError) as failure:
        return _refuse(str(failure), CANNOT_LISTEN)
    try:
        tcp = None if config.listen is None else listen_tcp(config.listen)
    except CannotListenError as failure:
        listener.close()
        return _refuse(f"--listen: {failure}", CANNOT_LISTEN)
    if config.ready_file is not None:
        config.ready_file.unlink(missing_ok=True)
    plan = _plan(config, front_user, listener.socket, tcp, outlet)
    _log.info("starts; socket %s, TCP %s, hypervisor %s", config.socket, config.listen or "none", config.hypervisor.uri)
    try:
        return Supervisor(_armed(plan)).run()
    finally:
        listener.close()
        if tcp is not None:
            tcp.close()


def _refuse(reason: str, status: int) -> int:
    sys.stderr.write(f"vdsmd: {log.clean(reason)}\n")
    return status


def _make_folders(config: Config, front_user: kernel.User | None) -> None:
    """The state folder is ours; in it the front has one of its own, because nobody with rights may follow its links."""
    config.state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    own = config.front_dir
    own.mkdir(mode=0o700, exist_ok=True)
    if front_user is not None:
        os.chown(own, front_user.uid, front_user.gid, follow_symlinks=False)


def _plan(config: Config, front_user: kernel.User | None, unix: socket.socket, tcp: socket.socket | None, outlet: log.Outlet) -> Plan:
    workers = () if config.in_process else ("virt", "host")
    started_by = os.geteuid()
    return Plan(
        front=Program("front", "front", partial(_front, config, front_user, started_by, outlet)),
        workers=[Program(name, "worker", partial(_worker, name, config, outlet)) for name in workers],
        worlds=[Program("simulator", "world", partial(_world, config, outlet))] if config.hypervisor.is_simulator else [],
        listeners=(unix,) if tcp is None else (unix, tcp),
        keep=outlet.descriptors,
        ready_file=config.ready_file,
        describe={"port": None if tcp is None else tcp.getsockname()[1], "socket": str(config.socket)},
    )


def _armed(plan: Plan) -> Plan:
    """Fault points and the supervisor's pace as tests ask; what does that is in no wheel (``libvdsm.testing``)."""
    if not any(name in os.environ for name in ("LIBVDSM_FAULT", "LIBVDSM_PACE")):
        return plan
    try:
        from libvdsm.testing import faults
    except ModuleNotFoundError:
        return plan
    faults.arm(os.environ)
    return replace(plan, pace=faults.paced(plan.pace, os.environ))


def _front(config: Config, user: kernel.User | None, started_by: int, outlet: log.Outlet, ends: ChildEnds) -> int:
    log.set_up("front", config.log.level, outlet)
    from libvdsm.daemon.front import run_front

    return run_front(config, user, started_by, ends)


def _worker(name: str, config: Config, outlet: log.Outlet, ends: ChildEnds) -> int:
    log.set_up(name, config.log.level, outlet)
    from libvdsm.daemon.worker import run_worker

    return run_worker(name, config, ends)


def _world(config: Config, outlet: log.Outlet, _ends: ChildEnds) -> int:
    log.set_up("simulator", config.log.level, outlet)
    from libvdsm.daemon.world import run_world

    return run_world(config)


if __name__ == "__main__":
    sys.exit(main())
