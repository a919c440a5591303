"""HTTP requests to public addresses alone, over connections that are kept for the next request.

A name is looked up once for each request, all its addresses are checked, and the connection goes to
the address that was checked.
"""

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from http.client import HTTPException

import certifi
import requests
from AntiSSRF import AntiSSRFError

# The library's session has no way to size its pools or to give a certificate, its adapter has.
from AntiSSRF._antissrf_agent import _AntiSSRFAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError as TransportError
from urllib3.util.ssl_match_hostname import CertificateError

from curation.download import addresses
from curation.download.addresses import Target
from curation.download.deadline import Deadline
from curation.download.errors import (
    BadAddress,
    BrokenAnswer,
    DownloadError,
    Insecure,
    NotPublic,
    Truncated,
    Unreachable,
)
from curation.download.limits import Limits

CHUNK = 64 * 1024
# Hosts whose connections are kept: results of one search come from some dozens.
HOSTS_KEPT = 100
# The rest of an answer that is not needed is read so that its connection can be kept, up to these.
DRAIN_BYTES = 32 * 1024
DRAIN_SECONDS = 0.3

_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}

# The deadline of the fetch that runs in a thread: libraries make the connections, and pass no
# argument of ours on to them.
_current = threading.local()

# Cached, because to load the certificates costs more than a handshake.
_tls = lru_cache(maxsize=4)(ssl.create_default_context)


class _Watched:
    """Mixin: a connection that the deadline of the current fetch can shut down."""

    deadline: Deadline | None = None

    def connect(self) -> None:
        super().connect()
        _current.deadline.watch(self)

    def request(self, *args, **kwargs) -> None:
        if self.sock is not None:  # kept from an earlier request
            _current.deadline.watch(self)
        super().request(*args, **kwargs)


class _PlainConnection(_Watched, HTTPConnection):
    pass


class _SecureConnection(_Watched, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Transport(_AntiSSRFAdapter):
    """Sends requests to public hosts. Threads share it.

    It is an adapter of `requests` used without a session: so there are no cookies, no proxies or
    passwords from the environment, and no redirects but those we follow ourselves.
    `connections`: kept for each host, at most.
    """

    def __init__(self, limits: Limits, connections: int):
        self._limits = limits
        self._tls = _tls(cafile=limits.ca_file or certifi.where())
        super().__init__(
            addresses.policy(limits.private),
            pool_connections=HOSTS_KEPT,
            pool_maxsize=connections,
        )

    def init_poolmanager(self, connections, maxsize, block=False, **kwargs) -> None:
        """Make pools of our connections, with one set of certificates for all of them."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._tls, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def cert_verify(self, conn, url, verify, cert) -> None:
        """Do nothing: the TLS context has its certificates already."""

    def build_connection_pool_key_attributes(self, request, verify, cert=None):
        """Look the host up, within the time limit, and check the address by our own rule too."""
        host_header = request.headers["Host"]
        look_up = super().build_connection_pool_key_attributes
        host, pool = _current.deadline.run(lambda: look_up(request, verify, cert))
        request.headers["Host"] = host_header  # the base has left the port out
        address = ipaddress.ip_address(host["host"])
        if not addresses.is_public(address, self._limits.private):
            raise AntiSSRFError(f"{address} is not public")
        return host, pool

    @contextlib.contextmanager
    def response(self, target: Target, deadline: Deadline) -> Iterator[HTTPResponse]:
        """Send the request; give the response with its headers read. `read_body` reads the rest.

        Raises NotPublic, Unreachable, Insecure, BrokenAnswer, and what the deadline raises.
        """
        _current.deadline = deadline
        try:
            response = self._send(target, deadline)
            try:
                yield response
            finally:
                _release(response, deadline)
        finally:
            deadline.release()
            _current.deadline = None

    def _send(self, target: Target, deadline: Deadline) -> HTTPResponse:
        left = deadline.remaining()
        timeout = min(self._limits.connect_seconds, left), left
        try:
            return self.send(target.request, stream=True, timeout=timeout).raw
        except (OSError, AntiSSRFError, TransportError, HTTPException, ValueError) as error:
            deadline.check()  # if it ended the request, that is the reason
            raise _download_error(target.host, error) from error


def read_body(response: HTTPResponse, deadline: Deadline) -> Iterator[bytes]:
    """The body in pieces of up to `CHUNK` bytes. Raises Truncated and what the deadline raises."""
    received = 0
    while True:
        deadline.check()
        try:
            piece = response.read(CHUNK, decode_content=False)
        except (OSError, TransportError, HTTPException, ValueError) as error:
            deadline.check()
            raise Truncated(received) from error
        if not piece:
            deadline.check()  # a socket that was shut down looks like the end of the file
            return
        received += len(piece)
        yield piece


def _release(response: HTTPResponse, deadline: Deadline) -> None:
    """Keep the connection if the rest of the response comes at once, close it otherwise."""
    try:
        if (response.length_remaining or 0) <= DRAIN_BYTES:
            deadline.set_read_timeout(DRAIN_SECONDS)
            ends = time.monotonic() + DRAIN_SECONDS
            while response.length_remaining and time.monotonic() < ends:
                if not response.read1(DRAIN_BYTES, decode_content=False):
                    break
            if response.length_remaining == 0:
                # Where there was no body at all, the connection does not know yet that it is free.
                response.read1(1, decode_content=False)
    except (OSError, TransportError, HTTPException, ValueError):
        response.close()
    deadline.release()
    if response.length_remaining != 0:  # a connection whose response was read to its end is kept
        response.close()
    response.release_conn()


def _download_error(host: str, error: Exception) -> DownloadError:
    """Our error for a library's: the innermost cause decides."""
    causes = list(_causes(error))
    for cause in causes:
        match cause:
            case AntiSSRFError():
                return NotPublic(host)
            case ssl.SSLCertVerificationError():
                return Insecure(host, f"its certificate is not good ({cause.verify_message})"[:120])
            case CertificateError():
                return Insecure(host, "its certificate is for another name")
            case ssl.SSLError() | requests.exceptions.SSLError():
                return Insecure(host, "the handshake failed")
            case UnicodeError():
                return BadAddress("it has no usable host name")
            case socket.gaierror() if cause.errno in _NO_SUCH_NAME:
                return Unreachable(host, "nobody knows the name", temporary=False)
            case socket.gaierror():
                return Unreachable(host, "the name cannot be looked up now")
            case TimeoutError() | requests.Timeout():
                return Unreachable(host, "no connection in time")
            case ConnectionRefusedError():
                return Unreachable(host, "it refuses connections")
            case ConnectionError():
                return Unreachable(host, "it closed the connection without an answer")
    if any(isinstance(cause, HTTPException | ValueError) for cause in causes):
        return BrokenAnswer(host)
    return Unreachable(host, "no connection")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, the innermost first."""
    for cause in (*error.args, getattr(error, "reason", None), error.__cause__):
        if isinstance(cause, BaseException):
            yield from _causes(cause)
    yield error
