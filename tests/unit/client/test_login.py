"""Tokens go by safe roads only, are read anew, and are shown nowhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from libvdsm.client import AddressError, aio, errors, sync
from libvdsm.client.runtime.address import parse
from libvdsm.client.runtime.login import Login
from tests.unit.client.conftest import Serve
from tests.unit.client.scripted import Connection
from tests.unit.client.test_aio import Request, stats

TOKEN = "vdsm-0000000000000000000000"


async def log_in(connection: Connection, request: Request) -> None:
    if request["params"]["token"] == TOKEN:
        connection.result(request, {"identity": "user:a", "source": "token", "roles": [], "permissions": []})
    else:
        connection.error(request, 25, "NotAuthenticated", reason="no")


@pytest.mark.parametrize(
    "url", ("tls://host", "https://host", "wss://host", "stomp+tls://host", "unix:///x", "tcp://127.0.0.1", "ws://[::1]")
)
def test_where_nobody_listens_a_token_may_go(url: str) -> None:
    assert parse(url).is_private
    sync.connect(url, token=TOKEN)


@pytest.mark.parametrize("url", ("tcp://host", "http://192.0.2.1", "ws://host", "stomp://host"))
def test_in_plain_over_a_network_a_token_does_not_go(url: str) -> None:
    for connect in (sync.connect, aio.connect):
        with pytest.raises(AddressError, match="by TLS") as caught:
            connect(url, token=TOKEN)
        assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("url", (f"tls://me:{TOKEN}@host", f"https://host/?token={TOKEN}", f"wss://host/ws#{TOKEN}", f"tls://{TOKEN}@host"))
def test_a_url_holds_no_token_and_no_error_repeats_it(url: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse(url)
    assert TOKEN not in str(caught.value)


def test_a_token_is_in_no_text_of_its_holder() -> None:
    assert TOKEN not in repr(Login(source=TOKEN))


def test_files_and_callables_are_asked_each_time(tmp_path: Path) -> None:
    path = tmp_path / "token"
    login = Login(file=str(path))
    for text in ("one", "two"):
        path.write_text(f"{text}\n")
        assert login.token() == text
    found = iter(("a", "b"))
    given = Login(source=lambda: next(found))
    assert (given.token(), given.token()) == ("a", "b")
    assert Login().token() is None


@pytest.mark.parametrize("text", ("", "two words", "line\r\nbreak", "ä"))
def test_what_is_no_token_is_not_sent(tmp_path: Path, text: str) -> None:
    with pytest.raises(AddressError) as caught:
        Login(source=text).token()
    assert not text or text not in str(caught.value)
    (tmp_path / "token").write_text(text)
    with pytest.raises(AddressError):
        Login(file=str(tmp_path / "token")).token()
    with pytest.raises(AddressError, match="cannot be read"):
        Login(file=str(tmp_path / "absent")).token()


async def test_a_client_logs_in_before_anything_else_and_again_after_a_loss(serve: Serve) -> None:
    async def list_(connection: Connection, request: Request) -> None:
        if connection.server.connections == 1:
            connection.drop()
        else:
            connection.result(request, {"items": []})

    server = serve(Identity_login=log_in, VM_list=list_)
    async with aio.connect(server.url, token=lambda: TOKEN) as client:
        await client.vm.list()
    assert server.methods == ["Identity.login", "VM.list", "Identity.login", "VM.list"]


def test_a_refused_login_is_told_and_not_repeated(serve: Serve) -> None:
    server = serve(Identity_login=log_in, VM_list=stats)
    for client in (sync.connect(server.url, token="vdsm-other"), sync.connect(server.url, token="vdsm-other")):
        with pytest.raises(errors.NotAuthenticated):
            client.call("VM.list")
        client.close()
    assert server.methods == ["Identity.login"] * 2


def test_over_http_the_token_is_a_header(serve: Serve) -> None:
    server = serve(VM_getStats=stats)
    with sync.connect(f"http+{server.url}", token=TOKEN) as client:
        client.vm.get_stats()
    assert all(f"\r\nAuthorization: Bearer {TOKEN}\r\n" in head for head in server.http_heads)


def test_who_gives_tokens_may_fail() -> None:
    def fail() -> str:
        raise ConnectionError(TOKEN)

    with pytest.raises(AddressError, match="ConnectionError") as caught:
        Login(source=fail).token()
    assert TOKEN not in str(caught.value)


async def test_a_host_whose_token_could_not_be_had_is_tried_again(serve: Serve) -> None:
    asked: list[str] = []

    def give() -> str:
        asked.append("")
        if len(asked) < 3:
            raise OSError("the vault is closed")
        return TOKEN

    server = serve(Identity_login=log_in)
    async with aio.HostPool(retry=aio.Retry(first_s=0.001, most_s=0.01)) as pool, asyncio.timeout(60):
        await pool.add("here", server.url, token=give).wait_up()
    assert len(asked) == 3
