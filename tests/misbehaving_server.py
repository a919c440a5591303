"""A web server on loopback that sends pictures, or misbehaves, as the path says.

`with MisbehavingServer() as server: downloader.fetch(server.url("image/7.jpg"))`. The paths are
those of `tests.misbehaviours`; `?…` gives options. Every loopback address reaches the server, so
127.0.0.1 to 127.0.0.250 are as many hosts. `MisbehavingServer(tls=True)` speaks https with a
certificate made here. `python -m tests.misbehaving_server 8900` runs it alone; then the path
`counts` returns the numbers of requests.
"""

import contextlib
import ipaddress
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock
from urllib.parse import parse_qs, quote, urlsplit

from curation.download.errors import DownloadError
from curation.download.fetch import Downloader
from curation.download.limits import Limits
from tests.authority import Authority
from tests.misbehaviours import PATHS, picture, status

__all__ = ["LOOPBACK", "SOON", "MisbehavingServer", "outcome", "picture", "resolving"]

LOOPBACK = ("127.0.0.0/8", "::1/128")
CERTIFIED = ("localhost", "shoes.test", *(f"127.0.0.{n}" for n in range(1, 251)))
DRIP = 0.1  # seconds between two bytes
SOON = 8  # seconds: what takes longer than this did not end by itself


class MisbehavingServer:
    """The server, and counts of its requests. A context manager.

    `requests`: path without options → requests. `hosts`: host → requests. `peak`: host → most
    requests at once; `peak_of_all` over all hosts. `connections`: made in all.
    """

    def __init__(self, *, tls: bool = False, address: str = "0.0.0.0", port: int = 0):
        self.tls = tls
        self.closing = threading.Event()
        self.requests: Counter[str] = Counter()
        self.hosts: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()
        self.peak_of_all = 0
        self.connections = 0
        self._running: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory()
        self.ca_file = ""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = type("Server", (_Server,), {"address_family": family})
        self._server = kind((address, port), Handler)
        self._server.owner = self
        self.port = self._server.server_address[1]
        if tls:
            authority = Authority(Path(self._folder.name))
            self.ca_file = str(authority.ca_file)
            self._server.context = authority.context(*CERTIFIED)

    def __enter__(self) -> "MisbehavingServer":
        run = self._server.serve_forever
        threading.Thread(target=run, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._folder.cleanup()

    def url(self, path: str, host: str = "127.0.0.1", **options) -> str:
        """The address of a path at a host; `options` are quoted."""
        query = "&".join(f"{name}={quote(str(value), '')}" for name, value in options.items())
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{host}:{self.port}/{path.lstrip('/')}" + (f"?{query}" if query else "")

    def limits(self, **changes) -> Limits:
        """Limits that allow this server and are short, because tests wait for them."""
        usual = {
            "max_bytes": 300_000,
            "seconds": 10.0,
            "connect_seconds": 2.0,
            "redirects": 4,
            "tries": 2,
            "ports": frozenset({80, 443, self.port}),
            "private": LOOPBACK,
            "ca_file": self.ca_file,
        }
        return Limits(**usual | changes)

    def request_began(self, host: str, path: str) -> None:
        with self._lock:
            self.requests[path] += 1
            self.hosts[host] += 1
            self._running[host] += 1
            self.peak[host] = max(self.peak[host], self._running[host])
            self.peak_of_all = max(self.peak_of_all, sum(self._running.values()))

    def request_ended(self, host: str) -> None:
        with self._lock:
            self._running[host] -= 1

    def connection_made(self) -> None:
        with self._lock:
            self.connections += 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    context: ssl.SSLContext | None = None
    owner: MisbehavingServer

    def verify_request(self, request, client_address) -> bool:
        return ipaddress.ip_address(client_address[0]).is_loopback

    def handle_error(self, request, client_address) -> None:
        """Do nothing: here clients are meant to hang up in the middle."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: _Server

    def setup(self) -> None:
        self.owner = self.server.owner
        if self.server.context:  # in this thread, so that nobody waits for a slow handshake
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        self.owner.connection_made()
        super().setup()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.option_lists = parse_qs(parts.query, keep_blank_values=True)
        self.options = {name: values[-1] for name, values in self.option_lists.items()}
        path = parts.path.strip("/")
        self.host = self.headers.get("Host", "").rpartition(":")[0]
        first, _, self.rest = path.partition("/")
        self.owner.request_began(self.host, path)
        try:
            time.sleep(float(self.options.get("wait", 0)))
            PATHS.get(first, status)(self)
        finally:
            self.end_request()

    def end_request(self) -> None:
        """Count this request as ended."""
        if self.host is not None:
            self.owner.request_ended(self.host)
            self.host = None

    def answer(self, body: bytes = b"", status: int = 200, kind: str = "image/jpeg", **headers):
        """Send a whole and honest answer, but for headers given: None leaves one out."""
        usual = {"Content_Type": kind, "Content_Length": str(len(body))}
        self.send_response(status)
        for name, values in (usual | headers).items():
            for value in values if isinstance(values, list) else [values]:
                if value is not None:
                    self.send_header(name.replace("_", "-"), value)
        # Before the client can see the answer and send its next request.
        self.end_request()
        self.end_headers()
        self.wfile.write(body)

    def raw(self, data: bytes) -> None:
        """Send bytes as they are; the connection ends after this request."""
        self.wfile.write(data)
        self.close_connection = True

    def pieces(self, data: bytes):
        """Yield `data` slowly, again and again, until the test is over."""
        while not self.owner.closing.is_set():
            yield data
            time.sleep(DRIP)

    def log_message(self, *_) -> None:
        pass


def outcome(downloader: Downloader, url: str) -> str:
    """The code of the error, or "fetched"; fails if there is neither within SOON."""
    pool = ThreadPoolExecutor(1)
    try:
        with pool.submit(downloader.fetch, url).result(timeout=SOON):
            return "fetched"
    except DownloadError as error:
        assert 10 < len(error.detail) <= 200
        return error.code
    finally:
        pool.shutdown(wait=False)


@contextlib.contextmanager
def resolving(answers: dict[str, list[list[str]]], slow: dict[str, float] | None = None):
    """Resolve these names to the addresses given: to the first list at the first look-up, then to
    the next one; the last one stays. `slow`: name → seconds a look-up takes. Yields a Counter of
    look-ups by name. All other names go to the machine's own resolver.
    """
    real, lookups = socket.getaddrinfo, Counter()

    def resolve(host, port, family=0, kind=0, proto=0, flags=0):
        if host not in answers:
            return real(host, port, family, kind, proto, flags)
        time.sleep((slow or {}).get(host, 0))
        turn = min(lookups[host], len(answers[host]) - 1)
        lookups[host] += 1
        if not answers[host][turn]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        results = []
        for address in answers[host][turn]:
            v6 = ":" in address
            sockaddr = (address, port or 0, 0, 0) if v6 else (address, port or 0)
            family = socket.AF_INET6 if v6 else socket.AF_INET
            results.append((family, socket.SOCK_STREAM, 6, "", sockaddr))
        return results

    with mock.patch.object(socket, "getaddrinfo", resolve):
        yield lookups


if __name__ == "__main__":
    with MisbehavingServer(port=int(sys.argv[1])) as server:
        print(server.url(""), flush=True)
        threading.Event().wait()
