"""The base of every error that is worded for people."""

from dataclasses import dataclass, fields
from typing import ClassVar, dataclass_transform


class _Facts(dict):
    """An error's fields and properties by name, for its message."""

    def __init__(self, error: "ProjectError"):
        self.error = error

    def __missing__(self, name: str) -> object:
        return getattr(self.error, name)


@dataclass_transform(eq_default=False)
class ProjectError(Exception):
    """Something was refused or failed, for a reason that a person can act on.

    A subclass becomes a dataclass of its facts by itself: it annotates them, and sets `code`,
    `status` and `message`, a format string over the facts and over properties of the class.

        class ImageTooLarge(CurationError):
            "The file has more bytes than allowed."

            size: int
            limit: int
            code = "image_too_large"
            status = 413
            message = "The file has {size:,} bytes and {limit:,} are allowed; send a smaller one."

    The API answers with `status`, the problem's `code` and the message; the admin and the command
    line say the message.
    """

    # Stable: programs and stored outcomes rely on it.
    code: ClassVar[str] = "error"
    # HTTP status of the answer.
    status: ClassVar[int] = 400
    # Seconds after which another try may succeed; None where another try makes no difference.
    retry_after: ClassVar[int | None] = None
    message: ClassVar[str] = "This could not be done; check the data and try again."

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(eq=False)(cls)

    @property
    def detail(self) -> str:
        """What is wrong and what to do, in a sentence."""
        return self.message.format_map(_Facts(self))

    def __str__(self) -> str:
        return self.detail

    def __reduce__(self) -> tuple:
        return type(self), tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]
