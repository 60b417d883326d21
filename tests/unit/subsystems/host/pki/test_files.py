"""Which key files may be trusted, and that a file is never half one generation and half another."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from libvdsm.base.tls import TlsError
from libvdsm.subsystems.host.pki.files import check_key_file, make_folder, read_pem, signature, split_pem, write_whole
from tests.fakes.certificates import Pki


@pytest.fixture
def key(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    path = folder / "server.key"
    write_whole(path, b"key")
    return path


def test_a_key_of_our_own_is_good(key: Path, tmp_path: Path) -> None:
    """Also by a link that only we can turn."""
    check_key_file(key)
    link = tmp_path / "link.key"
    link.symlink_to(key)
    check_key_file(link)
    key.chmod(0o400)
    check_key_file(key)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    (
        (lambda key: key.chmod(0o640), "has mode 0640"),
        (lambda key: key.chmod(0o604), "has mode 0604"),
        (lambda key: key.parent.chmod(0o770), "others can change what it is"),
        (lambda key: (key.unlink(), key.mkdir(mode=0o700)), "is no file"),
        (lambda key: key.unlink(), "No such file"),
        (lambda key: (key.unlink(), key.symlink_to(key)), "too many links"),
    ),
)
def test_a_key_that_others_may_read_or_replace_is_refused(key: Path, spoil: Callable[[Path], object], complaint: str) -> None:
    spoil(key)
    with pytest.raises(TlsError, match=complaint):
        check_key_file(key)


def test_a_link_that_others_can_turn_is_refused(key: Path, tmp_path: Path) -> None:
    """However good the file is to which it leads now; a sticky folder keeps others' hands off."""
    common = tmp_path / "common"
    common.mkdir()
    link = common / "server.key"
    link.symlink_to(key)
    common.chmod(0o1777)
    check_key_file(link)
    common.chmod(0o777)
    with pytest.raises(TlsError, match="others can change what it is"):
        check_key_file(link)


def test_a_folder_far_above_counts_too(key: Path) -> None:
    """Whoever may rename a folder on the way may put another in its place."""
    deep = key.parent / "a" / "b"
    deep.mkdir(parents=True)
    path = deep / "x.key"
    write_whole(path, b"key")
    check_key_file(path)
    (key.parent / "a").chmod(0o777)
    with pytest.raises(TlsError, match="others can change what it is"):
        check_key_file(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_key_of_somebody_else_is_refused(key: Path) -> None:
    os.chown(key, 12345, 12345)
    with pytest.raises(TlsError, match="belongs to user 12345"):
        check_key_file(key)
    os.chown(key, 0, 0)
    os.chown(key.parent, 12345, 12345)
    with pytest.raises(TlsError, match="belongs to user 12345"):
        check_key_file(key)


def test_files_are_written_whole_with_their_mode(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_whole(path, b"one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = signature([path])
    write_whole(path, b"two", 0o644)
    assert signature([path]) != before
    assert path.read_bytes() == b"two"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
    make_folder(tmp_path / "f")
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o700


def test_what_is_missing_or_too_great_is_told(tmp_path: Path) -> None:
    with pytest.raises(TlsError, match="No such file"):
        read_pem(tmp_path / "absent")
    (tmp_path / "great").write_bytes(b"x" * (1024 * 1024 + 1))
    with pytest.raises(TlsError, match="too great"):
        read_pem(tmp_path / "great")


def test_a_bundle_is_split_into_its_certificates(tmp_path: Path) -> None:
    """Whatever stands between them; an unfinished one is none."""
    one, two = Pki(tmp_path / "1").authority.certificate, Pki(tmp_path / "2").authority.certificate
    assert split_pem(b"a comment\n" + one + b"another\n" + two.replace(b"\n", b"\r\n")) == (one, two)
    assert split_pem(one + two[:-30]) == (one,)
    assert split_pem(b"") == ()
