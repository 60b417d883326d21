"""The shell as a person uses it: in a real terminal, against a running daemon."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.integration.cli.conftest import BIN, Host, ended

pytestmark = pytest.mark.terminal

_UUID = "[0-9a-f-]{36}"


def create(host: Host, name: str, **behaviour: str) -> str:
    """Create a machine whose guest boots at once, or behaves as the simulator is asked; return its id."""
    asked = {"boot_seconds": "0", **behaviour}
    metadata = [word for key, value in asked.items() for word in ("--metadata", f"simulator.{key}={value}")]
    return str(host.json("vm", "create", "--name", name, "--memory", "64MiB", "--serial", "{}", *metadata)["vmId"])


def test_a_whole_life(host: Host) -> None:
    """Create, list, start with a bar, look, shut down, delete: each in a terminal, each ending well."""
    code, text = ended(
        host.terminal("vm", "create", "--name", "life", "--memory", "256MiB", "--vcpus", "2", "--nic", "source=user", "--serial", "{}")
    )
    assert code == 0
    assert re.search(rf"vmId +{_UUID}", text)

    code, text = ended(host.terminal("vm", "list"))
    assert code == 0
    assert re.search(rf"NAME +STATE +VCPUS +MEMORY.*life +stopped +2 +256 MiB +.*{_UUID}", text, re.DOTALL)

    code, text = ended(host.terminal("vm", "start", "life", "--wait"))
    assert code == 0, text
    assert "VM.start done" in text
    assert "━" in text
    assert "100 %" in text
    assert host.json("vm", "get", "life")["state"] == "running"

    code, text = ended(host.terminal("vm", "get-stats", "life"))
    assert code == 0
    assert re.search(rf"VM +STATE.*{_UUID} +(running|stopped)", text, re.DOTALL)  # as of the last sample

    code, text = ended(host.terminal("vm", "delete", "life", "--force", "--wait"))
    assert code == 0, text
    assert "VM.delete done" in text
    assert "there is no VM with the name life" in host.run("vm", "get", "life", code=4)


def test_the_console(host: Host) -> None:
    """Typing reaches the guest, its answer the screen, Ctrl-] leaves, and again."""
    create(host, "typist")
    host.run("vm", "start", "typist", "--wait")
    for word in ("hi", "again"):
        child = host.terminal("vm", "console", "typist")
        child.expect_exact("Ctrl-] leaves.")
        child.send("\r")
        child.expect_exact("# ")
        child.send(f"echo {word}\r")
        child.expect(f"echo {word}\r\n{word}\r\n")
        child.send("\x1d")
        code, text = ended(child)
        assert code == 0
        assert "Left the console." in text


def test_the_console_in_a_pipe(host: Host) -> None:
    """Without a terminal, input goes in and output comes out."""
    create(host, "piper")
    host.run("vm", "start", "piper", "--wait")
    assert "# echo hi\nhi\n# " in host.run("vm", "console", "piper", "--linger", "5", stdin="echo hi\r")


def test_events_follow(host: Host) -> None:
    """A line for each change, as it comes; Ctrl-C ends it."""
    child = host.terminal("events", "--follow", "--topic", "vm.#", "--snapshot")
    child.expect(r"vm\.[0-9a-f-]{36}  added")
    identity = create(host, "watched")
    child.expect(rf"vm\.{identity}  added  .*name=watched.*\(call VM\.create\)")
    host.run("vm", "start", "watched", "--wait")
    child.expect(rf"vm\.{identity}  changed  .*state=running")
    child.sendintr()
    assert ended(child)[0] == 130


def test_events_as_lines_of_json(host: Host) -> None:
    """For programs each delivery is an object; --count ends it, over HTTP as well."""
    for url in (host.url, f"http://127.0.0.1:{host.port}"):
        with subprocess.Popen(
            [BIN / "vdsmsh", "--url", url, "events", "--follow", "--topic", "vm.#", "--count", "1"],
            env=host.environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            try:
                # Made anew until the follower, which begins at a moment of its own, has seen one.
                for number in range(100):
                    identity = create(host, f"line-{number}")
                    host.run("vm", "delete", identity, "--wait")
                    if child.poll() is not None:
                        break
                assert child.wait(60) == 0
                assert child.stdout is not None
                delivery = json.loads(child.stdout.read())
            finally:
                child.kill()
        assert delivery["event"]["object"]["type"] == "vm"


def test_a_list_is_drawn_again(host: Host) -> None:
    """--watch shows a new state without being asked."""
    child = host.terminal("vm", "list", "--watch", "--name", "redrawn")
    child.expect_exact("NAME")
    create(host, "redrawn")
    child.expect(r"redrawn[^\n]*stopped")
    host.run("vm", "start", "redrawn", "--wait")
    child.expect(r"redrawn[^\n]*running")
    child.sendintr()
    assert ended(child)[0] == 130


def test_ambiguity_is_refused(host: Host) -> None:
    """Two machines of one name: neither is touched, both are shown, ids work."""
    one, two = create(host, "twin"), create(host, "twin")
    code, text = ended(host.terminal("vm", "start", "twin"))
    assert code == 5
    assert f"{one}  stopped" in text
    assert f"{two}  stopped" in text
    assert {host.json("vm", "get", each)["state"] for each in (one, two)} == {"stopped"}
    assert host.json("vm", "start", one, "--wait")["task"]["state"] == "done"


@pytest.mark.parametrize(
    ("answer", "code", "said"), (("l", 14, "vdsmsh task wait"), ("c", 13, "VM.shutdown cancelled"), ("w", 0, "VM.shutdown done"))
)
def test_an_interrupt_offers_what_to_do(host: Host, answer: str, code: int, said: str) -> None:
    """A guest that takes its time to go down: Ctrl-C asks whether to leave, to cancel or to wait on."""
    name = f"patient-{answer}"
    create(host, name, shutdown_seconds="8" if answer == "w" else "60")
    host.run("vm", "start", name, "--wait")
    child = host.terminal("vm", "shutdown", name, "--way", "acpi", "--guest-timeout", "90", "--wait")
    child.expect_exact("VM.shutdown running")
    child.sendintr()
    child.expect_exact("[l]eave it running, [c]ancel it, [w]ait on?")
    child.sendline(answer)
    found, text = ended(child)
    assert (found, said in text) == (code, True), text


def test_errors_name_option_and_remedy(host: Host) -> None:
    """What the daemon refuses is said in the words of the command line."""
    code, text = ended(host.terminal("vm", "create", "--name", "small", "--memory", "1MiB"))
    assert code == 2
    assert "--memory (config.memory)" in text
    assert "remedy:" in text
    assert "InvalidParams (-32602)" in text


@pytest.mark.parametrize("road", ("tcp", "http"))
def test_other_roads(host: Host, road: str) -> None:
    """The same answers over TCP and HTTP."""
    url = f"{road}://127.0.0.1:{host.port}"
    assert host.json("--url", url, "host", "ping") == {"pong": True}
    names = [item["name"] for item in host.json("vm", "list", "--url", url)["items"]]
    assert names == [item["name"] for item in host.json("vm", "list")["items"]]


def test_a_screenshot_and_a_raw_call(host: Host) -> None:
    """An image is a file; any method can be called."""
    host.run("vm", "create", "--name", "seen", "--memory", "64MiB", "--video", "vga")
    host.run("vm", "start", "seen", "--wait")
    host.run("vm", "screenshot", "seen", "-f", str(host.home / "out.png"))
    assert (host.home / "out.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(host.run("call", "VM.list", '{"limit": 1}'))["items"]
    assert "there is no method Foo.bar" in host.run("call", "Foo.bar", code=2)


def test_names_of_objects_complete(host: Host) -> None:
    """Completion asks the running daemon."""
    create(host, "completable")
    script = "vdsmsh completion fish | source; complete -C 'vdsmsh vm start complet'"
    done = subprocess.run(["fish", "-c", script], env=host.environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["completable\tstopped"]
