"""DuckDuckGo's image search.

It serves results (Bing's, in the main) as JSON to those who hold a token, the `vqd`, that the
page of the same query gives out. ddgs fetches one for every page; here one serves all of them.
"""

import json
from collections.abc import Iterator

from ddgs.engines.duckduckgo_images import DuckduckgoImages
from ddgs.exceptions import DDGSException
from ddgs.utils import _extract_vqd

from curation.search import engine
from curation.search.errors import SearchBroken
from curation.search.query import FILTERS, Connection, Page, Provider, Query

_SAID = {  # our filter and value → DuckDuckGo's, where capitals alone do not make it
    "colour": {"colour": "color"},
    "licence": {
        "any": "any",
        "share-commercially": "ShareCommercially",
        "modify-commercially": "ModifyCommercially",
    },
}
_ARGUMENTS = {  # our filter → the argument of ddgs's build_payload
    "kind": "type_image",
    "size": "size",
    "colour": "color",
    "layout": "layout",
    "licence": "license_image",
}


class DuckDuckGo(engine.Checked, DuckduckgoImages):
    """ddgs's engine: its request and its names for things, our reading of the answer."""

    words = "DuckDuckGo"
    page_size = 100
    challenges = ("anomaly-modal", "anomaly.js", "challenge-form", "bots use DuckDuckGo too")

    def __init__(self, connection: Connection, safe: bool):
        super().__init__(connection)
        self._vqd = ""
        self._proven = False  # whether a page was had with this token
        # Sources disagree about strict. DuckDuckGo documents the setting: kp=1, kept in the cookie
        # p=1. Its web search was seen to send `p=1` when strict and `ex=-1` when moderate. ddgs
        # sends `p=1` to i.js for both, so that the parameter alone may be moderate. SearXNG sends
        # i.js parameter and cookie. The strictest is both, on the page of the token as well.
        # Safe search off is the cookie p=-2 and, as ddgs has it, the parameter p=-1.
        cookie = {"p": "1" if safe else "-2"}
        self.http_client.client.set_cookies("https://duckduckgo.com", cookie)

    def _get_vqd(self, query: str) -> str:
        """Return the query's token, fetched once."""
        if not self._vqd:
            page = self.http_client.request("GET", "https://duckduckgo.com", params={"q": query})
            try:
                self._vqd = _extract_vqd(page.content, query)
            except (DDGSException, UnicodeDecodeError) as error:
                raise self.puzzled(page.text, "its page holds no token (vqd)") from error
            self._proven = False
        return self._vqd

    def request(self, method: str, url: str, *, params: dict[str, str]) -> str:
        """Return the body; fetch another token, once, where one that was good is refused."""
        answer = self.http_client.send(method, url, params=params)
        ran_out = answer.status_code == 403 and "retry-after" not in answer.headers
        if ran_out and self._proven:
            self._vqd = ""
            params = params | {"vqd": self._get_vqd(params["q"])}
            answer = self.http_client.send(method, url, params=params)
        text = self.http_client.checked(answer).text
        self._proven = True
        return text

    def extract_results(self, html_text: str) -> list[engine.Found]:
        """Read the JSON. Addresses stay as they are: ddgs decodes %2F and the like in them."""
        try:
            items = json.loads(html_text)["results"]
            return [
                engine.Found(
                    *(item.get(key) for key in ("image", "url", "title", "width", "height"))
                )
                for item in items
            ]
        except (ValueError, RecursionError) as error:
            raise self.puzzled(html_text, "it is no JSON") from error
        except (LookupError, TypeError, AttributeError) as error:
            raise self.puzzled(html_text, "it holds no list of results") from error

    def found(self, query: Query, page: int) -> list[engine.Found]:
        """Ask for one page; an empty list where there are no more."""
        asked = {_ARGUMENTS[name]: _said(name, value) for name, value in query.filters.items()}
        safe = "on" if query.safe else "off"
        results = self.search(query.text, safesearch=safe, page=page, **asked)
        if results is None:
            raise SearchBroken(self.words, "it is empty")
        return results


def _said(name: str, value: str) -> str:
    """Our filter's value as DuckDuckGo spells it."""
    if name == "kind":
        return value
    return _SAID.get(name, {}).get(value, value.capitalize())


def search(query: Query, connection: Connection) -> Iterator[Page]:
    """Yield pages of up to 100 hits."""
    yield from engine.pages(DuckDuckGo(connection, query.safe), query)


PROVIDER = Provider("duckduckgo", "DuckDuckGo", search, frozenset(FILTERS), safe=True)
