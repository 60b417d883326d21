"""Writes ``schema/compiled/jsonschema.json``: every type, and the parameters of every verb."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from libvdsm.codegen.jsonschema.types import Definitions
from libvdsm.codegen.writer import BANNER

if TYPE_CHECKING:
    from libvdsm.codegen.writer import Json
    from libvdsm.schema import ir

PATH: Final = "src/libvdsm/schema/compiled/jsonschema.json"


def emit(api: ir.Api) -> dict[str, str]:
    """The document by its path in the project."""
    return {PATH: json.dumps(document(api), ensure_ascii=False, indent=1) + "\n"}


def document(api: ir.Api) -> dict[str, Json]:
    """The document as a JSON value."""
    definitions = Definitions(api, "#/$defs/")
    found = definitions.all()
    found |= {method.params_record: definitions.params(method) for method in api.methods.values()}
    return {
        "$comment": BANNER,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:libvdsm:schema:{api.version}",
        "title": "libvdsm",
        "description": "Requests are closed, answers are open: a later version may add members, words and kinds.",
        "$defs": dict(sorted(found.items())),
    }
