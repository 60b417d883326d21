"""A verb's parameters as options and arguments, and back.

Every value that a verb takes is a *leaf*: a path into its parameters. Its option is that path in the
shell's spelling, without the first word where the parameter is a structure (``--memory`` for
``config.memory``); the full path works too. Lists are repeated options named for one entry; the list's
own name takes all of it (``--field name --field state`` or ``--fields name,state``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import click

from libvdsm.cli import quantities, secret_options, times, values
from libvdsm.cli.description import NO_DEFAULT, Enum, Member, Record, TypeUse, Union
from libvdsm.cli.words import identifier, kebab, singular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from click.shell_completion import CompletionItem

    from libvdsm.cli.description import Description, Verb

    #: Offers the names of objects of a type that begin with some text.
    Namer = Callable[[click.Context, str, str], list[CompletionItem]]

_METAVARS: Final = {
    "integer": "INTEGER",
    "number": "NUMBER",
    "uuid": "ID",
    "timestamp": "TIME",
    "json": "JSON",
    "decimal": "INTEGER",
    "base64": "BASE64",
    "secret": "SECRET",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One value of a verb's parameters that an option sets."""

    path: tuple[str, ...]  # into the parameters
    member: Member
    words: tuple[str, ...]  # the same in the shell's spelling, with the branches of unions
    flat: bool  # whether the first word is dropped
    tags: tuple[tuple[tuple[str, ...], str], ...] = ()  # discriminators that come with it
    reference: str | None = None  # the object type whose names it takes
    whole: bool = False  # a structure as one JSON object; not shown in the help

    @property
    def within(self) -> str:
        """The words of the structure around it, without dashes; empty for a member of the verb or of a flattened parameter."""
        return ".".join(self.words[1:-1] if self.flat else self.words[:-1])

    @property
    def key(self) -> str:
        """The name of the option's value in click's context."""
        return identifier(*self.words) + ("__whole" if self.whole else "")

    @property
    def shown(self) -> str:
        """The word of the option in the help and in errors, without dashes."""
        return self._spell(self.words[1:] if self.flat else self.words)

    @property
    def spellings(self) -> tuple[str, ...]:
        """All words that name it, the shown one first."""
        return tuple(dict.fromkeys((self.shown, self._spell(self.words))))

    @property
    def plurals(self) -> tuple[str, ...]:
        """The words that take the whole list, where they differ from those that take one entry."""
        if self.member.type.container != "list":
            return ()
        words = (".".join(self.words[1:] if self.flat else self.words), ".".join(self.words))
        return tuple(word for word in dict.fromkeys(words) if word not in self.spellings)

    def _spell(self, words: tuple[str, ...]) -> str:
        if self.member.type.container == "list":
            words = (*words[:-1], singular(words[-1]))
        return ".".join(words)


def leaves(description: Description, verb: Verb) -> tuple[Leaf, ...]:
    """Return every leaf of a verb's parameters, the object's id included, in the schema's order."""
    found: list[Leaf] = []
    taken = {kebab(member.name) for member in verb.params}
    for member in verb.params:
        record = _record(description, member)
        if record is None:
            found.append(
                Leaf(path=(member.name,), member=member, words=(kebab(member.name),), flat=False, reference=_reference(verb, member))
            )
            continue
        flat = not any(_clashes(inner, taken) for inner in record.members)
        taken |= {kebab(inner.name) for inner in record.members} if flat else set()
        walk = _Walk(description, flat=flat, patched=record.patch)
        found.extend(walk.structure(member, record, _Place((member.name,), (kebab(member.name),))))
    return tuple(found)


def _clashes(member: Member, taken: set[str]) -> bool:
    word = kebab(member.name)
    return word in taken or (member.type.container == "list" and singular(word) in taken)


def _record(description: Description, member: Member) -> Record | None:
    if member.type.container or member.type.is_scalar:
        return None
    kind = description.type(member.type.name)
    return kind if isinstance(kind, Record) else None


def _reference(verb: Verb, member: Member) -> str | None:
    """Name the object type whose names the parameter takes: that of the verb's object, or of a list of such ids."""
    if member.name == verb.object_param:
        return verb.object_type
    if member.type == TypeUse("uuid", "list") and member.name.endswith("Ids"):
        return member.name.removesuffix("Ids")
    return None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a walk through the parameters is."""

    path: tuple[str, ...]
    words: tuple[str, ...]
    tags: tuple[tuple[tuple[str, ...], str], ...] = ()
    seen: tuple[str, ...] = ()  # the types around it; one that is there again ends the walk

    def below(self, name: str) -> _Place:
        """Return the place of a member."""
        return replace(self, path=(*self.path, name), words=(*self.words, kebab(name)))

    def inside(self, type_name: str) -> _Place:
        """Return the same place, inside of a type."""
        return replace(self, seen=(*self.seen, type_name))

    def branch(self, discriminator: str, tag: str) -> _Place:
        """Return the place of a union's branch: a word of its own, and a tag."""
        return replace(self, words=(*self.words, kebab(tag)), tags=(*self.tags, ((*self.path, discriminator), tag)))


class _Walk:
    """Finds the leaves of one structured parameter."""

    def __init__(self, description: Description, *, flat: bool, patched: bool) -> None:
        self._description = description
        self._flat = flat
        self._patched = patched  # absent members change nothing, so none has a default and none is required

    def structure(self, member: Member, kind: Record | Union, place: _Place) -> Iterator[Leaf]:
        """Yield the leaves of a record or union, first the one that takes all of it as JSON."""
        bare = Member(name=member.name, type=TypeUse("json"), summary=member.summary, optional=True)
        yield Leaf(path=place.path, member=bare, words=place.words, flat=self._flat and len(place.path) > 1, tags=place.tags, whole=True)
        place = place.inside(kind.name)
        if isinstance(kind, Record):
            for inner in kind.members:
                yield from self._member(inner, place.below(inner.name))
            return
        for tag, record in kind.branches.items():
            branch = place.branch(kind.discriminator, tag)
            for inner in self._description.record(record).members:
                yield from self._member(inner, branch.below(inner.name))

    def _member(self, member: Member, place: _Place) -> Iterator[Leaf]:
        if self._patched:
            member = replace(member, default=NO_DEFAULT, optional=True)
        if not member.type.container and not member.type.is_scalar:
            kind = self._description.type(member.type.name)
            if not isinstance(kind, Enum) and kind.name not in place.seen:
                yield from self.structure(member, kind, place)
                return
        yield Leaf(path=place.path, member=member, words=place.words, flat=self._flat, tags=place.tags)


class Word(click.ParamType[Any]):
    """A value of a leaf as one word; completes enums, names and the keys of structures."""

    name = "value"

    def __init__(self, description: Description, leaf: Leaf, namer: Namer | None) -> None:
        """Read words for ``leaf``; ``namer`` completes names of objects."""
        self.description = description
        self.leaf = leaf
        self.namer = namer

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's signature
        """Read a word by the leaf's type."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def _read(self, text: str) -> object:
        member = self.leaf.member
        if self.leaf.reference == "vm" or (self.leaf.reference and member.type.container):
            return text  # a name, or an id: resolved when there is a connection
        if member.type.container == "map":
            return values.entry(self.description, member, text)
        if member.type.container == "list" and text.lstrip().startswith("[") and not member.type.is_scalar:
            return Several(values.listing(self.description, member, text))
        if self.leaf.whole:
            found = values.read_json(text)
            if not isinstance(found, dict):
                raise ValueError("expected a JSON object")
            return found
        return values.scalar(self.description, member, text)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """Offer what the word may be."""
        from click.shell_completion import CompletionItem

        if self.leaf.reference is not None:
            return self.namer(ctx, self.leaf.reference, incomplete) if self.namer is not None else []
        words = completions(self.description, self.leaf.member, incomplete)
        return [CompletionItem(word, help=summary) for word, summary in words if word.startswith(incomplete)]


class Several(list[object]):
    """A whole list that was given as one word of a repeated option."""


class AllOf(click.ParamType[Any]):
    """A whole list as one word."""

    name = "list"

    def __init__(self, description: Description, leaf: Leaf) -> None:
        """Read lists for ``leaf``."""
        self.description = description
        self.leaf = leaf

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's signature
        """Read the list."""
        if not isinstance(value, str):
            return value
        try:
            if self.leaf.reference is not None and not value.startswith("["):
                return value.split(",")
            return values.listing(self.description, self.leaf.member, value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def completions(description: Description, member: Member, incomplete: str) -> list[tuple[str, str]]:
    """Return words that the value of ``member`` may be, with what they mean."""
    if member.type.name == "boolean":
        return [("true", ""), ("false", "")]
    if member.type.is_scalar:
        return []
    kind = description.type(member.type.name)
    if isinstance(kind, Enum):
        return [(kebab(value), summary) for value, summary in kind.values.items()]
    return _structure_completions(description, kind.name, incomplete)


def _structure_completions(description: Description, name: str, incomplete: str) -> list[tuple[str, str]]:
    done, comma, last = incomplete.rpartition(",")
    before = done + comma
    key, equals, _ = last.partition("=")
    known = dict(values.keys_of(description, name))
    if not equals:
        used = {part.partition("=")[0] for part in done.split(",")}
        return [(f"{before}{word}=", member.summary) for word, member in known.items() if word not in used]
    found = known.get(key)
    if found is None:
        return []
    if not found.type.is_scalar and isinstance(kind := description.type(found.type.name), Union):
        return [(f"{before}{key}={kebab(tag)}", "") for tag in kind.branches]
    return [(f"{before}{key}={word}", summary) for word, summary in completions(description, found, "")]


class SchemaOption(click.Option):
    """An option of a leaf: all its spellings work, one is shown."""

    section = "Options"

    def get_error_hint(self, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's signature
        """Return the shown spelling, as errors name it."""
        return f"'{next(opt for opt in self.opts if opt.startswith('--'))}'"

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the shown spelling and the help text."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        first = [opt for opt in self.opts if not opt.startswith("--") or opt == next(o for o in self.opts if o.startswith("--"))]
        shown = ", ".join(sorted(first, key=len))
        if self.is_flag:
            return shown + (f" / {self.secondary_opts[0]}" if self.secondary_opts else ""), record[1]
        return f"{shown} {self.make_metavar(ctx)}", record[1]


def build(description: Description, leaf: Leaf, namer: Namer | None) -> list[click.Option]:
    """Return the options of a leaf: one, and for lists a hidden one for the whole list."""
    if leaf.member.type == TypeUse("boolean"):
        return [_flag(leaf)]
    if secret_options.is_secret(leaf.member) and not leaf.member.type.container:
        return _secret(leaf)
    option = SchemaOption(
        [leaf.key, *(f"--{word}" for word in leaf.spellings)],
        type=Word(description, leaf, namer),
        multiple=bool(leaf.member.type.container),
        metavar=metavar(description, leaf),
        help=help_text(description, leaf),
        hidden=leaf.whole,
        default=None,
    )
    return [option, *_plural(description, leaf)]


def _plural(description: Description, leaf: Leaf) -> list[click.Option]:
    if not leaf.plurals:
        return []
    words = (f"--{word}" for word in leaf.plurals)
    return [SchemaOption([leaf.key + "__all", *words], type=AllOf(description, leaf), hidden=True, default=None)]


def _secret(leaf: Leaf) -> list[click.Option]:
    """A secret comes from a file; the option of its own name says so."""
    text = f"{_sentence(leaf.member)} In a file, - for standard input; it is asked for if absent."
    words = (f"--{word}-file" for word in leaf.spellings)
    taken = SchemaOption([leaf.key, *words], type=secret_options.SecretFile(), metavar="FILE", help=text, default=None)
    refused = (f"--{word}" for word in leaf.spellings)
    kind = secret_options.Refused(leaf.shown)
    return [taken, SchemaOption([leaf.key + "__refused", *refused], type=kind, hidden=True, default=None, expose_value=False)]


def _flag(leaf: Leaf) -> click.Option:
    spelled = [f"--{word}/--no-{word}" for word in leaf.spellings]
    return SchemaOption([leaf.key, *spelled], default=None, help=_sentence(leaf.member) + _default(leaf.member))


def metavar(description: Description, leaf: Leaf) -> str:
    """Return the word that stands for a leaf's value in the help."""
    member = leaf.member
    if leaf.whole:
        return "JSON"
    if member.type.container == "map":
        return "KEY=VALUE"
    if leaf.reference is not None:
        return leaf.reference.upper()
    if member.type.is_scalar:
        if member.unit in ("bytes", "seconds"):
            return "SIZE" if member.unit == "bytes" else "SECONDS"
        return _METAVARS.get(member.type.name, "TEXT")
    kind = description.type(member.type.name)
    if isinstance(kind, Enum):
        return "[" + "|".join(kebab(value) for value in kind.values) + "]"
    return "KEY=VALUE,..."


def help_text(description: Description, leaf: Leaf) -> str:
    """Return the help of a leaf: the schema's summary, how to write it, its default."""
    member = leaf.member
    text = _sentence(member)
    if member.type.container:
        text += " May be repeated."
    if member.type.name == "timestamp":
        text += f" {times.HINT[0].upper()}{times.HINT[1:]}."
    if member.unit in quantities.HINTS:
        hint = quantities.HINTS[member.unit]
        text += f" {hint[0].upper()}{hint[1:]}."
    if not values.is_plain(description, member.type):
        keys = ", ".join(key for key, _ in values.keys_of(description, member.type.name))
        text += f" Keys: {keys}."
    if leaf.within and not member.optional:
        return text + f"  [required with other --{leaf.within}.* options]"
    return text + _default(member)


def _sentence(member: Member) -> str:
    summary = member.summary.strip()
    return summary if summary.endswith((".", "?", "!")) else summary + "."


def _default(member: Member) -> str:
    if member.default is NO_DEFAULT or member.default in ({}, []):
        return "" if member.optional or member.default is not NO_DEFAULT else "  [required]"
    default = member.default
    if isinstance(default, list):
        return f"  [default: {', '.join(map(str, default))}]"
    if isinstance(default, bool):
        return f"  [default: {str(default).lower()}]"
    return f"  [default: {kebab(default) if isinstance(default, str) and not member.type.is_scalar else default}]"


def assemble(found: tuple[Leaf, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """Build the parameters that the options ask for; members without an option are absent."""
    params: dict[str, Any] = {}
    for leaf in sorted(found, key=lambda leaf: (not leaf.whole, len(leaf.path))):
        value = _given(leaf, given)
        if value is None:
            continue
        for path, tag in leaf.tags:
            put(params, path, tag)
        if leaf.whole and isinstance(value, dict):
            value = merge(_get(params, leaf.path) or {}, value)
        put(params, leaf.path, value)
    return params


def _given(leaf: Leaf, given: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    value = given.get(leaf.key)
    if not leaf.member.type.container:
        return value
    if leaf.member.type.container == "map":
        return dict(value) if value else None
    whole = given.get(leaf.key + "__all")
    entries: list[object] = list(whole or ())
    for entry in value or ():
        if isinstance(entry, Several):
            entries.extend(entry)
        else:
            entries.append(entry)
    return entries if entries or whole is not None else None


def put(target: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    """Set the member at ``path``, making the objects on the way; the member of the path's end is replaced."""
    for name in path[:-1]:
        below = target.get(name)
        if not isinstance(below, dict):
            below = target[name] = {}
        target = below
    target[path[-1]] = value


def _get(target: Mapping[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401 - any JSON value
    found: Any = target
    for name in path:
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found


def merge(beneath: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay ``above`` over ``beneath``: objects are merged, anything else is replaced."""
    merged = dict(beneath)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def missing(
    description: Description, members: tuple[Member, ...], params: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Yield the paths of required members that are absent; those of absent required structures are looked into."""
    for member in members:
        value = params.get(member.name)
        record = _record(description, member)
        here = (*path, member.name)
        if record is not None and not record.patch and (isinstance(value, dict) or (value is None and not member.optional)):
            yield from missing(description, record.members, value or {}, here)
        elif value is None and not member.optional:
            yield here
