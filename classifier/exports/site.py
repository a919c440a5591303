"""A static page, as for GitHub Pages, that sends photos to an installation's API."""

import json
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone

from classifier.answers.wording import LIKELY, WORDING
from classifier.exports import addresses, folder
from classifier.models import ModelVersion
from curation.models import ShoeType
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
    api_address, home = addresses.read(api), addresses.read(url) if url else None
    folder.check(out, force)
    context = {**_about(api_address, home), **_guide(), "side": _side(sent_times)}
    files = {
        **{f"site/{name}": Path(finders.find(f"site/{source}")) for name, source in COPIED.items()},
        **{f"site/{path.name}": path for path in sorted(SCRIPTS.glob("*.js"))},
        ".nojekyll": b"",
        **{name: _rendered(name, context) for name in ("README.md", "404.html", "index.html")},
    }
    return folder.write(out, files, force)


def _about(api: addresses.Address, home: addresses.Address | None) -> dict:
    return {
        "api": str(api),
        "host": urlsplit(api.origin).netloc,
        "policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
            f"connect-src {api.origin}; form-action 'none'; base-uri 'none'"
        ),
        "predictions": f"{api}{reverse('api-predictions')}",
        "past": f"{api}{reverse('past-answer', args=['ID'])}",
        "privacy": f"{api}{reverse('privacy')}",
        "origin": home.origin if home else "",
        "home": f"{home.path}/" if home else "",
        "icons": ICONS,
        "likely": LIKELY,
        "wording": json.dumps(WORDING),
        "max_bytes": settings.IMAGE_MAX_BYTES,
        "max_megabytes": settings.IMAGE_MAX_BYTES // 1024**2,
        "day": timezone.localdate(),
    }


def _guide() -> dict:
    types = Guide().types()
    terms = dict(ShoeType.objects.values_list("slug", "search_terms"))
    for row in types:
        row.search_terms = terms[row.slug]  # not part of the guide, and searched on the page
    families = groupby(types, key=lambda row: row.category)
    return {
        "total": len(types),
        "families": [
            (category, [(row, search_text.text_of(row)) for row in rows])
            for category, rows in families
        ],
    }


def _side(times: float) -> int:
    """Pixels of the longer side that a photo is sent with; 0 (as it is) without an active model."""
    version = ModelVersion.objects.filter(active=True).first()
    return round(times * version.card["preprocess"]["size"]) if version else 0


def _rendered(name: str, context: dict) -> bytes:
    text = render_to_string(f"exports/site/{name}", context)
    # Included templates of the site have the icons' address on the installation.
    return text.replace(static(ICONS), ICONS).encode()
