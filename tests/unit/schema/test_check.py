"""Each rule of the schema language refuses what breaks it, in exactly these words.

``bad/NAME.yaml`` is laid as ``Bad.yaml`` beside the small sound profile in ``base``; the files of
``bad/NAME/`` are laid over it, an ``api.lock`` beside it. What the checks then say is in
``bad/NAME.txt``. To accept new words, run this module as a program and read the difference.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import pytest

from libvdsm.schema import check, compiled, load_api, lock
from libvdsm.schema.complaint import SchemaError

HERE = Path(__file__).parent
BAD = HERE / "bad"
CASES = sorted({path.stem for path in BAD.iterdir() if path.suffix != ".txt"})


def lay(case: str, root: Path) -> Path:
    """The profile of a case below a directory."""
    profile = root / "native"
    overlay = BAD / case
    if case == "no-files":
        profile.mkdir()
        return profile
    shutil.copytree(HERE / "base", profile)
    if not overlay.is_dir():
        shutil.copy(BAD / f"{case}.yaml", profile / "Bad.yaml")
        return profile
    for path in overlay.iterdir():
        shutil.copy(path, root if path.name == lock.FILE_NAME else profile)
    return profile


def complaints(case: str, root: Path) -> str:
    """What the checks say about a case, a line for each complaint."""
    profile = lay(case, root)
    try:
        check.checked(profile, with_lock=(root / lock.FILE_NAME).exists())
    except SchemaError as error:
        return "".join(f"{complaint}\n" for complaint in error.complaints)
    return ""


@pytest.mark.parametrize("case", CASES)
def test_a_bad_schema_is_refused_in_these_words(case: str, tmp_path: Path) -> None:
    assert complaints(case, tmp_path) == (BAD / f"{case}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_a_complaint_tells_file_line_definition_and_rule(case: str) -> None:
    text = (BAD / f"{case}.txt").read_text(encoding="utf-8")
    assert text, "a case without a complaint shows nothing"
    assert all(re.fullmatch(r"[\w.]+:[0-9]+: .+: .+ \[[a-z-]+\]", line) for line in text.splitlines())


def test_every_rule_has_a_case_and_every_case_a_rule() -> None:
    shown = {
        rule for case in CASES for rule in re.findall(r"\[([a-z-]+)\]$", (BAD / f"{case}.txt").read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert shown == set(check.RULES)


def test_every_golden_file_has_its_case() -> None:
    assert sorted(path.stem for path in BAD.glob("*.txt")) == CASES


def test_the_sound_profile_has_no_complaints() -> None:
    assert check.checked(HERE / "base", with_lock=False).digest == load_api(HERE / "base").digest


def test_the_native_profile_has_no_complaints_and_its_compiled_form_is_current() -> None:
    assert compiled.NATIVE.read_text(encoding="utf-8") == compiled.encode(check.checked())


def _accept() -> None:
    for case in CASES:
        with tempfile.TemporaryDirectory() as root:
            (BAD / f"{case}.txt").write_text(complaints(case, Path(root)), encoding="utf-8")


if __name__ == "__main__":
    _accept()
