"""Where clients may come: what is bound, what was bound for us, and what becomes of both."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from libvdsm.daemon.activation import take_activated
from libvdsm.daemon.addresses import Activated, Address, Listen, UnixAddress
from libvdsm.daemon.listening import CannotListenError, Places, UnixListener, listen_tcp, where


def bound(family: socket.AddressFamily = socket.AF_INET, path: Path | None = None, *, listens: bool = True) -> socket.socket:
    """A socket as whoever starts us would bind it."""
    made = socket.socket(family, socket.SOCK_STREAM)
    made.bind(str(path) if path is not None else ("127.0.0.1", 0))
    if listens:
        made.listen()
    return made


def is_open(descriptor: int) -> bool:
    """Whether somebody in this process has it."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def hand_over(*socks: socket.socket) -> int:
    """Put the sockets on neighbouring descriptors, as systemd does; the first of them."""
    first = next(start for start in range(300, 1000) if not any(is_open(start + place) for place in range(len(socks))))
    for place, sock in enumerate(socks):
        os.dup2(sock.fileno(), first + place, inheritable=True)
        sock.close()
    return first


def test_all_places_are_bound_and_given_back(tmp_path: Path) -> None:
    """IPv4, IPv6 and unix sockets; the files go when they are closed."""
    wanted = [
        Listen(address=Address("127.0.0.1", 0)),
        Listen(address=Address("::1", 0), name="six"),
        Listen(address=UnixAddress(tmp_path / "other")),
    ]
    places = Places.open(tmp_path / "s", wanted, None)
    assert [each.family for each in places.sockets] == [socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_UNIX]
    described = places.describe()
    assert places.port is not None
    assert described[0] == {"name": "127.0.0.1:0", "address": f"127.0.0.1:{places.port}"}
    assert described[1]["name"] == "six"
    assert described[1]["address"].startswith("[::1]:")
    assert described[2]["address"] == f"unix:{tmp_path / 'other'}"
    for each in places.sockets:
        with socket.socket(each.family) as client:
            client.connect(each.getsockname())
    places.close()
    assert not list(tmp_path.iterdir())


def test_if_one_place_cannot_be_had_nothing_stays_bound(tmp_path: Path) -> None:
    """The one before it is free again."""
    with bound() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListenError, match=f"127.0.0.1:{port}: "):
            Places.open(tmp_path / "s", [Listen(address=UnixAddress(tmp_path / "o")), Listen(address=Address("127.0.0.1", port))], None)
    assert not list(tmp_path.iterdir())


def test_sockets_that_were_handed_to_us_find_their_places(tmp_path: Path) -> None:
    """By name; the one at the local path is the local socket, whose file is not ours to remove; the rest is served as it is."""
    local, named, also_named, left = bound(socket.AF_UNIX, tmp_path / "s"), bound(), bound(), bound()
    activated = [("vdsmd.socket", local), ("web", named), ("web", also_named), ("unknown", left)]
    places = Places.open(tmp_path / "s", [Listen(address=Activated("web"), strict_stomp=True)], None, activated)
    assert places.local is local
    assert [(listen.called, listen.strict_stomp, sock) for listen, sock in places.others] == [
        ("systemd:web", True, named),
        ("systemd:web", True, also_named),
        ("systemd:unknown", False, left),
    ]
    places.close()
    assert [each.fileno() for _name, each in activated] == [-1] * 4
    assert (tmp_path / "s").exists()


def test_a_place_that_nobody_handed_over_is_missed(tmp_path: Path) -> None:
    """And what was handed over is closed."""
    other = bound()
    with pytest.raises(CannotListenError, match="systemd:web: no socket of this name was handed to us"):
        Places.open(tmp_path / "s", [Listen(address=Activated("web"))], None, [("other", other)])
    assert other.fileno() == -1
    assert not list(tmp_path.iterdir())


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_what_was_handed_over_is_taken_with_its_names(opened: ExitStack) -> None:
    """Nothing is inherited further, neither descriptors nor variables."""
    first = hand_over(bound(), bound())
    environ = {"LISTEN_PID": "7", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "web", "HOME": "/"}
    taken = take_activated(environ, 7, first)
    for _name, sock in taken:
        opened.enter_context(sock)
    assert [name for name, _sock in taken] == ["web", "unknown"]
    assert [sock.family for _name, sock in taken] == [socket.AF_INET] * 2
    assert not any(os.get_inheritable(sock.fileno()) for _name, sock in taken)
    assert environ == {"HOME": "/"}


def test_what_is_for_somebody_else_is_left_alone() -> None:
    """The variables may have been inherited from a parent that was activated."""
    assert take_activated({"LISTEN_PID": "8", "LISTEN_FDS": "1"}, 7) == []
    assert take_activated({}, 7) == []


@pytest.mark.parametrize("count", ("", "-1", "x", "65", "\u0661"))
def test_a_number_that_is_none_is_refused(count: str) -> None:
    with pytest.raises(CannotListenError, match="LISTEN_FDS: must be a number up to 64"):
        take_activated({"LISTEN_PID": "7", "LISTEN_FDS": count}, 7)


def test_what_is_no_listening_socket_is_refused(opened: ExitStack) -> None:
    """A file, a socket that does not listen, one for datagrams; what was taken before it is closed."""
    reading, writing = os.pipe()
    opened.callback(os.close, writing)
    opened.callback(os.close, reading)
    with pytest.raises(CannotListenError, match="is no socket"):
        take_activated({"LISTEN_PID": "7", "LISTEN_FDS": "1"}, 7, reading)
    for odd in (bound(listens=False), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)):
        first = hand_over(bound(), odd)
        with pytest.raises(CannotListenError, match=f"descriptor {first + 1} is no listening stream socket"):
            take_activated({"LISTEN_PID": "7", "LISTEN_FDS": "2"}, 7, first)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(first)
        os.close(first + 1)


def test_an_abstract_name_is_told_as_it_is_written() -> None:
    """A socket without a place in the file system, which only somebody else can bind for us."""
    name = f"libvdsm-test-{os.getpid()}-{os.urandom(4).hex()}"
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"\0{name}")
        assert where(made) == f"unix:@{name}"


def test_an_ipv6_place_is_not_ipv4_as_well() -> None:
    """``[::]`` beside ``0.0.0.0`` is two places, each with its own policy."""
    with listen_tcp(Address("::", 0)) as six, listen_tcp(Address("0.0.0.0", six.getsockname()[1])) as four:
        assert six.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
        assert four.getsockname()[1] == six.getsockname()[1]


def test_the_file_of_somebody_else_is_left_where_it_is(tmp_path: Path) -> None:
    """Whoever has taken the place of a socket meanwhile keeps it."""
    path = tmp_path / "s"
    listener = UnixListener(path, None)
    path.rename(tmp_path / "elsewhere")
    path.write_text("another")
    listener.close()
    assert path.read_text() == "another"
