"""A command line becomes one call, and its answer is printed."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from libvdsm.cli import options
from libvdsm.cli.description import Description
from libvdsm.cli.failures import Exit
from tests.unit.cli.support import DB, TASK, WEB, FakeSession, Shell, refused, task

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("line", "method", "params"),
    (
        ("vm create --name web --memory 2GiB", "VM.create", {"name": "web", "config": {"memory": 2**31}}),
        ("vm create --name w --config.memory 64MiB --vcpus 2", "VM.create", {"name": "w", "config": {"memory": 2**26, "vcpus": 2}}),
        (
            "vm create --name w --memory 1GiB --cpu.mode host-passthrough --firmware.secure-boot --no-memory-balloon",
            "VM.create",
            {
                "name": "w",
                "config": {
                    "memory": 2**30,
                    "cpu": {"mode": "hostPassthrough"},
                    "firmware": {"secureBoot": True},
                    "memoryBalloon": False,
                },
            },
        ),
        (
            "vm create --name w --memory 1GiB --disk source.block.path=/dev/a --disk device=cdrom --metadata a=b --metadata c=d",
            "VM.create",
            {
                "name": "w",
                "config": {
                    "memory": 2**30,
                    "disks": [{"source": {"kind": "block", "path": "/dev/a"}}, {"device": "cdrom"}],
                    "metadata": {"a": "b", "c": "d"},
                },
            },
        ),
        (
            'vm create --name w --config {"memory":1048576,"vcpus":2} --vcpus 4',
            "VM.create",
            {"name": "w", "config": {"memory": 2**20, "vcpus": 4}},
        ),
        (
            'vm create --name w --memory 1GiB --disks [{"bus":"scsi"}]',
            "VM.create",
            {"name": "w", "config": {"memory": 2**30, "disks": [{"bus": "scsi"}]}},
        ),
        ("vm list --state running --state paused", "VM.list", {"filter": {"states": ["running", "paused"]}}),
        (
            "vm list --filter.states running,paused --fields name,state",
            "VM.list",
            {"filter": {"states": ["running", "paused"]}, "fields": ["name", "state"]},
        ),
        ("vm list --nameContains we --limit 5", "VM.list", {"filter": {"nameContains": "we"}, "limit": 5}),
        ("vm getStats --field cpu", "VM.getStats", {"fields": ["cpu"]}),
        ("vm get-stats web db", "VM.getStats", {"vmIds": [WEB, DB]}),
        ("vm get-stats --vm-ids web,db", "VM.getStats", {"vmIds": [WEB, DB]}),
        ("vm get web", "VM.get", {"vmId": WEB}),
        (f"vm get --vm-id {WEB.upper()}", "VM.get", {"vmId": WEB}),
        (
            "vm update web --memory 1GiB --clear kernel.initrd --clear architecture",
            "VM.update",
            {"vmId": WEB, "config": {"memory": 2**30, "kernel": {"initrd": None}, "architecture": None}},
        ),
        (
            "vm shutdown web --guest-timeout 1.5m --way acpi --force",
            "VM.shutdown",
            {"vmId": WEB, "guestTimeout": 90.0, "ways": ["acpi"], "force": True},
        ),
        (f"task wait {TASK} --seconds 2m", "Task.wait", {"taskId": TASK, "seconds": 120.0}),
        ("task list --state running", "Task.list", {"filter": {"states": ["running"]}}),
        ("event read --topic vm.# --timeout 5", "Event.read", {"topics": ["vm.#"], "timeout": 5.0}),
        ("host ping", "Host.ping", {}),
        ("identity who-am-i", "Identity.whoAmI", {}),
    ),
)
def test_a_line_becomes_a_call(vdsmsh: Shell, session: FakeSession, line: str, method: str, params: dict[str, Any]) -> None:
    """Options reach the members that the schema names, in the API's units and spelling."""
    session.answers.update({"VM.shutdown": {"task": task()}, "Task.list": {"items": []}, "Task.wait": task("done")})
    ran = vdsmsh(*line.split())
    assert ran.code == Exit.DONE, ran.err
    assert session.made(method)[-1] == params


def test_every_verb_has_a_command_with_help(vdsmsh: Shell, description: Description) -> None:
    """No verb of the schema is left out, and none of its parameters."""
    from libvdsm.cli import special
    from libvdsm.cli.words import kebab

    for full_name in description.table["methods"]:
        noun, _, verb = full_name.partition(".")
        if full_name in special.WITHOUT:
            continue
        ran = vdsmsh(kebab(noun), kebab(verb), "--help")
        assert ran.code == Exit.DONE
        if (noun, verb) in special.BELOW:
            continue
        for leaf in options.leaves(description, description.verb(full_name)):
            if leaf.reference is None and not leaf.whole:
                assert f"--{leaf.shown}" in ran.out


def test_no_two_options_of_a_verb_share_a_word(description: Description) -> None:
    """Dropping the first word of a path never makes an option ambiguous."""
    for full_name in description.table["methods"]:
        words: list[str] = []
        for leaf in options.leaves(description, description.verb(full_name)):
            words += [*leaf.spellings, *leaf.plurals]
        assert len(words) == len(set(words)), full_name


def test_call_options_stand_before_or_after_the_command(vdsmsh: Shell, session: FakeSession) -> None:
    """After the command they win; they travel beside the parameters."""
    ran = vdsmsh(
        "--timeout", "9", "--flow-id", "f1", "host", "ping", "--timeout", "1m", "--expected-generation", "3", "--idempotency-key", "k"
    )
    assert ran.code == Exit.DONE
    assert session.calls == [("Host.ping", {}, {"timeout": 60.0, "flowId": "f1", "expectedGeneration": 3, "idempotencyKey": "k"})]


def test_a_parameter_keeps_its_word_before_a_call_option(vdsmsh: Shell, session: FakeSession) -> None:
    """Event.read has a timeout of its own; that of the call stands before the command."""
    assert vdsmsh("--timeout", "40", "event", "read", "--timeout", "5").code == Exit.DONE
    assert session.calls == [("Event.read", {"timeout": 5.0}, {"timeout": 40.0})]


def test_the_daemon_is_named_by_option_then_environment(vdsmsh: Shell, session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """--url wins over VDSM_URL, which wins over the system's socket."""
    vdsmsh("host", "ping")
    assert session.url == "unix:///run/libvdsm/vdsmd.sock"
    monkeypatch.setenv("VDSM_URL", "tcp://h:1")
    vdsmsh("host", "ping")
    assert session.url == "tcp://h:1"
    vdsmsh("host", "ping", "--url", "http://h:2")
    assert session.url == "http://h:2"


@pytest.mark.parametrize(
    ("line", "complaint"),
    (
        ("vm create --memory 1GiB", "Missing option '--name'"),
        ("vm create --name x", "Missing option '--memory'"),
        ("vm create --name x --memory 1GiB --kernel.initrd /i", "Missing option '--kernel.path'"),
        ("vm get", "Missing argument 'VM'"),
        ("vm create --name x --memory 2G", "Invalid value for '--memory': unknown unit 'G' in '2G'; did you mean 2GiB?"),
        ("vm create --name x --disk source.tape.path=/x", "'tape' is none of file, block"),
        ("vm create --name x --config [1]", "expected a JSON object"),
        ("vm update web --clear nothing", "'nothing' is none of"),
        ("vm conjure", "No such command 'conjure'"),
        ("vm list --colour red", "No such option"),
        ("vm list -o xml", "'xml' is not one of"),
        ("task get web", "is not an id"),
    ),
)
def test_a_wrong_line_is_refused_before_any_call(vdsmsh: Shell, session: FakeSession, line: str, complaint: str) -> None:
    """What is wrong on the command line itself is said without a connection."""
    ran = vdsmsh(*line.split())
    assert ran.code == Exit.USAGE
    assert complaint in ran.err
    assert session.calls == []


def test_parameters_from_a_file_lie_beneath_the_options(vdsmsh: Shell, session: FakeSession, tmp_path: Path) -> None:
    """Objects are merged, anything else of the file gives way."""
    file = tmp_path / "vm.json"
    file.write_text('{"name": "old", "config": {"memory": 1048576, "cpu": {"mode": "custom", "model": "x"}, "disks": [{"bus": "sata"}]}}')
    ran = vdsmsh("vm", "create", "--from", str(file), "--name", "new", "--cpu.model", "y")
    assert ran.code == Exit.DONE
    wanted = {"name": "new", "config": {"memory": 1048576, "cpu": {"mode": "custom", "model": "y"}, "disks": [{"bus": "sata"}]}}
    assert session.made("VM.create") == [wanted]


def test_parameters_from_yaml_on_standard_input(vdsmsh: Shell, session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text that is no JSON is YAML."""
    monkeypatch.setattr("sys.stdin", io.StringIO("name: web\nconfig:\n  memory: 1048576\n"))
    assert vdsmsh("vm", "create", "--from", "-").code == Exit.DONE
    assert session.made("VM.create") == [{"name": "web", "config": {"memory": 1048576}}]


@pytest.mark.parametrize(("text", "complaint"), (("{", "not valid JSON"), ("[1]", "does not hold an object"), ("a: [", "not valid YAML")))
def test_a_wrong_file_is_refused(vdsmsh: Shell, tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "vm"
    file.write_text(text)
    ran = vdsmsh("vm", "create", "--from", str(file))
    assert (ran.code, complaint in ran.err) == (Exit.USAGE, True)


def test_a_missing_file_is_named(vdsmsh: Shell, tmp_path: Path) -> None:
    ran = vdsmsh("vm", "create", "--from", str(tmp_path / "gone"))
    assert ran.code == Exit.USAGE
    assert "gone" in ran.err
    assert "remedy:" in ran.err


def test_names_are_resolved_and_ambiguity_is_refused(vdsmsh: Shell, session: FakeSession) -> None:
    """A name that fits two machines starts neither, and both are shown."""
    ran = vdsmsh("vm", "start", "twin")
    assert ran.code == Exit.AMBIGUOUS
    assert "2 VMs have the name twin" in ran.err
    assert "aaaaaaaa-0000-4000-8000-000000000001  stopped" in ran.err
    assert "aaaaaaaa-0000-4000-8000-000000000002  running" in ran.err
    assert session.made("VM.start") == []


def test_an_unknown_name_is_not_found(vdsmsh: Shell) -> None:
    ran = vdsmsh("vm", "start", "nobody")
    assert ran.code == Exit.NOT_FOUND
    assert "there is no VM with the name nobody" in ran.err


def test_a_list_is_read_to_its_end(vdsmsh: Shell, session: FakeSession) -> None:
    """Without --limit and --after all pages are one answer."""
    session.answers["VM.list"] = [{"items": [{"id": "1"}], "next": "c1"}, {"items": [{"id": "2"}], "next": "c2"}, {"items": [{"id": "3"}]}]
    ran = vdsmsh("vm", "list", "-o", "json")
    assert [item["id"] for item in json.loads(ran.out)["items"]] == ["1", "2", "3"]
    assert [params.get("after") for params in session.made("VM.list")] == [None, "c1", "c2"]


def test_a_page_tells_how_to_go_on(vdsmsh: Shell, session: FakeSession) -> None:
    """A page that was asked for stays one, and names the cursor."""
    session.answers["VM.list"] = [{"items": [{"id": "1"}], "next": "c1"}]
    ran = vdsmsh("vm", "list", "--limit", "1", "-o", "ndjson")
    assert ran.out == '{"id":"1"}\n'
    assert "--after c1" in ran.err


def test_an_error_names_the_option_and_the_remedy(vdsmsh: Shell, session: FakeSession) -> None:
    """Message, place, remedy and the error's id, each on its line."""
    session.answers["VM.create"] = refused("InvalidParams", code=-32602, message="too small", path="$.config.memory", remedy="Give more.")
    ran = vdsmsh("vm", "create", "--name", "x", "--memory", "1MiB")
    assert ran.code == Exit.USAGE
    assert ran.err.splitlines() == [
        "Error: too small",
        "  where:  --memory (config.memory)",
        "  remedy: Give more.",
        "  error:  InvalidParams (-32602)",
    ]


def test_an_operation_prints_its_task_and_how_to_follow_it(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["VM.start"] = {"task": task()}
    ran = vdsmsh("vm", "start", "web", "-o", "json")
    assert ran.code == Exit.DONE
    assert json.loads(ran.out)["task"]["id"] == TASK
    assert f"vdsmsh task wait {TASK}" in ran.err


def test_waiting_ends_as_the_task_ends(vdsmsh: Shell, session: FakeSession) -> None:
    """With --wait the progress is told on the error stream, and a failed task is a failed command."""
    error = {"code": 8, "message": "no disk", "data": {"error": "HypervisorError", "fault": "host", "remedy": "Look."}}
    session.answers["VM.start"] = {"task": task()}
    session.answers["Task.wait"] = [task(value=40), task(value=40), task("failed", 40, error=error)]
    ran = vdsmsh("vm", "start", "web", "--wait", "-o", "json")
    assert ran.code == Exit.HOST
    assert ran.err.splitlines() == [
        "VM.start running 0 %",
        "VM.start running 40 %",
        "VM.start failed 40 %",
        "Error: no disk",
        "  remedy: Look.",
        "  error:  HypervisorError (8)",
    ]
    assert json.loads(ran.out)["task"]["state"] == "failed"


def test_waiting_shows_the_result(vdsmsh: Shell, session: FakeSession) -> None:
    session.answers["VM.shutdown"] = {"task": task("done", 100, result={"way": "acpi"})}
    ran = vdsmsh("vm", "shutdown", "web", "--wait", "-o", "table")
    assert ran.code == Exit.DONE
    assert ran.out.split() == ["way", "acpi"]


@pytest.mark.parametrize(("state", "code"), (("done", Exit.DONE), ("running", Exit.STILL_RUNNING), ("unknown", Exit.OUTCOME_UNKNOWN)))
def test_waiting_for_a_task_tells_how_it_ended(vdsmsh: Shell, session: FakeSession, state: str, code: Exit) -> None:
    """The task is printed, and the exit code is its outcome."""
    session.answers["Task.wait"] = task(state)
    ran = vdsmsh("task", "wait", TASK, "-o", "json")
    assert (ran.code, json.loads(ran.out)["state"]) == (code, state)


def test_a_screenshot_goes_to_a_file(vdsmsh: Shell, session: FakeSession, tmp_path: Path) -> None:
    """The image itself is written, not its base64."""
    session.answers["VM.screenshot"] = {"contentType": "image/png", "data": base64.b64encode(b"\x89PNG").decode()}
    file = tmp_path / "out.png"
    assert vdsmsh("vm", "screenshot", "web", "-f", str(file)).code == Exit.DONE
    assert file.read_bytes() == b"\x89PNG"
    ran = vdsmsh("vm", "screenshot", "web", "-o", "json")
    assert json.loads(ran.out)["contentType"] == "image/png"
    ran = vdsmsh("vm", "screenshot", "web", "-f", str(tmp_path / "no" / "where"))
    assert (ran.code, "cannot write" in ran.err) == (Exit.USAGE, True)


def test_a_raw_call_is_passed_as_it_is(vdsmsh: Shell, session: FakeSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Any method, even one that this shell does not know; parameters from the line, a file or standard input."""
    session.answers["Later.verb"] = {"a": 1}
    ran = vdsmsh("call", "Later.verb", '{"x": [1]}')
    assert (ran.code, json.loads(ran.out)) == (Exit.DONE, {"a": 1})
    (tmp_path / "p").write_text('{"x": 2}')
    vdsmsh("call", "Later.verb", f"@{tmp_path / 'p'}")
    monkeypatch.setattr("sys.stdin", io.StringIO('{"x": 3}'))
    vdsmsh("call", "Later.verb", "-")
    assert session.made("Later.verb") == [{"x": [1]}, {"x": 2}, {"x": 3}]
    assert vdsmsh("call", "Host.ping", "[]").code == Exit.USAGE
    assert vdsmsh("call", "Host.ping", "{").code == Exit.USAGE


def test_the_help_tells_the_exit_codes(vdsmsh: Shell) -> None:
    ran = vdsmsh("--help")
    assert ran.code == Exit.DONE
    for code in Exit:
        assert f"{code.value:>3}  {code.summary}" in ran.out


def test_help_loads_little() -> None:
    """The program starts fast because tables, the client and YAML are loaded when they are needed."""
    script = """
import sys
from libvdsm.cli.shell import run
run(["--help"])
run(["vm", "create", "--help"])
slow = {"rich", "yaml", "asyncio", "socket", "msgspec", "libvdsm.client"}
sys.exit(", ".join(sorted(slow & set(sys.modules))) or 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_asked_is_help_and_a_wrong_use(vdsmsh: Shell) -> None:
    """vdsmsh alone, and a noun alone, show what there is."""
    for line in ((), ("vm",)):
        ran = vdsmsh(*line)
        assert ran.code == Exit.USAGE
        assert "Usage: vdsmsh" in ran.out + ran.err
