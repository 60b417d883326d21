"""The release gate: what it reads, what it excuses, and when it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from libvdsm.codegen import gate
from libvdsm.codegen.main import OK, USAGE, WRONG, main
from libvdsm.schema import compiled
from libvdsm.schema.complaint import SchemaError
from tests.unit.schema.diff.profiles import OLD, Edit, api, edited, old, texts, write

COSTS_MORE: Edit = ("watch", "cost: low", "cost: high")
BREAKS: Edit = ("doomed", "", "")
WAIVER = "rule: cost-raised\npath: Thing.watch\nreason: It looks at more now.\n"


@pytest.fixture(name="waivers")
def make_waivers(tmp_path: Path) -> Path:
    directory = tmp_path / "waivers"
    directory.mkdir()
    return directory


def newer(root: Path, *edits: Edit) -> str:
    """A directory with a newer profile."""
    write(root / "newer", edited(texts(), edits))
    return str(root / "newer")


def run(root: Path, waivers: Path, *edits: Edit) -> int:
    """What the program says of some edits."""
    return main(["diff", str(OLD), newer(root, *edits), "--waivers", str(waivers)])


def test_a_breaking_change_is_refused(tmp_path: Path, waivers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, waivers, BREAKS) == WRONG
    assert capsys.readouterr().out.splitlines() == [
        "B entry-removed Thing.doomed: the verb was removed; it was published, not deprecated",
        "1 B, 0 D, 0 S",
    ]


def test_a_doubtful_change_is_refused_without_a_waiver(tmp_path: Path, waivers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, waivers, COSTS_MORE) == WRONG
    assert capsys.readouterr().out.splitlines() == ["D cost-raised Thing.watch: the cost was low and is high", "0 B, 1 D, 0 S"]


def test_a_waiver_excuses_its_change_and_is_shown(tmp_path: Path, waivers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (waivers / "watch.yaml").write_text(WAIVER, encoding="utf-8")
    assert run(tmp_path, waivers, COSTS_MORE) == OK
    assert capsys.readouterr().out.splitlines() == [
        "D cost-raised Thing.watch: the cost was low and is high (waived: It looks at more now.)",
        "0 B, 1 D, 0 S; 1 waived",
    ]


def test_a_waiver_excuses_no_other_change_and_is_told_of_if_idle(tmp_path: Path, waivers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (waivers / "watch.yaml").write_text(WAIVER.replace("watch", "get"), encoding="utf-8")
    assert run(tmp_path, waivers, COSTS_MORE) == WRONG
    assert capsys.readouterr().err == "watch.yaml: excuses nothing and may go\n"


def test_a_safe_change_passes(tmp_path: Path, waivers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, waivers, ("trial", "", "")) == OK
    assert capsys.readouterr().out.splitlines() == ["S prototype-changed Thing.trial: the verb was removed", "0 B, 0 D, 1 S"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    (
        ("rule: cost-raised\npath: Thing.watch\n", "watch.yaml:1: waiver: lacks reason, a string [waiver-trait]"),
        (f"{WAIVER}until: 2\n", "watch.yaml:1: waiver: has until, which means nothing [waiver-trait]"),
        (
            WAIVER.replace("cost-raised", "entry-removed"),
            "watch.yaml:1: waiver: entry-removed is of class B; only rules of class D are waived [waiver-rule]",
        ),
        (WAIVER.replace("cost-raised", "cost"), "watch.yaml:1: waiver: cost is no rule; only rules of class D are waived [waiver-rule]"),
        ("- a\n", "watch.yaml:1: watch.yaml: is not a mapping [yaml-root]"),
    ),
)
def test_a_bad_waiver_is_refused_in_these_words(text: str, complaint: str, waivers: Path) -> None:
    (waivers / "watch.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SchemaError) as caught:
        gate.waivers(waivers)
    assert [str(c) for c in caught.value.complaints] == [complaint]


def test_all_waivers_are_read_before_complaining(waivers: Path) -> None:
    (waivers / "a.yaml").write_text("rule: 1\n", encoding="utf-8")
    (waivers / "b.yaml").write_text(WAIVER, encoding="utf-8")
    with pytest.raises(SchemaError) as caught:
        gate.waivers(waivers)
    assert len(caught.value.complaints) == 3
    (waivers / "a.yaml").unlink()
    assert [waiver.path for waiver in gate.waivers(waivers)] == ["Thing.watch"]
    assert gate.waivers(waivers / "nowhere") == ()


def test_compiled_forms_are_compared_like_directories(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "1.6.json"
    file.write_text(compiled.encode(api(BREAKS)), encoding="utf-8")
    assert main(["diff", str(OLD), str(file)]) == WRONG
    assert "entry-removed Thing.doomed" in capsys.readouterr().out
    assert main(["diff", str(file), str(OLD)]) == OK
    assert "S entry-added Thing.doomed" in capsys.readouterr().out


def test_what_is_no_description_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.json"
    file.write_text("{}", encoding="utf-8")
    assert main(["diff", str(file), str(OLD)]) == WRONG
    assert f"{file}: not a compiled schema" in capsys.readouterr().err
    assert main(["diff", str(tmp_path), str(OLD)]) == WRONG
    assert "holds no *.yaml file" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["diff", str(tmp_path / "nowhere"), str(OLD)])
    assert caught.value.code == USAGE


def test_the_last_release_has_the_highest_version(tmp_path: Path) -> None:
    assert gate.last_release(tmp_path) is None
    for name in ("1.9.json", "1.10.json", "1.2.json", "notes.json"):
        (tmp_path / name).write_text("", encoding="utf-8")
    assert gate.last_release(tmp_path) == tmp_path / "1.10.json"


def test_without_a_name_the_tree_is_held_against_the_last_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gate, "last_release", lambda: None)
    assert main(["diff"]) == OK
    assert capsys.readouterr().out == "there is no release yet to compare with\n"
    release = tmp_path / "1.5.json"
    release.write_text(compiled.encode(old()), encoding="utf-8")
    monkeypatch.setattr(gate, "last_release", lambda: release)
    assert main(["diff"]) == WRONG
    assert "B entry-removed Thing.swap: " in capsys.readouterr().out
