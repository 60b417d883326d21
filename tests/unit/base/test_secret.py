"""A secret is shown by nothing but ``reveal``."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.base.secret import Secret, decode_hook, encode_hook

PLANTED = "correct horse battery staple"


class Bounded(Secret, min_length=4, max_length=8):
    """A secret of four to eight characters."""

    __slots__ = ()


@dataclass(frozen=True)
class Holder:
    """Something that holds one."""

    secret: Secret
    name: str = "x"


@pytest.mark.parametrize(
    "show",
    (
        str,
        repr,
        ascii,
        "{}".format,
        "{!r:>10}".format,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!s:^20}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - that way as well
        lambda secret: str([secret, {"a": secret}, (secret,)]),
        lambda secret: repr(Holder(secret)),
        lambda secret: str(asdict(Holder(secret))),
        lambda secret: repr(ValueError(secret, f"with {secret}")),
        lambda secret: str(dir(secret)),
        lambda secret: repr(copy.deepcopy(secret)) + repr(copy.copy(secret)),
        lambda secret: msgspec.json.encode(Told(secret=secret), enc_hook=encode_hook).decode(),
        lambda secret: repr(Told(secret=secret)),
    ),
)
def test_no_form_shows_it(show: Any) -> None:
    shown = show(Secret(PLANTED))
    assert not any(word in shown for word in PLANTED.split())


class Told(msgspec.Struct):
    """A struct that holds one."""

    secret: Secret


@pytest.mark.parametrize(
    ("take", "failure"),
    (
        (json.dumps, TypeError),
        (msgspec.json.encode, TypeError),
        (pickle.dumps, TypeError),
        ("".join, TypeError),
        (len, TypeError),
        (iter, TypeError),
        (bytes, TypeError),
        (vars, TypeError),
        (lambda secret: secret[:3], TypeError),
        (lambda secret: secret + "x", TypeError),
        (lambda secret: setattr(secret, "x", 1), AttributeError),
        (lambda secret: delattr(secret, "x"), AttributeError),
    ),
)
def test_what_takes_texts_does_not_take_it(take: Any, failure: type[Exception]) -> None:
    secret = Secret(PLANTED)
    with pytest.raises(failure) as refusal:
        take([secret] if take == "".join else secret)
    assert not any(word in str(refusal.value) for word in PLANTED.split())


def test_a_log_does_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(PLANTED)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("x").info("token %s of %r", secret, Holder(secret))
    assert caplog.messages == [f"token *** of {Holder(secret)!r}"]


def test_a_traceback_with_its_variables_does_not_show_it() -> None:
    def fail(secret: Secret) -> None:
        raise ValueError(f"with {secret}")

    with pytest.raises(ValueError, match=r"with \*\*\*") as failure:
        fail(Secret(PLANTED))
    told = "".join(traceback.TracebackException.from_exception(failure.value, capture_locals=True).format())
    assert "secret = ***" in told
    assert "battery" not in told


def test_it_is_the_same_as_one_of_the_same_text() -> None:
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret(PLANTED).reveal() == PLANTED


@given(text=st.text(max_size=12))
def test_its_length_is_kept_and_a_complaint_shows_nothing(text: str) -> None:
    if 4 <= len(text) <= 8:
        assert Bounded(text).reveal() == text
        return
    with pytest.raises(ValueError, match=r"^Expected `str` of length (>= 4|<= 8)\Z"):
        Bounded(text)


class Given(msgspec.Struct):
    """What a decoder makes."""

    one: Bounded
    many: list[Bounded] = []
    absent: Bounded | None = None


def test_a_decoder_makes_secrets() -> None:
    decoder = msgspec.json.Decoder(Given, dec_hook=decode_hook)
    found = decoder.decode(b'{"one":"hunter2","many":["hunter3"],"absent":null}')
    assert type(found.one) is Bounded
    assert found.one.reveal() == "hunter2"
    assert found.many[0].reveal() == "hunter3"
    assert found.absent is None


@given(
    value=st.integers()
    | st.booleans()
    | st.lists(st.text(min_size=5))
    | st.dictionaries(st.text(min_size=5), st.text(min_size=5), min_size=1)
)
def test_a_decoders_complaint_shows_nothing(value: Any) -> None:
    decoder = msgspec.json.Decoder(Given, dec_hook=decode_hook)
    with pytest.raises(msgspec.ValidationError, match=r"^Expected `str`, got `\w+` - at `\$\.one`\Z"):
        decoder.decode(msgspec.json.encode({"one": value}))


def test_a_hook_knows_secrets_alone() -> None:
    with pytest.raises(NotImplementedError):
        decode_hook(complex, "1j")
    with pytest.raises(NotImplementedError):
        encode_hook(1j)
