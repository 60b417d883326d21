"""The root of every failure that a caller may see, and nothing that knows a protocol.

The classes themselves are generated from the schema (``interfaces.generated.errors``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self


class ApiError(Exception):
    """A typed failure, as the schema declares it.

    ``params`` are the error's own parameters, ready for JSON. A class attribute tells each of the
    traits that all instances share.
    """

    name: ClassVar[str] = "ApiError"
    number: ClassVar[int] = 0
    template: ClassVar[str] = "{reason}"
    remedy_template: ClassVar[str] = ""
    fault: ClassVar[str] = "server"
    retryable: ClassVar[bool] = False

    def __init__(self, **params: object) -> None:
        self.params: Mapping[str, object] = params
        super().__init__(self.template.format_map(params))

    @property
    def message(self) -> str:
        """The failure in words."""
        return self.template.format_map(self.params)

    @property
    def remedy(self) -> str:
        """What the caller can do about it."""
        return self.remedy_template.format_map(self.params)

    @property
    def path(self) -> str | None:
        """Where in the parameters the fault lies, if it lies there."""
        found = self.params.get("path")
        return found if isinstance(found, str) else None

    def data(self) -> dict[str, object]:
        """The member ``data`` of an error answer (DESIGN 2)."""
        data: dict[str, object] = {"error": self.name, "params": dict(self.params)}
        if self.path is not None:
            data["path"] = self.path
        data |= {"fault": self.fault, "retryable": self.retryable, "remedy": self.remedy}
        return data

    def because(self, cause: BaseException) -> Self:
        """The same error with what caused it kept for the log."""
        self.__cause__ = cause
        return self
