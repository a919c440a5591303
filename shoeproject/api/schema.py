"""What the schema says of every door: that it counts, and whom it lets in."""

from shoeproject.api.problem import CONTENT_TYPE, SCHEMA, Problem

SIGNED_OUT = {
    "not_authenticated": "Authentication credentials were not provided.",
    "token_unknown": "This token is not known here; check that it was copied whole, or make a new "
    "one.",
    "token_expired": "This token has expired; make a new one in the admin.",
    "token_revoked": "This token was revoked; make a new one in the admin.",
    "token_owner_inactive": "The account of this token is not active any more; ask an operator.",
}
REFUSED = {
    "permission_denied": "You do not have permission to perform this action.",
    "scope_missing": "This token lacks the scope guide; make one that has it.",
}
COUNTED = {"throttled": "Too many requests; try again in 12 seconds."}
RATE_HEADERS = {
    "RateLimit-Policy": ("string", '"predict";q=60;w=60: 60 requests in 60 seconds'),
    "RateLimit": ("string", '"predict";r=12;t=40: 12 more in the next 40 seconds'),
    "RateLimit-Limit": ("integer", "Requests allowed"),
    "RateLimit-Remaining": ("integer", "Requests left"),
    "RateLimit-Reset": ("integer", "Seconds until there are more"),
    "Retry-After": ("integer", "Seconds to wait"),
}
METHODS = ("get", "post", "put", "patch", "delete")


def always(result, generator, request, public):
    """A postprocessing hook of drf-spectacular: the refusals that any door may answer with."""
    for path in result["paths"].values():
        for method in METHODS:
            if method in path:
                _complete(path[method])
    return result


def _complete(door: dict) -> None:
    public = {} in door.get("security", [{}])
    listed = {"429": ("Too Many Requests", COUNTED)}
    if "security" in door:
        signed_out = {c: d for c, d in SIGNED_OUT.items() if not public or c.startswith("token")}
        refused = {c: d for c, d in REFUSED.items() if not public or c.startswith("scope")}
        listed |= {"401": ("Unauthorized", signed_out), "403": ("Forbidden", refused)}
    for status, (title, details) in listed.items():
        said = door["responses"].setdefault(status, {"content": {}, "description": title})
        kind = said.setdefault("content", {}).setdefault(CONTENT_TYPE, {"schema": SCHEMA})
        examples = kind.setdefault("examples", {})
        for code, detail in details.items():
            value = Problem(int(status), code, detail).body()
            examples.setdefault(code, {"value": value})
    door["responses"]["429"]["headers"] = {
        name: {"schema": {"type": kind}, "description": words}
        for name, (kind, words) in RATE_HEADERS.items()
    }
