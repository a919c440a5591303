"""The base class of all errors that are shown to people."""

from dataclasses import dataclass, fields
from typing import ClassVar, dataclass_transform


class _Fields(dict):
    """An error's fields and properties by name, for its message."""

    def __init__(self, error: "ProjectError"):
        self.error = error

    def __missing__(self, name: str) -> object:
        return getattr(self.error, name)


@dataclass_transform(eq_default=False)
class ProjectError(Exception):
    """Something was refused or failed, for a reason that a person can act on.

    Every subclass is made a dataclass: it annotates the facts as fields, and sets `code`, `status`
    and `message`, a format string with the names of fields and properties.

        class ImageTooLarge(CurationError):
            "The file has more bytes than allowed."

            size: int
            limit: int
            code = "image_too_large"
            status = 413
            message = "The file has {size:,} bytes and {limit:,} are allowed; send a smaller one."

    The API answers with `status`, `code` and the message; the admin and the command line show the
    message.
    """

    # Stable: clients and stored outcomes rely on it.
    code: ClassVar[str] = "error"
    # HTTP status of the API's answer.
    status: ClassVar[int] = 400
    # Seconds after which another try may succeed; None if it would fail the same way.
    retry_after: ClassVar[int | None] = None
    message: ClassVar[str] = "This could not be done; check the data and try again."

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(eq=False)(cls)

    @property
    def detail(self) -> str:
        """The message: what is wrong and what to do, in a sentence."""
        return self.message.format_map(_Fields(self))

    def __str__(self) -> str:
        return self.detail

    def __reduce__(self) -> tuple:
        return type(self), tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]
