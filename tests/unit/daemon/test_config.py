"""What vdsmd is told, and what it says to wrong words."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from libvdsm.daemon import config, config_reader
from libvdsm.daemon.addresses import Activated, Address, Listen, UnixAddress
from libvdsm.daemon.config import Config, ConfigError, Hypervisor
from libvdsm.daemon.config_reader import read_config


@pytest.fixture(autouse=True)
def no_default_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config_reader, "DEFAULT_FILE", tmp_path / "absent.toml")


def from_file(tmp_path: Path, text: str, *arguments: str) -> Config:
    file = tmp_path / "vdsmd.toml"
    file.write_text(text)
    return read_config(["--config", str(file), *arguments])


def test_without_a_word_the_defaults_hold() -> None:
    found = read_config([])
    assert found == Config()
    assert found.state_dir == Path("/var/lib/libvdsm")
    assert found.socket == Path("/run/libvdsm/vdsmd.sock")
    assert found.hypervisor.uri == "qemu:///system"
    assert found.listen == ()
    assert found.front.user == "vdsm"


def test_the_default_file_counts_when_it_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "default.toml"
    file.write_text('[log]\nlevel = "debug"\n')
    monkeypatch.setattr(config_reader, "DEFAULT_FILE", file)
    assert read_config([]).log.level == "debug"


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    text = 'state_dir = "/a"\nsocket = "/b"\nhypervisor = "test:///default"\nverify_results = true\n'
    found = from_file(tmp_path, text, "--state-dir", "/c", "--hypervisor", "simulator:7")
    assert found.state_dir == Path("/c")
    assert found.socket == Path("/b")
    assert found.hypervisor == Hypervisor("simulator", 7)
    assert found.verify_results


def test_all_tables_are_read(tmp_path: Path) -> None:
    text = """
    [front]
    user = "somebody"
    uid = 1234
    [http]
    hosts = ["vdsm.example:54321"]
    origins = ["http://localhost:3000"]
    [connectors]
    enabled = ["line"]
    [connectors.line]
    socket = "/run/line.sock"
    """
    found = from_file(tmp_path, text)
    assert found.front == config.FrontConfig("somebody", 1234)
    assert found.http.hosts == ("vdsm.example:54321",)
    assert found.http.origins == ("http://localhost:3000",)
    assert found.connectors.enabled == ("line",)
    assert found.connectors.settings == {"line": {"socket": "/run/line.sock"}}


def test_the_tables_of_messages_are_read(tmp_path: Path) -> None:
    found = from_file(tmp_path, "[messages]\noctets = 7\nwindow = 3\n[stomp]\nprefetch = 9\n[amqp]\nlinks = 2")
    assert found.messages == config.MessagesConfig(octets=7, window=3)
    assert (found.stomp, found.amqp) == (config.StompConfig(prefetch=9), config.AmqpConfig(links=2))
    with pytest.raises(ConfigError, match=r"messages\.window: must be a number above 0"):
        from_file(tmp_path, "[messages]\nwindow = 0")


def test_the_table_limits_is_read(tmp_path: Path) -> None:
    found = from_file(tmp_path, "[limits]\nrequests_per_second = 0\nwrites_in_flight = 3\nwrites_per_identity = 2")
    assert found.limits == config.LimitsConfig(requests_per_second=0, writes_in_flight=3, writes_per_identity=2)
    with pytest.raises(ConfigError, match="is more than"):
        from_file(tmp_path, "[limits]\nwrites_in_flight = 3")


@pytest.mark.parametrize(
    ("text", "complaint"),
    (
        ("sokcet = '/x'", "sokcet: is not known; here may stand amqp, bindings, check_state, "),
        ("[front]\nname = 'x'", "front.name: is not known; here may stand uid, user"),
        ("insecure = 'yes'", "insecure: must be true or false, not 'yes'"),
        ("socket = 5", "socket: must be a string with something in it, not 5"),
        ("socket = ''", "socket: must be a string with something in it, not ''"),
        ("front = 5", "front: must be a table, not 5"),
        ("[front]\nuid = 0", "front.uid: must be the number of a user other than root, not 0"),
        ("[front]\nuid = true", "front.uid: must be the number of a user other than root, not True"),
        ("[log]\nlevel = 'loud'", "log.level: must be one of debug, info, warning, error, not 'loud'"),
        ("[log]\nlevel = []", "log.level: must be one of debug, info, warning, error, not []"),
        ("[http]\nhosts = 'x'", "http.hosts: must be an array of strings, not 'x'"),
        ("[http]\nhosts = ['a', 1]", "http.hosts[1]: must be a string with something in it, not 1"),
        ("listen = 'x'", "listen: must be HOST:PORT, not 'x'"),
        ("hypervisor = 'qemu'", "hypervisor: must be a libvirt URI or simulator[:N], not 'qemu'"),
        ("hypervisor = 'simulator:many'", "hypervisor: must be simulator:N with N up to 100000, not 'simulator:many'"),
        ("[connectors]\nline = 1", "connectors.line: must be a table, not 1"),
        ("[limits]\nconnections = 0", "limits.connections: must be a number above 0, not 0"),
        ("[limits]\nrequests_per_second = -1", "limits.requests_per_second: must be a number above 0, not -1"),
        ("[limits]\ntasks = true", "limits.tasks: must be a number above 0, not True"),
        ("socket = ", "is not TOML: "),
    ),
)
def test_a_wrong_word_is_refused_with_file_and_key(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as failure:
        from_file(tmp_path, text)
    place, _colon, rest = str(failure.value).partition(": ")
    assert place == str(tmp_path / "vdsmd.toml")
    assert rest.startswith(complaint)


def test_a_file_that_is_named_must_be_there() -> None:
    with pytest.raises(ConfigError, match="/no/such: there is no such file"):
        read_config(["--config", "/no/such"])


def test_a_file_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(["--config", str(tmp_path)])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    (
        (["--insecure", "--listen", "0.0.0.0:1"], "--insecure: serves loopback addresses only, not 0.0.0.0:1"),
        (["--insecure", "--listen", "[::]:1"], "--insecure: serves loopback addresses only, not [::]:1"),
        (["--insecure", "--listen", "192.0.2.1:1"], "--insecure: serves loopback addresses only, not 192.0.2.1:1"),
        (["--listen", "host.example:1"], "command line: --listen: must be a numeric address or localhost, not 'host.example'"),
        (["--listen", "::1:5"], "command line: --listen: must be written [HOST]:PORT for IPv6"),
        (["--listen", "127.0.0.1:65536"], "command line: --listen: must be HOST:PORT"),
        (["--hypervisor", "simulator:-1"], "command line: --hypervisor: must be simulator:N"),
        (["--in-process"], "--in-process: serves simulator and test:/// only"),
        (["--in-process", "--hypervisor", "qemu+ssh://x/system"], "--in-process: serves simulator and test:/// only"),
        (["--socket", "/" + "x" * 107], "--socket: a path of a unix socket has at most 107 octets"),
    ),
)
def test_what_does_not_go_together_is_refused(arguments: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError) as failure:
        read_config(arguments)
    assert str(failure.value).startswith(complaint)


def test_listening_means_tls_unless_it_is_said_otherwise(tmp_path: Path) -> None:
    """On any address; --insecure speaks TLS beside plain only where there are keys."""
    assert read_config(["--listen", "0.0.0.0:1"]).serves_tls
    assert not read_config([]).serves_tls
    insecure = read_config(["--insecure", "--state-dir", str(tmp_path)])
    assert not insecure.serves_tls
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "server.crt").touch()
    assert insecure.serves_tls


def test_the_table_tls_is_read(tmp_path: Path) -> None:
    text = """
    [tls]
    certificate = "/k/a.crt"
    key = "/k/a.key"
    client_ca = "/k/ca.crt"
    names = ["vdsm.example"]
    minimum = "1.2"
    client_certificates = "required"
    [tls.identities]
    "DNS:web.example" = "user:web"
    """
    found = from_file(tmp_path, text).tls
    assert found == config.TlsConfig(
        certificate=Path("/k/a.crt"),
        key=Path("/k/a.key"),
        client_ca=Path("/k/ca.crt"),
        names=("vdsm.example",),
        minimum="1.2",
        identities={"DNS:web.example": "user:web"},
        client_certificates="required",
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    (
        ("minimum = '1.1'", "tls.minimum: must be one of 1.3, 1.2, in quotes, not '1.1'"),
        ("minimum = 1.2", "tls.minimum: must be one of 1.3, 1.2, in quotes, not 1.2"),
        ("client_certificates = 'never'", "tls.client_certificates: must be one of optional, required, not 'never'"),
        ("key = '/k'", "tls: certificate and key go together"),
        ("[tls.identities]\nx = 5", "tls.identities.x: must be a string with something in it, not 5"),
    ),
)
def test_a_wrong_word_about_tls_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as failure:
        from_file(tmp_path, f"[tls]\n{text}")
    assert complaint in str(failure.value)


def test_insecure_alone_listens_on_the_usual_port_of_the_loopback() -> None:
    assert read_config(["--insecure"]).listen == (Listen(address=Address("127.0.0.1", 54321)),)


@pytest.mark.parametrize("text", ("127.0.0.1:0", "[::1]:5", "localhost:5", "127.9.9.9:1"))
def test_loopback_addresses_are_served_insecurely(text: str) -> None:
    (found,) = read_config(["--insecure", "--listen", text]).listen
    assert found.called == text.replace("localhost", "127.0.0.1")


def test_every_place_has_its_own_policy(tmp_path: Path) -> None:
    """Several tables, of every kind of address; what a table does not say is as everywhere else."""
    found = from_file(
        tmp_path,
        """
[bindings]
enabled = ["json", "http", "stomp"]
[[listen]]
address = "[::]:54321"
name = "world"
client_certificates = "required"
strict_stomp = true
idle_seconds = 5
[[listen]]
address = "unix:/run/other.sock"
protocols = ["json"]
[[listen]]
address = "systemd:vdsmd"
tls = true
""",
    )
    world, other, handed = found.listen
    assert (world.called, world.client_certificates, world.strict_stomp, world.idle_seconds) == ("world", "required", True, 5)
    assert world.address == Address("::", 54321)
    assert (other.called, other.address) == ("unix:/run/other.sock", UnixAddress(Path("/run/other.sock")))
    assert handed.address == Activated("vdsmd")
    assert found.protocols(world) == {"json", "http", "stomp"}
    assert found.protocols(other) == {"json"}
    assert [found.speaks_tls(each) for each in found.listen] == [True, False, True]
    assert [found.takes_plain(each) for each in found.listen] == [False, False, False]


def test_tls_and_plain_can_be_told_apart_by_place(tmp_path: Path) -> None:
    """With insecure a place may still be for TLS alone, wherever it is; or for plain alone, on loopback."""
    found = from_file(
        tmp_path,
        """
insecure = true
state_dir = "/nowhere"
[[listen]]
address = "0.0.0.0:1"
tls = true
[[listen]]
address = "127.0.0.1:2"
tls = false
[[listen]]
address = "127.0.0.1:3"
""",
    )
    assert [found.speaks_tls(each) for each in found.listen] == [True, False, False]
    assert [found.takes_plain(each) for each in found.listen] == [False, True, True]


def test_addresses_may_be_listed_and_repeated(tmp_path: Path) -> None:
    """A list of words in the file; on the command line, which replaces it, as often as one likes."""
    found = from_file(tmp_path, "listen = ['127.0.0.1:1', '[::1]:1']")
    assert [each.called for each in found.listen] == ["127.0.0.1:1", "[::1]:1"]
    found = from_file(tmp_path, "listen = ['127.0.0.1:1']", "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--listen", "unix:/x")
    assert [each.called for each in found.listen] == ["127.0.0.1:0", "127.0.0.1:0", "unix:/x"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    (
        ("[[listen]]\nname = 'x'", "listen.address: must be there"),
        ("[[listen]]\naddress = '127.0.0.1:1'\n[[listen]]\nname = 'x'", "listen[1].address: must be there"),
        ("[[listen]]\naddress = 'unix:x'", "must be an absolute path"),
        ("[[listen]]\naddress = 'systemd:'", "must have the name of a socket after systemd:"),
        ("[[listen]]\naddress = '127.0.0.1:1'\nport = 5", "listen.port: is not known; here may stand address, client_certificates, "),
        ("[[listen]]\naddress = '127.0.0.1:1'\ntls = false", "it needs insecure = true"),
        ("[[listen]]\naddress = 'unix:/x'\ntls = true", "a unix socket knows its peers and speaks no TLS"),
        ("listen = ['127.0.0.1:1', '127.0.0.1:1']", "there are two of the name 127.0.0.1:1"),
        ("[[listen]]\naddress = '127.0.0.1:1'\nprotocols = ['gopher']", "'gopher' is no protocol of ours; there are json, http, "),
        ("[[listen]]\naddress = '127.0.0.1:1'\nprotocols = []", "one protocol at least must be spoken"),
        ("[bindings]\nenabled = []", "bindings.enabled: one protocol at least must be spoken"),
        ("[bindings]\nenabled = ['soap']", "bindings.enabled: 'soap' is no protocol of ours"),
        ("[bindings]\nenabled = ['websocket']", "websocket is a road over http, which is not enabled"),
        ("[bindings]\nenabled = ['json', 'metrics']", "metrics is a road over http, which is not enabled"),
        ("[[listen]]\naddress = 'unix:/x'\nprotocols = ['websocket']", "which is not among its protocols"),
        (
            "[bindings]\nenabled = ['json']\n[[listen]]\naddress = 'unix:/x'\nprotocols = ['json', 'stomp']",
            "listen unix:/x: stomp is not among bindings.enabled",
        ),
        ("[[listen]]\naddress = '0.0.0.0:1'\n[[listen]]\naddress = '127.0.0.1:1'\ntls = 'no'", "listen[1].tls: must be true or false"),
    ),
)
def test_a_wrong_word_about_places_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as failure:
        from_file(tmp_path, text)
    assert complaint in str(failure.value)


@pytest.mark.parametrize("uri", ("simulator", "simulator:3", "test:///default"))
def test_in_process_serves_what_cannot_hang(uri: str) -> None:
    assert read_config(["--in-process", "--hypervisor", uri]).in_process


def test_an_unknown_word_on_the_command_line_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        read_config(["--instant"])
    assert leaving.value.code == 2
    assert "usage: vdsmd" in capsys.readouterr().err


def test_the_values_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().insecure = True  # type: ignore[misc]
