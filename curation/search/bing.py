"""Bing's image search.

ddgs asks it for neither safe search nor filters; here both are sent as Bing's own pages send
them. Whether its strict safe search works when asked for in this way could not be shown against
Bing itself, so it is not relied on until an operator who has looked says so.
"""

import json
from collections.abc import Iterator
from typing import Any

from ddgs.engines.bing_images import BingImages
from lxml import etree

from curation.search import engine
from curation.search.errors import SearchBroken
from curation.search.query import FILTERS, Connection, Page, Provider, Query

_KINDS = {
    "photo": "photo-photo",
    "clipart": "photo-clipart",
    "line": "photo-linedrawing",
    "gif": "photo-animatedgif",
    "transparent": "photo-transparent",
}
_LICENCES = {
    "any": "licenseType-Any",
    "public": "license-L1",
    "share": "license-L2_L3_L4_L5_L6_L7",
    "share-commercially": "license-L2_L3_L4",
    "modify": "license-L2_L3_L5_L6",
    "modify-commercially": "license-L2_L3",
}
# What is around results, and so also around none.
_FRAMES = ("dgControl", "mmComponent_images", "no_results", "no-results")


class Bing(engine.Checked, BingImages):
    """ddgs's engine: its request and its paths into the page, our reading of what is there."""

    words = "Bing"
    page_size = 35  # what Bing's own pages ask for; if it sent fewer, the next page would skip some
    challenges = ("/turnstile/", "b_captcha", "CaptchaChallenge")

    def __init__(self, connection: Connection, safe: bool):
        super().__init__(connection)
        level = "ADLT=STRICT" if safe else "ADLT=OFF"
        self.http_client.client.set_cookies("https://www.bing.com", {"SRCHHPGUSR": level})

    def build_payload(
        self, query: str, region: str, safesearch: str, timelimit: None, page: int, **filters: str
    ) -> dict[str, Any]:
        """Add safe search and our filters to ddgs's parameters."""
        self._first = page == 1
        payload = super().build_payload(query, region, safesearch, timelimit, page)
        payload["adlt"] = {"on": "strict", "off": "off"}[safesearch]
        if filters:
            payload["qft"] = "".join(f"+filterui:{_said(*item)}" for item in filters.items())
        return payload

    def extract_results(self, html_text: str) -> list[engine.Found]:
        """Read the page; one odd result costs only itself. Addresses stay as they are."""
        try:
            items = self.extract_tree(html_text).xpath(self.items_xpath)
        except (etree.LxmlError, ValueError) as error:
            raise self.puzzled(html_text, "it is no HTML") from error
        found = [_found(item) for item in items]
        # What Bing sends behind the last page is not known, so only a first page must be framed.
        framed = not self._first or any(mark in html_text for mark in _FRAMES)
        challenged = any(mark in html_text for mark in self.challenges)
        readable = any(result.file_url for result in found)
        if not readable and (challenged or "iusc" in html_text or not framed):
            raise self.puzzled(html_text, "its results have another form than expected")
        return found

    def found(self, query: Query, page: int) -> list[engine.Found]:
        """Ask for one page; an empty list where there are no more."""
        safe = "on" if query.safe else "off"
        results = self.search(query.text, safesearch=safe, page=page, **query.filters)
        if results is None and self._first:
            raise SearchBroken(self.words, "it is empty")
        return results or []


def _found(item: etree._Element) -> engine.Found:
    """One result: JSON in an attribute, "1200 × 800 · jpeg" beside it. Odd ones have no address."""
    try:
        about = json.loads(item.xpath(".//a[contains(@class, 'iusc')]/@m")[0])
        address = about["murl"]
    except (LookupError, TypeError, ValueError, RecursionError):
        return engine.Found(None, None, None, None, None)
    said = item.xpath(".//div[contains(@class, 'img_info')]/span[@class='nowrap']/text()")
    width, _, rest = (said[0] if said else "").replace("×", "x").partition("x")  # noqa: RUF001
    height = (rest.split() or [""])[0]
    return engine.Found(address, about.get("purl"), about.get("t"), width, height)


def _said(name: str, value: str) -> str:
    """Our filter as Bing's `qft` has it."""
    if name == "kind":
        return _KINDS[value]
    if name == "licence":
        return _LICENCES[value]
    if name == "colour":
        plain = {"colour": "color", "monochrome": "bw"}
        return "color2-" + plain.get(value, f"FGcls_{value.upper()}")
    return {"size": "imagesize-", "layout": "aspect-"}[name] + value


def search(query: Query, connection: Connection) -> Iterator[Page]:
    """Yield pages of up to 35 hits."""
    yield from engine.pages(Bing(connection, query.safe), query)


PROVIDER = Provider("bing", "Bing", search, frozenset(FILTERS), safe=False)
