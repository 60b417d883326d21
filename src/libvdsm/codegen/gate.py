"""The release gate: what ``vdsm-schema diff`` reads, and what it decides about the findings.

A breaking change is never released; a doubtful one is released with a waiver, a small file of its
own that names rule, path and reason.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from libvdsm import schema
from libvdsm.schema import check, compiled, diff, ir
from libvdsm.schema.complaint import Complaint, SchemaError
from libvdsm.schema.diff import Finding, Grade
from libvdsm.schema.ir import Position

#: Where the compiled descriptions of releases stand, each named by its version: ``1.0.json``.
RELEASES: Final = Path(schema.__file__).parent / "releases"
#: Where waivers stand below the project root.
WAIVERS: Final = "changes/waivers"
_RELEASE: Final = re.compile(r"[0-9]+(\.[0-9]+)+")
_TRAITS: Final = ("rule", "path", "reason")


@dataclass(frozen=True, slots=True)
class Waiver:
    """One change that is excused, and why."""

    file: str
    rule: str
    path: str
    reason: str

    def excuses(self, finding: Finding) -> bool:
        """Whether this is the change that is meant."""
        return finding.grade is Grade.DOUBTFUL and (self.rule, self.path) == (finding.rule, finding.path)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The findings, and the waivers under which they are judged."""

    findings: tuple[Finding, ...]
    waivers: tuple[Waiver, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether this may not be released."""
        return any(self._refuses(finding) for finding in self.findings)

    @property
    def lines(self) -> list[str]:
        """A line for each finding, and one that counts them; nothing if there are none."""
        count = ", ".join(f"{sum(f.grade is grade for f in self.findings)} {grade.value}" for grade in Grade)
        waived = sum(self.waiver(f) is not None for f in self.findings)
        return [*map(self._line, self.findings), f"{count}{f'; {waived} waived' if waived else ''}"] if self.findings else []

    @property
    def idle(self) -> list[Waiver]:
        """The waivers that excuse nothing, and may go."""
        return [waiver for waiver in self.waivers if not any(waiver.excuses(f) for f in self.findings)]

    def waiver(self, finding: Finding) -> Waiver | None:
        """What excuses a finding."""
        return next((waiver for waiver in self.waivers if waiver.excuses(finding)), None)

    def _refuses(self, finding: Finding) -> bool:
        return finding.grade is Grade.BREAKING or (finding.grade is Grade.DOUBTFUL and self.waiver(finding) is None)

    def _line(self, finding: Finding) -> str:
        waiver = self.waiver(finding)
        return f"{finding} (waived: {waiver.reason})" if waiver else str(finding)


def read(path: Path) -> ir.Api:
    """A description: a directory of YAML files, or a compiled form.

    Raises SchemaError or LockError if the directory holds no well-formed profile, CompiledError if the file is no compiled form.
    """
    if path.is_dir():
        return check.shaped(path)
    try:
        return compiled.load(path)
    except (compiled.CompiledError, UnicodeDecodeError) as error:
        raise compiled.CompiledError(f"{path}: {error}") from error


def last_release(directory: Path = RELEASES) -> Path | None:
    """The compiled description with the highest version; None before the first release."""
    found = [path for path in directory.glob("*.json") if _RELEASE.fullmatch(path.stem)]
    return max(found, key=lambda path: diff.version(path.stem), default=None)


def waivers(directory: Path) -> tuple[Waiver, ...]:
    """All waivers of a directory, each a file of its own; none if it is not there. Raises SchemaError with all that is wrong."""
    found: list[Waiver] = []
    complaints: list[Complaint] = []
    for path in sorted(directory.glob("*.yaml")):
        try:
            found.append(_waiver(path))
        except SchemaError as error:
            complaints += error.complaints
    if complaints:
        raise SchemaError(complaints)
    return tuple(found)


def _waiver(path: Path) -> Waiver:
    from libvdsm.schema import source

    table = source.read_file(path, path.name)
    texts = {name: table.text(name).strip() for name in _TRAITS}
    problems = [(f"lacks {name}, a string", "waiver-trait") for name in _TRAITS if not texts[name]]
    problems += [(f"has {name}, which means nothing", "waiver-trait") for name in table.entries if name not in _TRAITS]
    rule = diff.RULES.get(texts["rule"])
    if texts["rule"] and (rule is None or rule.grade is not Grade.DOUBTFUL):
        grade = "no rule" if rule is None else f"of class {rule.grade.value}"
        problems.append((f"{texts['rule']} is {grade}; only rules of class D are waived", "waiver-rule"))
    if problems:
        raise SchemaError(Complaint(Position(path.name, 1), "waiver", text, name) for text, name in problems)
    return Waiver(path.name, **texts)


def judge(old: ir.Api, new: ir.Api, excuses: Sequence[Waiver] = ()) -> Verdict:
    """Compare two descriptions under some waivers."""
    return Verdict(diff.compare(old, new), tuple(excuses))
