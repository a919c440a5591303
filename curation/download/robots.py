"""`X-Robots-Tag`: what a site asks of programs that collect its files.

The form is that of Google's "Robots meta tag, data-nosnippet, and X-Robots-Tag specifications":
directives between commas, and a program's name with a colon before those meant for it alone.
"""

import re
from collections.abc import Iterable

# Left out of an index or of training data: both is what a collection is.
REFUSING = frozenset({"noai", "noimageai", "noindex", "none"})
_NAME = re.compile(r"[\w.*-]+")  # of a program; a date with a comma before its time has spaces
# Directives with a value behind a colon, which are no program's name.
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


def refusal(lines: Iterable[str], user_agent: str) -> str | None:
    """The directive that asks us to leave the file alone, or None.

    `lines`: the values of all such headers. `user_agent`: as sent; its first word up to the slash
    is our name.
    """
    ours = {"*", user_agent.split("/")[0].strip().lower()}
    for line in lines:
        for_us = True
        for part in line.lower().split(","):
            name, colon, value = (piece.strip() for piece in part.partition(":"))
            if name in _VALUED:
                continue
            if colon and _NAME.fullmatch(name):
                for_us = name in ours
                name = value
            if for_us and name in REFUSING:
                return name
    return None
