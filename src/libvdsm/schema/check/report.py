"""The rules of the schema language by name, and the sheet on which their breaches are noted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from libvdsm.schema.complaint import Complaint, SchemaError
from libvdsm.schema.ir import Position

#: Every rule with the reason why it exists. A complaint's last word is the name of its rule.
RULES: Final[Mapping[str, str]] = {
    # The text and its definitions: see source, loader
    "yaml-encoding": "Files are UTF-8.",
    "yaml-syntax": "Files are YAML.",
    "yaml-root": "A file is one mapping of sections.",
    "yaml-cycle": "A value does not hold itself.",
    "yaml-duplicate-key": "A key stands once in a mapping.",
    "yaml-key": "Keys are strings.",
    "yaml-scalar": "Scalars are as JSON has them, so that nothing is read as what it was not meant to be.",
    "no-files": "A profile has files.",
    "unknown-section": "A file has the sections that the language knows.",
    "file-name": "An interface stands in the file of its name.",
    "not-a-mapping": "A section maps names to definitions, a definition maps traits to values.",
    "type-kind": "A type says what kind of type it is.",
    "defined-twice": "A name has one definition.",
    # The shape of a definition: see check.shape
    "no-api": "A profile says its version and its words in the section api.",
    "unknown-key": "A definition has only traits that its kind knows: a misspelt trait must not be lost.",
    "missing-trait": "A definition has every trait that its kind must have (DESIGN 8).",
    "trait-type": "A trait's value is of the trait's type.",
    "trait-word": "A trait that is a word is one of the words that the language or the profile knows.",
    "summary-style": "A summary is one line that ends with a full stop.",
    "version-form": "A version is MAJOR.MINOR.",
    "type-word": "A type is a built-in type, a name, list<...> or map<...>.",
    "nested-container": "Containers hold no containers; a record in between gives the inner one a name.",
    # Life: see check.life
    "since-future": "Nothing exists since a version that is not there yet.",
    "since-owner": "A member does not exist before its owner.",
    "lifecycle-missing": "A deprecated entry says since when, what replaces it and when it may go; a removed one when it went.",
    "lifecycle-extra": "An entry has only the versions of the stages that it has reached.",
    "lifecycle-order": "since, deprecated, sunset and removed follow each other.",
    "replacement-unknown": "What replaces an entry exists.",
    "uses-removed": "Nothing that lives is made of what was removed.",
    "published-uses-prototype": "What is published is not made of what may still change.",
    # Names: see check.names
    "name-style": "Members and verbs are lowerCamel; types, errors and interfaces are Pascal; permissions are dotted words.",
    "name-clash": "Two names of one owner differ in more than case and separators.",
    "reserved-name": "A name does not clash with a word of a client's language, or says another for it in names.",
    "override-target": "names speaks of languages that are generated.",
    "override-style": "A name in names is an identifier that is free in that language.",
    # Types: see check.types
    "unknown-type": "A type that is named exists.",
    "unused-type": "A type is used by a verb, an event or an error, or says its direction.",
    "empty-type": "An enum and a union have members.",
    "patch-of": "A patch is of a writable record.",
    "patch-direction": "A patch is sent by clients only.",
    "view-of": "A view is of a record.",
    "view-key": "A view's key is a required member of its record.",
    "view-direction": "A view is answered only.",
    "union-branch": "A branch of a union is a record.",
    "union-shared": "A record is a branch of one union once.",
    "union-discriminator": "A branch's record lacks the member that is the discriminator.",
    "change-missing": "Each member of a writable record says when its change takes effect.",
    "change-extra": "Only members of writable records say when a change takes effect.",
    "writable-part": "A writable record is made of writable records.",
    "unit-missing": "Each integer, number and decimal has a unit.",
    "unit-extra": "Only integers, numbers and decimals have a unit.",
    "secret-direction": "A secret is never answered.",
    "ticket-direction": "A ticket is never sent by a client.",
    "endless-type": "A record does not need itself.",
    # Values: see check.values
    "optional-and-default": "A member with a default is optional by that.",
    "optional-direction": "optional and default say something that the direction of the type allows.",
    "constraint-kind": "A constraint fits the type of its member.",
    "constraint-bounds": "A lower bound is not above the upper one; lengths and counts are not negative.",
    "integer-range": "Integers keep within ±(2^53-1), where every JSON reader keeps them exactly.",
    "pattern-syntax": "A pattern is a regular expression.",
    "pattern-anchor": "A pattern is matched against the whole string and has no anchors or groups with names.",
    "default-misfit": "A default fits the type and constraints of its member.",
    # Verbs and events: see check.verbs
    "object-param": "A verb about an object has that object's id as its first and required parameter (DESIGN 2).",
    "param-order": "Required parameters stand before optional ones.",
    "unknown-result": "A verb's result is a record.",
    "unknown-error": "The errors that a verb declares exist.",
    "unknown-permission": "The permission that an entry names exists.",
    "query-writes": "A query needs no permission to change things, is idempotent, and has no probe.",
    "unguarded-change": "A verb that changes things needs a permission.",
    "missing-probe": "A verb that changes things says how recovery sees whether it was done.",
    "progress-unit": "An operation, and nothing else, says the unit of its progress.",
    "task-answer": "Operations are answered by the record TaskAccepted.",
    "timeout-range": "A timeout is above 0 and at most a day.",
    "unknown-state": "The states in which a verb works, or has nothing left to do, are states of its object.",
    "paged-shape": "A paged verb takes limit and after and answers items and next; a list that pages says so.",
    "requires-form": "A host capability is dotted lower-case words.",
    "example-params": "An example's parameters are valid.",
    "example-result": "An example's result is valid.",
    "event-document": "An event tells of the states of an object: its document is a record with object.",
    "event-topic": "An event's topic begins with the type of its object.",
    "event-twice": "An object type has one event.",
    # Errors, permissions, roles: see check.errors
    "error-number": "An error's number is its own: positive, or JSON-RPC's.",
    "error-param": "An error's parameters are required scalars.",
    "template-syntax": "Message and remedy are templates.",
    "template-param": "Message and remedy name only parameters of their error.",
    "implicit-error": "The errors that any verb may answer are defined.",
    "unused-error": "An error is declared by a verb, or belongs to the protocol.",
    "unused-permission": "A permission is needed by something and is part of a role.",
    # What is pinned: see check.pinned
    "lock-stale": "What is in the schema is in api.lock.",
    "lock-missing": "What is in api.lock is in the schema, or marked there as removed.",
    "lock-reused": "A removed name is never given away again.",
    "lock-since": "since is pinned.",
    "lock-number": "The number of an error is pinned.",
    "lock-order": "The order of parameters is pinned; new ones go to the end.",
}


@dataclass(frozen=True, slots=True)
class Report:
    """Gathers complaints."""

    complaints: list[Complaint] = field(default_factory=list)

    def say(self, rule: str, position: Position, definition: str, message: str) -> None:
        """Note a breach of a rule, which must be one of ``RULES``."""
        if rule not in RULES:
            raise KeyError(rule)
        self.complaints.append(Complaint(position, definition, message, rule))

    def settle(self) -> None:
        """Raise SchemaError if anything was noted."""
        if self.complaints:
            raise SchemaError(self.complaints)
