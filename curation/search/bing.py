"""Bing's image search.

ddgs sends it neither safe search nor filters; here both are sent as Bing's own pages send them.
Whether strict safe search works in this way could not be tested against Bing itself, so it is not
relied on until an operator has tried it (`COLLECT_BING_SAFE`).
"""

import json
from collections.abc import Iterator
from typing import Any

from ddgs.engines.bing_images import BingImages
from lxml import etree

from curation.search import engine
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
# Marks of a result page, even of one without results.
_PAGE_MARKS = ("dgControl", "mmComponent_images", "no_results", "no-results")


class Bing(engine.CheckedEngine, BingImages):
    """ddgs's engine with its request and XPaths, and our own parsing."""

    provider_name = "Bing"
    page_size = 35  # as Bing's own pages request; the next page's offset relies on it
    may_end_empty = True
    challenge_marks = ("/turnstile/", "b_captcha", "CaptchaChallenge")

    def __init__(self, connection: Connection, safe: bool):
        super().__init__(connection)
        level = "ADLT=STRICT" if safe else "ADLT=OFF"
        self.http_client.client.set_cookies("https://www.bing.com", {"SRCHHPGUSR": level})

    def build_payload(
        self, query: str, region: str, safesearch: str, timelimit: None, page: int, **filters: str
    ) -> dict[str, Any]:
        """Add safe search and filters to ddgs's parameters."""
        self._first = page == 1
        payload = super().build_payload(query, region, safesearch, timelimit, page)
        payload["adlt"] = {"on": "strict", "off": "off"}[safesearch]
        if filters:
            payload["qft"] = "".join(
                f"+filterui:{_filter_value(*item)}" for item in filters.items()
            )
        return payload

    def extract_results(self, html_text: str) -> list[engine.RawResult]:
        """Parse the page; a malformed result has no address. Addresses are not decoded."""
        try:
            items = self.extract_tree(html_text).xpath(self.items_xpath)
        except (etree.LxmlError, ValueError) as error:
            raise self.unreadable(html_text, "it is no HTML") from error
        results = [_raw_result(item) for item in items]
        # What Bing sends after the last page is not known, so only a first page needs the marks.
        is_result_page = not self._first or any(mark in html_text for mark in _PAGE_MARKS)
        challenged = any(mark in html_text for mark in self.challenge_marks)
        readable = any(result.file_url for result in results)
        if not readable and (challenged or "iusc" in html_text or not is_result_page):
            raise self.unreadable(html_text, "its results have another form than expected")
        return results


def _raw_result(item: etree._Element) -> engine.RawResult:
    """Parse one result: JSON in an attribute, and the text "1200 × 800 · jpeg" beside it."""
    try:
        about = json.loads(item.xpath(".//a[contains(@class, 'iusc')]/@m")[0])
        address = about["murl"]
    except (LookupError, TypeError, ValueError, RecursionError):
        return engine.RawResult(None, None, None, None, None)
    sizes = item.xpath(".//div[contains(@class, 'img_info')]/span[@class='nowrap']/text()")
    width, _, rest = (sizes[0] if sizes else "").replace("×", "x").partition("x")  # noqa: RUF001
    height = (rest.split() or [""])[0]
    return engine.RawResult(address, about.get("purl"), about.get("t"), width, height)


def _filter_value(name: str, value: str) -> str:
    """Return a filter's value as Bing's parameter `qft` spells it."""
    if name == "kind":
        return _KINDS[value]
    if name == "licence":
        return _LICENCES[value]
    if name == "colour":
        special = {"colour": "color", "monochrome": "bw"}
        return "color2-" + special.get(value, f"FGcls_{value.upper()}")
    return {"size": "imagesize-", "layout": "aspect-"}[name] + value


def search(query: Query, connection: Connection) -> Iterator[Page]:
    """Yield pages of up to 35 hits."""
    yield from engine.pages(Bing(connection, query.safe), query)


PROVIDER = Provider("bing", "Bing", search, frozenset(FILTERS), safe=False)
