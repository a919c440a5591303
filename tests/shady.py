"""Web servers on loopback that send pictures, and servers that play tricks.

`with Shady() as shady: downloader.fetch(shady.url("image/7.jpg"))`. What a path does stands in
`tests.tricks`; `?…` gives it options. Every loopback address reaches the server, so 127.0.0.1 to
127.0.0.250 are as many hosts. Use `Shady(tls=True)` for https with a certificate made here.
`python -m tests.shady 8900` runs it alone; then `counts` tells what it has seen.
"""

import contextlib
import datetime
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

from curation.download import Downloader, DownloadError, Limits
from tests.tricks import TRICKS, picture, status

__all__ = ["LOOPBACK", "SOON", "Shady", "certificate", "names", "outcome", "picture"]

LOOPBACK = ("127.0.0.0/8", "::1/128")
CERTIFIED = ("localhost", "shoes.test")  # names in the certificate, besides 127.0.0.1 to .250
DRIP = 0.1  # seconds between two bytes
SOON = 8  # seconds: what takes longer than this did not end by itself


class Shady:
    """The server, and what it has seen. A context manager; threads may ask it at once.

    `requests`: path without options → times asked. `hosts`: host → times asked. `peak`: host →
    most requests at once; `peak_of_all` over all hosts. `connections`: made in all.
    """

    def __init__(self, *, tls: bool = False, address: str = "0.0.0.0", port: int = 0):
        self.tls = tls
        self.closing = threading.Event()
        self.requests: Counter[str] = Counter()
        self.hosts: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()
        self.peak_of_all = 0
        self.connections = 0
        self._now: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory()
        self.ca_file = ""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = type("Server", (_Server,), {"address_family": family})
        self._server = kind((address, port), Handler)
        self._server.shady = self
        self.port = self._server.server_address[1]
        if tls:
            self.ca_file, context = certificate(Path(self._folder.name))
            self._server.context = context

    def __enter__(self) -> "Shady":
        run = self._server.serve_forever
        threading.Thread(target=run, args=(0.05,), name="shady", daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._folder.cleanup()

    def url(self, path: str, host: str = "127.0.0.1", **options) -> str:
        """The address of a path at a host; `options` are quoted."""
        asked = "&".join(f"{name}={quote(str(value), '')}" for name, value in options.items())
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{host}:{self.port}/{path.lstrip('/')}" + (f"?{asked}" if asked else "")

    def limits(self, **changes) -> Limits:
        """Limits that let this server through, and are short: a test waits for them."""
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

    def came(self, host: str, path: str) -> None:
        with self._lock:
            self.requests[path] += 1
            self.hosts[host] += 1
            self._now[host] += 1
            self.peak[host] = max(self.peak[host], self._now[host])
            self.peak_of_all = max(self.peak_of_all, sum(self._now.values()))

    def went(self, host: str) -> None:
        with self._lock:
            self._now[host] -= 1

    def connected(self) -> None:
        with self._lock:
            self.connections += 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    context: ssl.SSLContext | None = None
    shady: Shady

    def verify_request(self, request, client_address) -> bool:
        return ipaddress.ip_address(client_address[0]).is_loopback

    def handle_error(self, request, client_address) -> None:
        """Clients go away in the middle: that is what they are asked to do here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: _Server

    def setup(self) -> None:
        self.shady = self.server.shady
        if self.server.context:  # in this thread, so that nobody waits for a slow handshake
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        self.shady.connected()
        super().setup()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.all_asked = parse_qs(parts.query, keep_blank_values=True)
        self.asked = {name: values[-1] for name, values in self.all_asked.items()}
        path = parts.path.strip("/")
        self.host = self.headers.get("Host", "").rpartition(":")[0]
        trick, _, self.rest = path.partition("/")
        self.shady.came(self.host, path)
        try:
            time.sleep(float(self.asked.get("wait", 0)))
            TRICKS.get(trick, status)(self)
        finally:
            self.gone()

    def gone(self) -> None:
        """This request counts no longer."""
        if self.host is not None:
            self.shady.went(self.host)
            self.host = None

    def answer(self, body: bytes = b"", status: int = 200, kind: str = "image/jpeg", **headers):
        """A whole and honest answer, but for headers given: None leaves one out."""
        usual = {"Content_Type": kind, "Content_Length": str(len(body))}
        self.send_response(status)
        for name, values in (usual | headers).items():
            for value in values if isinstance(values, list) else [values]:
                if value is not None:
                    self.send_header(name.replace("_", "-"), value)
        # Before the client can know that it is answered, and ask again.
        self.gone()
        self.end_headers()
        self.wfile.write(body)

    def raw(self, data: bytes) -> None:
        """Bytes as they are, and the end of the connection."""
        self.wfile.write(data)
        self.close_connection = True

    def pieces(self, data: bytes):
        """One piece after another, slowly, until the test is over."""
        while not self.shady.closing.is_set():
            yield data
            time.sleep(DRIP)

    def log_message(self, *_) -> None:
        pass


def outcome(downloader: Downloader, url: str) -> str:
    """The code of the refusal, or "fetched"; fails if there is none soon."""
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
def names(answers: dict[str, list[list[str]]], slow: dict[str, float] | None = None):
    """Names that resolve to what is given: the first list at the first look-up, then the next;
    the last one stays. `slow`: name → seconds a look-up takes. Yields a Counter of look-ups.

    Only the resolver of the machine is replaced; all other names and numbers go to the real one.
    """
    real, asked = socket.getaddrinfo, Counter()

    def resolve(host, port, family=0, kind=0, proto=0, flags=0):
        if host not in answers:
            return real(host, port, family, kind, proto, flags)
        time.sleep((slow or {}).get(host, 0))
        turn = min(asked[host], len(answers[host]) - 1)
        asked[host] += 1
        if not answers[host][turn]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        found = []
        for address in answers[host][turn]:
            v6 = ":" in address
            where = (address, port or 0, 0, 0) if v6 else (address, port or 0)
            family = socket.AF_INET6 if v6 else socket.AF_INET
            found.append((family, socket.SOCK_STREAM, 6, "", where))
        return found

    with mock.patch.object(socket, "getaddrinfo", resolve):
        yield asked


def certificate(folder: Path) -> tuple[str, ssl.SSLContext]:
    """A certificate that signs itself: its file, to be trusted, and a server's context with it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Shady")])
    hosts = [x509.DNSName(host) for host in CERTIFIED]
    hosts += [x509.IPAddress(ipaddress.ip_address(f"127.0.0.{n}")) for n in range(1, 251)]
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "shady.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + signed.public_bytes(pem))
    trusted = folder / "trusted.pem"
    trusted.write_bytes(signed.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return str(trusted), context


if __name__ == "__main__":
    with Shady(port=int(sys.argv[1])) as alone:
        print(alone.url(""), flush=True)
        threading.Event().wait()
