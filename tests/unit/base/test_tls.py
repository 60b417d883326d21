"""Keys become a context, or the reason why not."""

from __future__ import annotations

import os
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from libvdsm.base.tls import TlsError, TlsKeys, server_context
from tests.fakes.certificates import Pki


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def test_a_pair_makes_a_context(pki: Pki) -> None:
    """TLS 1.3, client certificates if they are shown, no sessions that would outlive a judgement."""
    context = server_context(pki.keys)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3
    assert context.verify_mode == ssl.CERT_OPTIONAL
    assert context.num_tickets == 0
    assert context.options & ssl.OP_NO_TICKET
    assert server_context(pki.keys, "1.2").minimum_version == ssl.TLSVersion.TLSv1_2
    assert server_context(replace(pki.keys, client_cas=b"")).verify_mode == ssl.CERT_NONE


def test_what_cannot_be_used_is_named(pki: Pki, tmp_path: Path) -> None:
    """Without a word of what is in it."""
    other = Pki(tmp_path).server
    keys = pki.keys
    for spoiled, reason in (
        (replace(keys, key=other.key), "key values mismatch"),
        (replace(keys, key=b""), "this is not PEM"),
        (replace(keys, certificate=keys.certificate[:-40]), "this is not PEM|bad end line|bad base64"),
        (replace(keys, client_cas=b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "client CA cannot be read"),
        (replace(keys, client_cas=b"\xff"), "client CA cannot be read"),
    ):
        with pytest.raises(TlsError, match=reason):
            server_context(spoiled)


def test_a_key_with_a_password_is_refused_without_asking(pki: Pki) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(pki.server.key, None)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    with pytest.raises(TlsError, match="has a password"):
        server_context(replace(pki.keys, key=locked))


def test_no_descriptor_stays_and_no_file_is_made(pki: Pki) -> None:
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers
    for _ in range(10):
        server_context(pki.keys)
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - numbers


def test_keys_do_not_show(pki: Pki) -> None:
    assert "PRIVATE" not in repr(pki.keys)
    assert pki.keys.generation == replace(pki.keys).generation
    assert pki.keys.generation != TlsKeys(certificate=pki.keys.certificate, key=pki.keys.key).generation
