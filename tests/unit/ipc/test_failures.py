"""Errors cross the border as what they are."""

from __future__ import annotations

import json
import logging
from string import Formatter

import pytest

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import ERRORS, GenerationConflict, InternalError, ObjectNotFound
from libvdsm.ipc import failures


def test_every_error_comes_back_as_its_class_with_its_parameters() -> None:
    for name, kind in ERRORS.items():
        words = {word for _text, word, _spec, _conversion in Formatter().parse(kind.template + kind.remedy_template) if word}
        error = failures.rebuild(name, {word: f"<{word}>" for word in words})
        assert error is not None
        back = failures.from_bytes(failures.to_bytes(error, "a test"), "a test")
        assert type(back) is type(error)
        assert back.params == error.params
        assert back.message == error.message


def test_the_error_object_is_that_of_an_answer() -> None:
    written = json.loads(failures.to_bytes(ObjectNotFound(type="vm", id="1"), "a test"))
    assert written == {"code": ObjectNotFound.number, "message": "there is no vm 1", "data": ObjectNotFound(type="vm", id="1").data()}


def test_a_defect_becomes_an_incident_that_the_log_explains(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        back = failures.from_bytes(failures.to_bytes(ZeroDivisionError("oh"), "VM.start"), "VM.start")
    assert isinstance(back, InternalError)
    assert str(back.params["incident"]) in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "oh" not in back.message


@pytest.mark.parametrize(
    "raw", (b"", b"nonsense", b"{}", b'{"data":{"error":"NoSuchError"}}', b'{"data":{"error":"ObjectNotFound","params":{}}}', b"[]")
)
def test_what_is_no_error_object_is_our_defect(raw: bytes) -> None:
    assert isinstance(failures.from_bytes(raw, "a test"), InternalError)


def test_names_that_are_no_errors_are_not_built() -> None:
    assert failures.rebuild("ApiError", {"reason": "x"}) is None
    assert failures.rebuild("__builtins__", {}) is None
    conflict = failures.rebuild("GenerationConflict", {"type": "vm", "id": "1", "expected": 1, "actual": 2})
    assert isinstance(conflict, GenerationConflict)
    assert isinstance(conflict, ApiError)
