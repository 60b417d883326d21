"""The program ``vdsm-schema``: check the schema, look things up, write what is generated from it.

Exit codes: 0 all is well; 1 the schema is wrong, breaks clients, or files are not what they should
be; 2 the command line is wrong, or names something that does not exist.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from libvdsm.codegen import gate, output
from libvdsm.schema import NATIVE, check, compiled, ir, lock, show
from libvdsm.schema.complaint import SchemaError

OK: Final = 0
WRONG: Final = 1
USAGE: Final = 2
_COMPILED: Final = "src/libvdsm/schema/compiled/native.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the result is its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except SchemaError as error:
        for complaint in error.complaints:
            print(complaint, file=sys.stderr)
        count = len(error.complaints)
        print(f"{count} complaint{'' if count == 1 else 's'}", file=sys.stderr)
        return WRONG
    except (lock.LockError, compiled.CompiledError) as error:
        print(error, file=sys.stderr)
        return WRONG
    return code


def emitted(api: ir.Api, target: str) -> Mapping[str, str]:
    """What one emitter makes: path below the project root -> text."""
    from libvdsm.codegen.emitters import EMITTERS

    return EMITTERS[target](api)


def targets() -> tuple[str, ...]:
    """The names of all emitters."""
    from libvdsm.codegen.emitters import EMITTERS

    return tuple(sorted(EMITTERS))


def _lint(options: argparse.Namespace) -> int:
    if options.rules:
        for name, reason in check.RULES.items():
            print(f"{name}: {reason}")
        return OK
    api = check.checked(options.directory)
    print(f"{len(api.methods)} methods, {len(api.types)} types, {len(api.errors)} errors: no complaints")
    return OK


def _show(options: argparse.Namespace) -> int:
    api = _api(options)
    found = show.show(api, options.name)
    if found:
        print(found)
        return OK
    near = show.similar(api, options.name)
    hint = f"; is it {' or '.join(near)}?" if near else ""
    print(f"there is no {options.name} in the schema{hint}", file=sys.stderr)
    return USAGE


def _emit(options: argparse.Namespace) -> int:
    known = targets()
    if options.target not in known:
        print(f"there is no emitter {options.target}; there are {', '.join(known)}", file=sys.stderr)
        return USAGE
    files = emitted(_api(options), options.target)
    if options.check:
        return _report(output.drifted(options.output or output.project_root(), files))
    if len(files) == 1 and options.output is None:
        sys.stdout.write(next(iter(files.values())))
        return OK
    return _write(options.output or output.project_root(), files)


def _compile(options: argparse.Namespace) -> int:
    files = {_COMPILED: compiled.encode(check.checked(options.directory))}
    if options.check:
        return _report(output.drifted(output.project_root(), files))
    return _write(output.project_root(), files)


def _generate(options: argparse.Namespace) -> int:
    api = check.checked(NATIVE)
    files = {_COMPILED: compiled.encode(api)}
    for target in targets():
        files |= emitted(api, target)
    root = output.project_root()
    if options.check:
        return _report([*output.drifted(root, files), *output.stale(root, files)])
    code = _write(root, files)
    for name in output.stale(root, files):
        (root / name).unlink()
        print(f"removed {name}")
    return code


def _lock(options: argparse.Namespace) -> int:
    path = options.directory.parent / lock.FILE_NAME
    old = lock.read(path)
    new = lock.update(old, check.checked(options.directory, with_lock=False))
    if options.update:
        written = output.write(path.parent, {path.name: lock.encode(new)})
        print(f"{path.name}: {len(new.entries) - len(old.entries)} new entries" if written else f"{path.name}: nothing new")
        return OK
    check.checked(options.directory)
    print(f"{path.name}: up to date")
    return OK


def _diff(options: argparse.Namespace) -> int:
    old = options.old or gate.last_release()
    if old is None:
        print("there is no release yet to compare with")
        return OK
    excuses = gate.waivers(options.waivers or output.project_root() / gate.WAIVERS)
    verdict = gate.judge(gate.read(old), gate.read(options.new), excuses)
    for line in verdict.lines or [f"nothing changed for clients from {old} to {options.new}"]:
        print(line)
    for waiver in verdict.idle:
        print(f"{waiver.file}: excuses nothing and may go", file=sys.stderr)
    return WRONG if verdict.is_refused else OK


def _api(options: argparse.Namespace) -> ir.Api:
    """The description from its source, or from the compiled form where the source is not installed."""
    if options.directory == NATIVE and not NATIVE.exists():
        return compiled.load()
    return check.checked(options.directory)


def _write(root: Path, files: Mapping[str, str]) -> int:
    for name in output.write(root, files):
        print(f"wrote {name}")
    return OK


def _report(drifted: Sequence[str]) -> int:
    for name in drifted:
        print(f"{name} is not what the schema gives; run vdsm-schema generate", file=sys.stderr)
    return WRONG if drifted else OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vdsm-schema",
        description="Check the schema, look things up in it, and write what is generated from it.",
        epilog="Exit codes: 0 all is well; 1 the schema or a generated file is wrong, or clients would break; 2 the command line is wrong.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    lint = _command(commands, "lint", "say everything that is wrong with the schema", _lint)
    lint.add_argument(
        "directory",
        nargs="?",
        type=_directory,
        default=NATIVE,
        metavar="DIR",
        help="a directory of YAML files (default: the native profile)",
    )
    lint.add_argument("--rules", action="store_true", help="list the rules and their reasons instead")
    shown = _command(commands, "show", "describe a method, type, error, permission, role or interface", _show)
    shown.add_argument("name", metavar="NAME", help="such as VM.create, VmConfig, VmConfig.memory, WrongState or vm.read")
    emit = _command(commands, "emit", "print or write what one emitter makes", _emit)
    emit.add_argument("target", metavar="TARGET", help="such as openrpc, asyncapi, jsonschema, docs or python")
    emit.add_argument(
        "--output", type=Path, metavar="DIR", help="write below this directory; by default one file is printed, several are written"
    )
    _checkable(_command(commands, "compile", "write the compiled form that the wheel carries", _compile))
    _checkable(_command(commands, "generate", "write everything that is generated, where it differs", _generate))
    _checkable(emit)
    pinned = _command(commands, "lock", "compare api.lock with the schema", _lock)
    pinned.add_argument("--update", action="store_true", help="add what is new")
    _compared(_command(commands, "diff", "say what changed between two descriptions, and whether it may be released", _diff))
    return parser


def _compared(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Fails on a change of class B (breaks clients), and of class D (doubtful) without a waiver; S is safe."
    parser.add_argument(
        "old", nargs="?", type=_profile, metavar="OLD", help="what clients know: a directory or compiled JSON (default: the last release)"
    )
    parser.add_argument(
        "new",
        nargs="?",
        type=_profile,
        default=NATIVE if NATIVE.exists() else compiled.NATIVE,
        metavar="NEW",
        help="what they will meet (default: the native profile)",
    )
    parser.add_argument("--waivers", type=_directory, metavar="DIR", help=f"where waivers stand, one a file (default: {gate.WAIVERS})")


def _command(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, run: object) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}.")
    parser.set_defaults(run=run, directory=NATIVE)
    return parser


def _checkable(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="write nothing; fail with the names of files that differ")


def _profile(text: str) -> Path:
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{text} is not there")
    return path


def _directory(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a directory")
    return path


if __name__ == "__main__":
    sys.exit(main())
