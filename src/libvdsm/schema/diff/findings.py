"""What a comparison finds: the rules by name with their class, a finding, and the sheet on which findings are noted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from libvdsm.schema import ir


class Grade(StrEnum):
    """The class of a change, worst first."""

    BREAKING = "B"  # never released
    DOUBTFUL = "D"  # released with a waiver that says why
    SAFE = "S"


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of change: how bad it is, and why."""

    grade: Grade
    reason: str


_B: Final = Grade.BREAKING
_D: Final = Grade.DOUBTFUL
_S: Final = Grade.SAFE

#: Every rule, in the order of the table in DESIGN 8.
RULES: Final[Mapping[str, Rule]] = {
    # Life and wire form
    "entry-removed": Rule(_B, "An entry stays until its announced sunset."),
    "name-reused": Rule(_B, "A removed name never means anything else."),
    "type-changed": Rule(_B, "A value keeps its type."),
    "unit-changed": Rule(_B, "A number keeps its unit; nobody would notice otherwise."),
    "discriminator-changed": Rule(_B, "A union is told apart by the same member."),
    "tag-changed": Rule(_B, "A branch is told by the same word."),
    # Requests
    "request-required-added": Rule(_B, "What was a complete request stays one."),
    "request-made-required": Rule(_B, "What may be left out may be left out for ever."),
    "request-constraint-tightened": Rule(_B, "A value that was accepted stays acceptable."),
    "request-enum-value-removed": Rule(_B, "A word that was accepted stays acceptable."),
    "request-default-changed": Rule(_B, "Leaving a member out keeps its meaning."),
    # Responses and events
    "response-field-removed": Rule(_B, "What was answered stays in the answer."),
    "response-made-optional": Rule(_B, "What was always answered is always answered."),
    "response-type-widened": Rule(_B, "Readers meet only what they were told to expect."),
    "response-closed-grew": Rule(_B, "Readers of a closed set handle each member of it, and no other."),
    # Verbs and errors
    "kind-changed": Rule(_B, "A verb answers at once or with a task, always the same."),
    "result-changed": Rule(_B, "A verb keeps its result, also inside its task."),
    "progress-unit-changed": Rule(_B, "Progress is counted in the same unit."),
    "error-number-changed": Rule(_B, "An error keeps its number."),
    "error-params-changed": Rule(_B, "An error keeps its parameters."),
    "error-retryable-changed": Rule(_B, "Whether to try again is decided by programs."),
    # Rights and behaviour
    "permission-raised": Rule(_B, "Who may do a thing may still do it."),
    "query-needs-write": Rule(_B, "Looking needs no right to change."),
    "role-narrowed": Rule(_B, "Who has a role keeps what it allows."),
    "states-narrowed": Rule(_B, "A verb works, or has nothing left to do, in every state in which it did."),
    "idempotent-lost": Rule(_B, "A call that was safe to repeat stays so."),
    "change-worsened": Rule(_B, "A change takes effect as soon as it did."),
    "topic-changed": Rule(_B, "Subscriptions keep hearing."),
    "key-changed": Rule(_B, "A verb, an event or a view is about the same object, found by the same key."),
    "paging-changed": Rule(_B, "Readers of a list turn pages as they did."),
    # Names in bindings and languages
    "names-changed": Rule(_B, "An entry keeps its name in every binding and language."),
    "parameter-order-changed": Rule(_B, "Parameters may be given by position; new ones go to the end."),
    "enum-number-changed": Rule(_B, "Compiled programs hold a word by its number."),
    "since-changed": Rule(_B, "Since when an entry exists is history; symbols are versioned by it."),
    # The way out
    "deprecation-incomplete": Rule(_B, "Who must leave is told since when, where to, and until when."),
    "sunset-too-short": Rule(
        _B, "At least two releases carry an entry marked as deprecated, and an announced sunset is not brought forward."
    ),
    "lifecycle-order": Rule(_B, "An entry goes from prototype to published to deprecated to removed, step by step."),
    "version-backwards": Rule(_B, "A release does not have a lower version than the one before."),
    "feature-removed": Rule(_B, "Who asks for a host capability by name is not told that it is gone."),
    "example-invalid": Rule(_B, "The call that was shown still works."),
    "golden-changed": Rule(_B, "The same example is answered in the same form."),
    # To be decided
    "permission-lowered": Rule(_D, "More identities may do it now."),
    "role-widened": Rule(_D, "Who has a role may do more now."),
    "cost-raised": Rule(_D, "Callers wait longer in the fair queue."),
    "timeout-lowered": Rule(_D, "Calls fail earlier where no timeout is given."),
    "requires-tightened": Rule(_D, "Some hosts refuse now."),
    "error-added": Rule(_D, "Callers meet a failure that they do not know."),
    "error-fault-changed": Rule(_D, "Whoever is told to mend it is another."),
    "probe-weakened": Rule(_D, "After a crash more outcomes are unknown."),
    "response-constraint-relaxed": Rule(_D, "Answers hold values outside the bounds that were promised."),
    "documentation-removed": Rule(_D, "Words that helped are gone."),
    "example-removed": Rule(_D, "A tested example is gone."),
    # Safe
    "value-added": Rule(_S, "Readers of open sets keep unknown words."),
    "field-added": Rule(_S, "Clients may leave it out, and ignore what they do not know."),
    "branch-added": Rule(_S, "Readers of open unions keep unknown branches."),
    "prototype-changed": Rule(_S, "Nothing is promised of prototypes."),
    "entry-added": Rule(_S, "What is new disturbs nobody."),
    "stage-advanced": Rule(_S, "An entry took the next step of its life."),
    "removed-in-order": Rule(_S, "An entry went at its announced sunset."),
    "request-relaxed": Rule(_S, "More requests are accepted."),
    "states-widened": Rule(_S, "A verb works in more states."),
    "response-narrowed": Rule(_S, "Answers promise more."),
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One change between two descriptions. ``path`` names the entry as ``vdsm-schema show`` does."""

    rule: str
    path: str
    reason: str

    @property
    def grade(self) -> Grade:
        """How bad it is."""
        return RULES[self.rule].grade

    def __str__(self) -> str:
        return f"{self.grade.value} {self.rule} {self.path}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Sheet:
    """Gathers findings; under a prototype every one of them is safe."""

    findings: list[Finding] = field(default_factory=list)
    prototype: bool = False

    def say(self, rule: str, path: str, reason: str) -> None:
        """Note a finding; the rule must be one of ``RULES``."""
        if rule not in RULES:
            raise KeyError(rule)
        self.findings.append(Finding("prototype-changed" if self.prototype else rule, path, reason))

    def under(self, life: ir.Lifecycle) -> Sheet:
        """The same sheet for the changes of one entry, by the stage at which clients know it."""
        return replace(self, prototype=True) if life.stage is ir.Stage.PROTOTYPE else self


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each finding once, the worst first, then by rule and path."""
    grades = list(Grade)
    return tuple(sorted(set(findings), key=lambda f: (grades.index(f.grade), f)))
