"""DuckDuckGo and Bing for tests: a proxy on this machine that answers in their place, over TLS.

    with Engines() as engines:
        engines.put("chelsea boots", [Result("https://shop.example/1.jpg", title="A boot")])
        search.PROVIDERS["duckduckgo"].search(Query("chelsea boots"), engines.connection())
        engines.requests  # in order

It serves search results alone, not the files they name.
"""

import hashlib
import html
import json
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from curation.search import Connection
from tests.authority import Authority

DUCKDUCKGO, BING = "duckduckgo", "bing"
HOSTS = {"duckduckgo.com": DUCKDUCKGO, "www.bing.com": BING}
DUCKDUCKGO_PAGE = 100


class Result(NamedTuple):
    """What an engine says of one picture."""

    file_url: str | None
    page_url: str | None = "https://shop.example/page"
    title: str | None = "A shoe"
    width: int | str | None = 800
    height: int | str | None = 600


@dataclass(frozen=True)
class Request:
    """One request that came in."""

    engine: str
    path: str  # "/" (the page with the token), "/i.js", "/images/async"
    params: dict[str, str]
    cookies: dict[str, str]
    connection: int  # the same number for requests that came through one connection
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Fault:
    """An answer in place of the usual one. `path`, `engine`: to which requests; "" to all."""

    status: int = 200
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0  # waited before the answer
    close: bool = False  # no answer: the connection is closed
    instead: bool = True  # False: only waits, then answers as ever
    engine: str = ""
    path: str = ""


class Engines:
    """Both engines. Tests put in results and faults; threads and processes may send requests."""

    def __init__(self, default: Callable[[str, str], Sequence[Result]] | None = None):
        """`default(engine, query)` gives results to queries for which `put` was not called."""
        self._default = default or (lambda engine, query: ())
        self._results: dict[tuple[str, str], list[Result]] = {}
        self._faults: list[Fault] = []
        self._generation = 0
        self._lock = threading.Lock()
        self.requests: list[Request] = []
        self.repeat_last = False  # behind the last page comes the last page, for ever

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="engines-")
        self._authority = Authority(Path(self._folder.name))
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.proxy = f"http://127.0.0.1:{self._server.server_port}"
        self.ca_file = str(self._authority.ca_file)
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        self._folder.cleanup()

    def connection(self, timeout: float = 10.0) -> Connection:
        """How curation.search reaches this server."""
        return Connection(proxy=self.proxy, ca_file=self.ca_file, timeout=timeout)

    def put(self, query: str, results: Iterable[Sequence], engine: str = "") -> None:
        """Set the results of a query, for one engine or for both."""
        results = [Result(*result) for result in results]
        for name in [engine] if engine else [DUCKDUCKGO, BING]:
            self._results[name, query] = results

    def fail(self, fault: Fault, times: int = 1) -> None:
        """Answer with the fault the next times that it matches a request."""
        with self._lock:
            self._faults += [fault] * times

    def refuse(self, status=429, retry_after=None, times=1, *, engine="", path="", body="") -> None:
        """Answer the next requests with a status, and a Retry-After if given."""
        headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
        self.fail(Fault(status, body, headers, engine=engine, path=path), times)

    def expire_tokens(self) -> None:
        """Make DuckDuckGo refuse every token it gave out so far."""
        with self._lock:
            self._generation += 1

    def params(self, path: str) -> list[dict[str, str]]:
        """Parameters of the requests for a path, in order."""
        return [request.params for request in self.requests if request.path == path]

    # --- used by the server --------------------------------------------------------------------

    def note(self, request: Request) -> Fault | None:
        """Record a request; return the fault that matches it, if any."""
        with self._lock:
            self.requests.append(request)
            for fault in self._faults:
                if fault.engine in ("", request.engine) and fault.path in ("", request.path):
                    self._faults.remove(fault)
                    return fault
        return None

    def token(self, query: str) -> str:
        """The vqd of a query."""
        seed = f"{self._generation} {query}".encode()
        return f"4-{int.from_bytes(hashlib.sha256(seed).digest()[:12])}"

    def page(self, engine: str, query: str, start: int, count: int) -> tuple[list[Result], bool]:
        """Results from `start`, counted from 0, and whether more follow."""
        results = self._results.get((engine, query))
        if results is None:
            results = list(self._default(engine, query))
        if self.repeat_last and results and start >= len(results):
            start = (len(results) - 1) // count * count
        return results[start : start + count], start + count < len(results)

    def context(self, host: str) -> ssl.SSLContext:
        """The TLS context that answers for a host."""
        with self._lock:
            return self._authority.context(host)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, engines: Engines):
        self.engines = engines
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request, client_address):
        """Do nothing: clients that hang up, or do not trust the certificate, are part of tests."""

    def hang_up(self):
        """Close the connections that clients keep."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    host = ""

    def setup(self):
        super().setup()
        self.server._open.add(self.connection)

    def finish(self):
        self.server._open.discard(self.connection)
        super().finish()
        self.connection.close()

    def log_message(self, *args):
        pass

    def do_CONNECT(self):
        """Accept the tunnel, and answer in it as the requested host, over TLS."""
        self.host = self.path.rpartition(":")[0].lower()
        context = self.server.engines.context(self.host)
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.server._open.discard(self.connection)
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.server._open.add(self.connection)
        self.rfile = self.connection.makefile("rb", self.rbufsize)
        self.wfile = self.connection.makefile("wb")
        self.close_connection = False

    def do_GET(self):
        engine = HOSTS.get(self.host)
        parts = urlsplit(self.path)
        if not engine or parts.scheme:
            return self._answer(404, "text/plain", "No such engine")
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        cookies = {k: v.value for k, v in SimpleCookie(self.headers.get("Cookie", "")).items()}
        request = Request(engine, parts.path, params, cookies, id(self.connection))
        if (fault := self.server.engines.note(request)) and self._fail(fault):
            return None
        answer = {
            (DUCKDUCKGO, "/"): self._duckduckgo_page,
            (DUCKDUCKGO, "/i.js"): self._duckduckgo_results,
            (BING, "/images/async"): self._bing_results,
        }.get((engine, parts.path))
        if not answer:
            return self._answer(404, "text/html", "<html>No such page</html>")
        return answer(params)

    def _fail(self, fault: Fault) -> bool:
        """Answer with a fault; False where the request gets its usual answer, too."""
        time.sleep(fault.seconds)
        if fault.close:
            self.close_connection = True
        elif fault.instead:
            self._answer(fault.status, "text/html; charset=utf-8", fault.body, fault.headers)
        return fault.close or fault.instead

    def _answer(self, status: int, kind: str, body: str, headers=()):
        data = body.encode("utf-8", "surrogatepass")
        self.send_response(status)
        for name, value in [("Content-Type", kind), ("Content-Length", len(data)), *headers]:
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def _duckduckgo_page(self, params):
        token = self.server.engines.token(params.get("q", ""))
        page = f'<!DOCTYPE html><html><script>nrj="/d.js";vqd="{token}";</script></html>'
        self._answer(200, "text/html; charset=UTF-8", page)

    def _duckduckgo_results(self, params):
        engines, query = self.server.engines, params.get("q", "")
        if params.get("vqd") != engines.token(query):
            return self._answer(403, "text/html", "If this error persists, please let us know")
        start = int(params.get("s", 0))
        results, more = engines.page(DUCKDUCKGO, query, start, DUCKDUCKGO_PAGE)
        keys = ("image", "url", "title", "width", "height")
        items = [dict(zip(keys, each, strict=True)) for each in results]
        answer = {"ads": None, "query": query, "queryEncoded": query, "results": items}
        if more:
            answer["next"] = "i.js?" + urlencode({"q": query, "s": start + DUCKDUCKGO_PAGE})
        return self._answer(200, "application/x-javascript", json.dumps(answer))

    def _bing_results(self, params):
        first, count = int(params.get("first", 1)), int(params.get("count", 35))
        results, _ = self.server.engines.page(BING, params.get("q", ""), first - 1, count)
        items = "".join(_bing_result(result) for result in results)
        page = f'<div class="dgControl hover"><ul class="dgControl_list">{items}</ul></div>'
        self._answer(200, "text/html; charset=utf-8", page)


def _bing_result(result: Result) -> str:
    about = {"murl": result.file_url, "purl": result.page_url, "t": result.title, "turl": "x"}
    about = html.escape(json.dumps({k: v for k, v in about.items() if v is not None}))
    size = f"{result.width} × {result.height} · jpeg" if result.width else ""
    return (
        f'<li><div class="iuscp"><div class="imgpt"><a class="iusc" m="{about}" href="/x"></a>'
        f'<div class="img_info hon"><span class="nowrap">{size}</span></div></div>'
        '<div class="infopt"><div class="lnkw"><a href="/x">shop.example</a></div></div></div></li>'
    )
