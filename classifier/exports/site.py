"""A static page, as for GitHub Pages, that sends photos to an installation's API."""

import json
from itertools import groupby
from pathlib import Path
from urllib.parse import SplitResult

from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone

from classifier.answers.wording import LIKELY, WORDING
from classifier.exports import addresses, folder
from classifier.models import ModelVersion
from curation.taxonomy import search_text
from curation.taxonomy.guide import Guide

SCRIPTS = Path(__file__).parent / "scripts"  # they replace the site's own of the same name
# File of the page → file of the site that it is a copy of.
COPIED = {
    **{
        name: name
        for name in (
            "site.css", "favicon.svg", "icons.svg",
            "site.js", "page.js", "shrink.js", "take.js", "copy.js", "guide.js",
        )
    },
    "post.js": "send.js",
}  # fmt: skip
ICONS = "site/icons.svg"


def export(out: Path, api: str, sent_times: float, url: str = "", force: bool = False) -> int:
    """Write the page into the folder `out`; returns its bytes.

    `api`: address of the installation. `url`: where the page will be, if that is known.
    `sent_times`: the longer side of a photo as it is sent, in sides of the network's input.
    Raises BadAddress, FolderNotEmpty, FolderUnusable.
    """
    installation, home = addresses.read(api), addresses.read(url) if url else None
    folder.check(out, force)
    version = ModelVersion.objects.filter(active=True).first()
    context = {
        **_about(installation, home),
        **_guide(),
        # Pixels of the longer side that a photo is sent with; 0 is as it is.
        "side": round(sent_times * version.card["preprocess"]["size"]) if version else 0,
    }
    files = {
        **{f"site/{name}": Path(finders.find(f"site/{source}")) for name, source in COPIED.items()},
        **{f"site/{path.name}": path for path in sorted(SCRIPTS.glob("*.js"))},
        ".nojekyll": b"",
        **{name: _rendered(name, context) for name in ("README.md", "404.html", "index.html")},
    }
    return folder.write(out, files, force)


def _about(installation: SplitResult, home: SplitResult | None) -> dict:
    api = installation.geturl()
    return {
        "api": api,
        "host": installation.netloc,
        "policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
            f"connect-src {_origin(installation)}; form-action 'none'; base-uri 'none'"
        ),
        "predictions": f"{api}{reverse('api-predictions')}",
        "past": f"{api}{reverse('past-answer', args=['ID'])}",
        "privacy": f"{api}{reverse('privacy')}",
        "origin": _origin(home) if home else "",
        "home": f"{home.path}/" if home else "",
        "icons": ICONS,
        "likely": LIKELY,
        "wording": json.dumps(WORDING),
        "max_bytes": settings.IMAGE_MAX_BYTES,
        "max_megabytes": settings.IMAGE_MAX_BYTES // 1024**2,
        "day": timezone.localdate(),
    }


def _origin(address: SplitResult) -> str:
    return f"{address.scheme}://{address.netloc}"


def _guide() -> dict:
    types, texts = Guide().types(), search_text.texts()
    return {
        "total": len(types),
        "families": [
            (category, [(row, texts[row.slug]) for row in rows])
            for category, rows in groupby(types, key=lambda row: row.category)
        ],
    }


def _rendered(name: str, context: dict) -> bytes:
    text = render_to_string(f"exports/site/{name}", context)
    # Included templates of the site have the icons' address on the installation.
    return text.replace(static(ICONS), ICONS).encode()
