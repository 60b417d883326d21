"""Files for browsers: what is found, what is never found, what is said with them."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from libvdsm.bindings.pieces import Pieces
from libvdsm.bindings.static import files
from libvdsm.bindings.static.endpoint import StaticEndpoint, StaticSession
from libvdsm.bindings.static.files import NotServableError, make_file, read_folder
from libvdsm.bindings.static.pages import make_pages
from libvdsm.interfaces.bodies import Streamed
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.wire.http.events import Request, Response

SCRIPT = b"let console = 1;\n" * 200
BIG = os.urandom(100_000)


def session() -> StaticSession:
    """A folder at /ui/."""
    names = {"index.html": b"<!doctype html>", "app.0123abcd.js": SCRIPT, "sub/index.html": b"sub", "sub/a b.txt": b"x", "big.png": BIG}
    endpoint = StaticEndpoint("/ui/", {name: make_file(name, data) for name, data in names.items()})
    return endpoint.open(Caller(identity="anonymous", source="anonymous", roles=(), rights=Rights()))


def ask(target: str, method: bytes = b"GET", **headers: str) -> Response:
    """The answer to a request; one with a small body."""
    answer = session().handle(
        Request(method, target.encode(), {name.replace("_", "-").encode(): v.encode() for name, v in headers.items()})
    )
    assert isinstance(answer, Response)
    return answer


@pytest.mark.parametrize(
    ("target", "body"),
    (
        ("/ui/", b"<!doctype html>"),
        ("/ui/index.html?x=1", b"<!doctype html>"),
        ("/ui/app.0123abcd.js", SCRIPT),
        ("/ui/sub/", b"sub"),
        ("/ui/sub/a%20b.txt", b"x"),
        ("http://localhost/ui/sub/", b"sub"),
    ),
)
def test_files_are_found_by_their_paths(target: str, body: bytes) -> None:
    """With or without escapes; a folder is its index."""
    answer = ask(target)
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize(
    "target",
    (
        "/ui/../secret",
        "/ui/%2e%2e/secret",
        "/ui/..%2fsecret",
        "/ui/sub/../index.html",
        "/ui//etc/passwd",
        "/ui/%00",
        "/ui/%ff",
        "/ui/sub",
        "/ui/INDEX.HTML",
        "/ui/.hidden",
        "/ui/" + "a" * 10_000,
        "/ui/..\\secret",
    ),
)
def test_nothing_but_those_files_is_ever_found(target: str) -> None:
    """What is served is in memory: there is no path that leads out of it."""
    assert ask(target).status == 404


def test_the_folder_without_its_slash_leads_to_it() -> None:
    """Relative links in its pages need the slash."""
    answer = ask("/ui")
    assert (answer.status, dict(answer.headers)[b"Location"]) == (308, b"/ui/")


def test_browsers_are_told_what_pages_may_do() -> None:
    """security.md 28: nothing from elsewhere, no inline script, no frame around it; with 304 as well."""
    for answer in (ask("/ui/"), ask("/ui/", if_none_match="*"), ask("/ui/", range="bytes=0-1")):
        headers = dict(answer.headers)
        policy = headers[b"Content-Security-Policy"]
        assert policy.startswith(b"default-src 'none';")
        assert b"frame-ancestors 'none'" in policy
        assert b"unsafe" not in policy
        assert headers[b"X-Frame-Options"] == b"DENY"
        assert headers[b"Cross-Origin-Resource-Policy"] == b"same-origin"


def test_what_cannot_change_is_kept_and_the_rest_is_asked_for() -> None:
    """A digest in a name makes it another name with each change."""
    assert b"immutable" in dict(ask("/ui/app.0123abcd.js").headers)[b"Cache-Control"]
    assert dict(ask("/ui/").headers)[b"Cache-Control"] == b"no-cache"


def test_what_the_client_has_is_not_sent_again() -> None:
    """ETags by content, one for each coding."""
    plain, packed = ask("/ui/app.0123abcd.js"), ask("/ui/app.0123abcd.js", accept_encoding="gzip")
    tags = [dict(answer.headers)[b"ETag"].decode() for answer in (plain, packed)]
    assert tags[0] != tags[1]
    assert gzip.decompress(packed.body) == SCRIPT
    assert dict(packed.headers)[b"Content-Encoding"] == b"gzip"
    assert dict(plain.headers)[b"Vary"] == b"Accept-Encoding"
    assert ask("/ui/app.0123abcd.js", if_none_match=tags[0]).status == 304
    assert ask("/ui/app.0123abcd.js", if_none_match=tags[0], accept_encoding="gzip").status == 200
    again = ask("/ui/app.0123abcd.js", if_none_match=tags[1], accept_encoding="gzip")
    assert (again.status, again.body) == (304, b"")


def test_parts_are_sent() -> None:
    """206, 416; of the plain form, whatever codings are taken."""
    part = ask("/ui/app.0123abcd.js", range="bytes=4-10", accept_encoding="gzip")
    assert (part.status, part.body) == (206, SCRIPT[4:11])
    assert dict(part.headers)[b"Content-Range"] == b"bytes 4-10/%d" % len(SCRIPT)
    assert b"Content-Encoding" not in dict(part.headers)
    beyond = ask("/ui/app.0123abcd.js", range="bytes=999999-")
    assert (beyond.status, dict(beyond.headers)[b"Content-Range"]) == (416, b"bytes */%d" % len(SCRIPT))
    assert ask("/ui/app.0123abcd.js", range="bytes=0-0", if_range='"other"').status == 200


def test_large_files_are_sent_as_they_are_taken() -> None:
    """With their length."""
    answer = session().handle(Request(b"GET", b"/ui/big.png", {b"range": b"bytes=1-99998"}))
    assert isinstance(answer, Streamed)
    assert (answer.status, answer.length, answer.content_type) == (206, 99_998, b"image/png")
    assert isinstance(answer.body, Pieces)
    assert b"".join(answer.body._pieces) == BIG[1:99_999]


def test_files_are_only_read() -> None:
    """GET and HEAD."""
    assert ask("/ui/", b"POST").status == 405
    assert ask("/ui/", b"HEAD").status == 200


def test_a_folder_is_read_once_without_what_is_hidden_or_elsewhere(tmp_path: Path) -> None:
    """Links, hidden files and what is no file are not served."""
    root = tmp_path / "site"
    (root / "sub").mkdir(parents=True)
    (root / ".git").mkdir()
    (tmp_path / "secret").write_text("s")
    (root / "sub" / "page.html").write_text("p")
    (root / ".env").write_text("s")
    (root / ".git" / "config").write_text("s")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    found = read_folder(root)
    assert set(found) == {"sub/page.html"}
    assert found["sub/page.html"].content_type == b"text/html; charset=utf-8"


def test_a_folder_that_cannot_be_served_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not there, or too much."""
    with pytest.raises(NotServableError, match="No such file"):
        read_folder(tmp_path / "none")
    monkeypatch.setattr(files, "MOST_OCTETS", 10)
    (tmp_path / "a").write_bytes(b"x" * 11)
    with pytest.raises(NotServableError, match="more than"):
        read_folder(tmp_path)


def test_only_what_pays_is_packed() -> None:
    """Not what is small, nor what is packed already, nor what does not get smaller."""
    assert make_file("a.js", SCRIPT).packed is not None
    assert make_file("a.js", SCRIPT[:500]).packed is None
    assert make_file("a.png", SCRIPT).packed is None
    assert make_file("a.bin", BIG).packed is None
    assert make_file("a.unknown", b"x").content_type == b"application/octet-stream"


def test_the_pages_of_the_api_are_made_of_its_document() -> None:
    """Each verb with its words, which are text and nothing else."""
    document = {"info": {"version": "1.0"}, "methods": [{"name": "VM.list", "summary": "Lists <them> & more."}]}
    pages = make_pages(json.dumps(document).encode())
    page = pages["index.html"].plain.data
    assert b"<code>VM.list</code>" in page
    assert b"Lists &lt;them&gt; &amp; more." in page
    assert b"<script" not in page
    assert set(pages) == {"index.html", "openrpc.json", "style.css"}


@pytest.mark.parametrize("method", (b"GET", b"HEAD"))
def test_only_get_has_ranges(method: bytes) -> None:
    """RFC 9110, 14.2: to HEAD a range means nothing, whether it could be had or not."""
    for asked, status in (("bytes=0-9", 206), ("bytes=999999-", 416)):
        answer = ask("/ui/app.0123abcd.js", method, range=asked, accept_encoding="gzip")
        assert answer.status == (status if method == b"GET" else 200)
        assert ((b"Content-Encoding", b"gzip") in answer.headers) is (method == b"HEAD")


def test_the_rest_of_another_file_is_not_sent() -> None:
    """If-Match: 412 instead of a part of what the client does not have."""
    tag = dict(ask("/ui/app.0123abcd.js").headers)[b"ETag"].decode()
    assert ask("/ui/app.0123abcd.js", range="bytes=1-", if_match=tag).status == 206
    assert ask("/ui/app.0123abcd.js", range="bytes=1-", if_match='"other"').status == 412
    assert ask("/ui/app.0123abcd.js", if_match="*").status == 200
