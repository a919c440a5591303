"""DuckDuckGo's image search.

It serves results, mostly Bing's, as JSON to requests with a token, the `vqd`, that the query's web
page holds. ddgs fetches a token for every page of results; here one is used for all of them.
"""

import json
from functools import partial

from ddgs.engines.duckduckgo_images import DuckduckgoImages
from ddgs.exceptions import DDGSException
from ddgs.utils import _extract_vqd

from curation.search import engine
from curation.search.query import FILTERS, Connection, Provider, Query

_FILTER_VALUES = {  # our filter and value → DuckDuckGo's, where that is not our value capitalised
    "kind": {kind: kind for kind in FILTERS["kind"]},
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


class DuckDuckGo(engine.CheckedEngine, DuckduckgoImages):
    """ddgs's engine with its request, and our own token handling and parsing."""

    provider_name = "DuckDuckGo"
    page_size = 100
    challenge_marks = ("anomaly-modal", "anomaly.js", "challenge-form", "bots use DuckDuckGo too")

    def __init__(self, connection: Connection, safe: bool):
        super().__init__(connection)
        self._vqd = ""
        self._token_worked = False  # for a page of results
        # Sources disagree how strict safe search is requested. DuckDuckGo documents the setting
        # kp=1, kept in the cookie p=1. Its web search was seen to send `p=1` when strict and
        # `ex=-1` when moderate. ddgs sends `p=1` to i.js for both, so the parameter alone may mean
        # moderate. SearXNG sends both parameter and cookie to i.js. So both are sent, for the
        # token's page, too. Safe search off is the cookie p=-2 and, as in ddgs, the parameter p=-1.
        self.http_client.client.set_cookies("https://duckduckgo.com", {"p": "1" if safe else "-2"})

    def _get_vqd(self, query: str) -> str:
        """Return the query's token, which is fetched once."""
        if not self._vqd:
            page = self.http_client.request("GET", "https://duckduckgo.com", params={"q": query})
            try:
                self._vqd = _extract_vqd(page.content, query)
            except (DDGSException, UnicodeDecodeError) as error:
                raise self.unreadable(page.text, "its page holds no token (vqd)") from error
            self._token_worked = False
        return self._vqd

    def request(self, method: str, url: str, *, params: dict[str, str]) -> str:
        """Return the body; where a token that worked is refused, try once more with a new one."""
        answer = self.http_client.send(method, url, params=params)
        expired = answer.status_code == 403 and "retry-after" not in answer.headers
        if expired and self._token_worked:
            self._vqd = ""
            params = params | {"vqd": self._get_vqd(params["q"])}
            answer = self.http_client.send(method, url, params=params)
        text = self.http_client.checked(answer).text
        self._token_worked = True
        return text

    def extract_results(self, html_text: str) -> list[engine.RawResult]:
        """Parse the JSON. Addresses are not decoded, as ddgs would: %2F and the like must stay."""
        try:
            items = json.loads(html_text)["results"]
            return [
                engine.RawResult(
                    *(item.get(key) for key in ("image", "url", "title", "width", "height"))
                )
                for item in items
            ]
        except (ValueError, RecursionError) as error:
            raise self.unreadable(html_text, "it is no JSON") from error
        except (LookupError, TypeError, AttributeError) as error:
            raise self.unreadable(html_text, "it holds no list of results") from error

    def filters(self, query: Query) -> dict[str, str]:
        """Return the query's filters as keyword arguments of `build_payload`."""
        return {
            _ARGUMENTS[name]: _FILTER_VALUES.get(name, {}).get(value, value.capitalize())
            for name, value in query.filters.items()
        }


PROVIDER = Provider(
    "duckduckgo",
    DuckDuckGo.provider_name,
    partial(engine.pages, DuckDuckGo),
    frozenset(FILTERS),
    safe=True,
)
