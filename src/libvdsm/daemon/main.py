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
from libvdsm.daemon.activation import take_activated
from libvdsm.daemon.addresses import Address
from libvdsm.daemon.child import ChildEnds, Program
from libvdsm.daemon.config import Config, ConfigError
from libvdsm.daemon.config_reader import read_config
from libvdsm.daemon.connectors import offered
from libvdsm.daemon.listening import CannotListenError, Places
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
        places = Places.open(config.socket, config.listen, front_user, take_activated(os.environ, os.getpid()))
    except ConfigError as failure:
        return _refuse(str(failure), WRONG_CONFIGURATION)
    except (CannotListenError, OSError) as failure:
        return _refuse(str(failure), CANNOT_LISTEN)
    config = replace(config, listen=tuple(listen for listen, _sock in places.others))
    exposed = _exposed(config, places)
    if exposed is not None:
        places.close()
        return _refuse(f"--insecure: serves loopback addresses only, not {exposed}", WRONG_CONFIGURATION)
    if config.ready_file is not None:
        config.ready_file.unlink(missing_ok=True)
    plan = _plan(config, front_user, places, outlet)
    others = ", ".join(each["address"] for each in places.describe())
    _log.info("starts; socket %s, others %s, hypervisor %s", config.socket, others or "none", config.hypervisor.uri)
    try:
        return Supervisor(_armed(plan)).run()
    finally:
        places.close()


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


def _exposed(config: Config, places: Places) -> Address | None:
    """An address that others can reach and where everybody would be administrator: sockets may have been bound by others."""
    for listen, sock in places.others:
        if sock.family != socket.AF_UNIX and config.takes_plain(listen):
            address = Address(*sock.getsockname()[:2])
            if not address.is_loopback:
                return address
    return None


def _plan(config: Config, front_user: kernel.User | None, places: Places, outlet: log.Outlet) -> Plan:
    workers = () if config.in_process else ("virt", "host")
    started_by = os.geteuid()
    return Plan(
        front=Program("front", "front", partial(_front, config, front_user, started_by, outlet)),
        workers=[Program(name, "worker", partial(_worker, name, config, outlet)) for name in workers],
        worlds=[Program("simulator", "world", partial(_world, config, outlet))] if config.hypervisor.is_simulator else [],
        listeners=places.sockets,
        keep=outlet.descriptors,
        ready_file=config.ready_file,
        describe={"port": places.port, "socket": str(config.socket), "listeners": places.describe()},
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
