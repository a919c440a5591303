"""`X-Robots-Tag`: a site's header that asks programs not to collect its files.

The format is that of Google's "Robots meta tag, data-nosnippet, and X-Robots-Tag specifications":
directives between commas, after a program's name and a colon where they are for it alone.
"""

import re
from collections.abc import Iterable

# Directives against indexing and against use as training data.
REFUSING = frozenset({"noai", "noimageai", "noindex", "none"})
_NAME = re.compile(r"[\w.*-]+")  # of a program
# Directives with a value after a colon, which are not the names of programs.
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


def refusal(lines: Iterable[str], user_agent: str) -> str | None:
    """The directive that asks us not to collect the file, or None.

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
