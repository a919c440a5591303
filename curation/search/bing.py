"""Bing's image search.

ddgs sends it neither safe search nor filters; here both are sent as Bing's own pages send them.
Whether strict safe search works in this way could not be tested against Bing itself, so it is not
relied on until an operator has tried it (`COLLECT_BING_SAFE`).
"""

import json
from functools import partial
from typing import Any

from ddgs.engines.bing_images import BingImages
from lxml import etree

from curation.search import engine
from curation.search.query import FILTERS, Connection, Provider

# Our filter → value → Bing's, in its parameter `qft`.
_FILTER_VALUES = {
    "kind": {
        "photo": "photo-photo",
        "clipart": "photo-clipart",
        "line": "photo-linedrawing",
        "gif": "photo-animatedgif",
        "transparent": "photo-transparent",
    },
    "size": {size: f"imagesize-{size}" for size in FILTERS["size"]},
    "colour": {
        **{colour: f"color2-FGcls_{colour.upper()}" for colour in FILTERS["colour"]},
        "colour": "color2-color",
        "monochrome": "color2-bw",
    },
    "layout": {layout: f"aspect-{layout}" for layout in FILTERS["layout"]},
    "licence": {
        "any": "licenseType-Any",
        "public": "license-L1",
        "share": "license-L2_L3_L4_L5_L6_L7",
        "share-commercially": "license-L2_L3_L4",
        "modify": "license-L2_L3_L5_L6",
        "modify-commercially": "license-L2_L3",
    },
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
        self.http_client.client.set_cookies(
            "https://www.bing.com", {"SRCHHPGUSR": "ADLT=STRICT" if safe else "ADLT=OFF"}
        )

    def build_payload(
        self, query: str, region: str, safesearch: str, timelimit: None, page: int, **filters: str
    ) -> dict[str, Any]:
        """Add safe search and filters to ddgs's parameters."""
        self._first = page == 1
        payload = super().build_payload(query, region, safesearch, timelimit, page)
        payload["adlt"] = {"on": "strict", "off": "off"}[safesearch]
        if filters:
            payload["qft"] = "".join(
                f"+filterui:{_FILTER_VALUES[name][value]}" for name, value in filters.items()
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


PROVIDER = Provider(
    "bing", Bing.provider_name, partial(engine.pages, Bing), frozenset(FILTERS), safe=False
)
