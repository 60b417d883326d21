"""The description of the API: from YAML files to the sealed ``ir.Api`` that everybody else reads.

Phases, one module each: ``source`` (text to tree), ``loader`` (tree to definitions), ``check``
(every complaint), ``resolve`` (definitions to ``ir``); ``visitor`` walks the result, ``validate``
holds values against it, ``lock`` pins what may never change, ``compiled`` is its form without YAML.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from libvdsm.schema.ir import Api

#: Where the native profile stands in the package.
NATIVE: Final = Path(__file__).parent / "data" / "native"


def load_api(directory: Path | None = None) -> Api:
    """Compile the schema of a directory, the native profile's by default. Needs PyYAML.

    Raises ``complaint.SchemaError`` with everything that is wrong with it.
    """
    from libvdsm.schema import loader, lock, resolve

    source = directory or NATIVE
    return resolve.build(loader.load(source), lock.read(source.parent / lock.FILE_NAME))
