"""An error as HTTP tells it (RFC 9457), for answers and for what the schema shows of them."""

from dataclasses import dataclass, field
from http import HTTPStatus

CONTENT_TYPE = "application/problem+json"
# The schema's component of it, which the public API draws.
SCHEMA = {"$ref": "#/components/schemas/ProblemShape"}


@dataclass(frozen=True)
class Problem:
    """An error as HTTP tells it."""

    status: int
    code: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)
    more: dict = field(default_factory=dict)

    def body(self) -> dict:
        """The members of RFC 9457, and `code`: stable, for programs."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.more,
        }
