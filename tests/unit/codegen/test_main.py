"""The program vdsm-schema: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from libvdsm.codegen import output
from libvdsm.codegen.main import OK, USAGE, WRONG, main, targets
from libvdsm.schema import NATIVE, load_api, lock

BASE = Path(__file__).parent.parent / "schema" / "base"


@pytest.fixture(name="profile")
def make_profile(tmp_path: Path) -> Path:
    profile = tmp_path / "native"
    shutil.copytree(BASE, profile)
    return profile


def test_lint_has_no_complaints_about_the_native_profile(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint"]) == OK
    assert f"{len(load_api().methods)} methods" in capsys.readouterr().out


def test_lint_says_every_complaint_and_their_number(profile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (profile / "Bad.yaml").write_text("interface: [", encoding="utf-8")
    (profile / "Odd.yaml").write_text("- odd", encoding="utf-8")
    assert main(["lint", str(profile)]) == WRONG
    err = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in err] == ["Bad.yaml", "Odd.yaml", "2 complaints"]


def test_lint_lists_its_rules_with_their_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "--rules"]) == OK
    assert "unit-missing: Each integer, number and decimal has a unit." in capsys.readouterr().out


def test_lint_refuses_what_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["lint", str(tmp_path / "nowhere")])
    assert caught.value.code == USAGE


def test_an_unreadable_lock_is_said(profile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (profile.parent / lock.FILE_NAME).write_text("{", encoding="utf-8")
    assert main(["lint", str(profile)]) == WRONG
    assert "is not a lock file" in capsys.readouterr().err


def test_show_describes_an_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "VM.create"]) == OK
    assert "Defines a virtual machine" in capsys.readouterr().out


def test_show_suggests_near_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "VM.creat"]) == USAGE
    assert "is it VM.create" in capsys.readouterr().err


def test_emit_refuses_an_unknown_target_and_names_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emit", "cobol"]) == USAGE
    assert ", ".join(targets()) in capsys.readouterr().err


def test_emit_writes_below_a_directory_and_then_finds_nothing_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emit", "server", "--output", str(tmp_path)]) == OK
    first = capsys.readouterr().out
    assert main(["emit", "server", "--output", str(tmp_path)]) == OK
    assert first
    assert not capsys.readouterr().out


def test_emit_check_names_the_files_that_drifted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["emit", "server", "--output", str(tmp_path)])
    changed = next(path for path in sorted(tmp_path.rglob("*.py")))
    changed.write_text("# by hand\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["emit", "server", "--output", str(tmp_path), "--check"]) == WRONG
    assert str(changed.relative_to(tmp_path)) in capsys.readouterr().err
    assert changed.read_text(encoding="utf-8") == "# by hand\n"


def test_generated_files_are_written_only_if_they_differ(tmp_path: Path) -> None:
    assert output.write(tmp_path, {"a/b": "1", "c": "2"}) == ["a/b", "c"]
    assert output.write(tmp_path, {"a/b": "1", "c": "3"}) == ["c"]
    assert (tmp_path / "c").read_text(encoding="utf-8") == "3"


def test_files_that_are_not_made_any_more_are_found_in_generated_directories_only(tmp_path: Path) -> None:
    files = {"x/generated/new.py": "", "y/new.py": ""}
    output.write(tmp_path, files | {"x/generated/old.py": "", "y/old.py": ""})
    assert output.stale(tmp_path, files) == ["x/generated/old.py"]


def test_the_committed_lock_is_up_to_date_and_updating_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    before = (NATIVE.parent / lock.FILE_NAME).read_bytes()
    assert main(["lock"]) == OK
    assert main(["lock", "--update"]) == OK
    assert "nothing new" in capsys.readouterr().out
    assert (NATIVE.parent / lock.FILE_NAME).read_bytes() == before


def test_the_compiled_form_is_up_to_date() -> None:
    assert main(["compile", "--check"]) == OK


def test_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == OK
    assert "Exit codes: 0 all is well; 1" in capsys.readouterr().out
