"""Scopes: what a token may be used for, and which one a view requires.

A view's `scope` is required to read, and to write as well if it has no `write_scope`. A view
without a scope accepts no token, so that no view is open to tokens by mistake.
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


def required_scope(view, method: str) -> str | None:
    """The scope that a view requires for a request of this method; None: it accepts no token."""
    scope = getattr(view, "scope", None)
    return scope if method in SAFE_METHODS else getattr(view, "write_scope", scope)
