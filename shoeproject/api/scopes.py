"""What a token may be for. A view says which scope it needs; a token without that gets no further.

A view's `scope` is needed to read, and to write as well where it has no `write_scope`. A view that
names none takes no token at all: what nobody thought of is not open to programs.
"""

from rest_framework.permissions import SAFE_METHODS

SCOPES = {
    "predict": "have photos recognised",
    "guide": "read the guide, the model's figures and past answers",
    "feedback": "say whether an answer was right",
    "curation:read": "read images, decisions, findings, collections and snapshots",
    "curation:write": "decide on images, start collections, freeze snapshots",
    "training:read": "read training runs",
}


def needed(view, method: str) -> str | None:
    """The scope that a view needs for a request of this method."""
    scope = getattr(view, "scope", None)
    return scope if method in SAFE_METHODS else getattr(view, "write_scope", scope)
