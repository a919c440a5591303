"""Asking a host: the name is looked up once, all its addresses are judged, and the connection
goes to the very address that was judged. Connections are kept for the next request."""

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
from curation.download.clock import Clock
from curation.download.errors import (
    BadAddress,
    BrokenAnswer,
    Insecure,
    NotPublic,
    Truncated,
    Unreachable,
)
from curation.download.limits import Limits

CHUNK = 64 * 1024
# Hosts whose connections are kept, those asked last: results of a search come from some dozens.
HOSTS_KEPT = 100
# What is left of an answer nobody wants is read to keep the connection, up to so many bytes and
# seconds.
WORTH_READING = 32 * 1024
WORTH_WAITING = 0.3

_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}

# Connections are made and used in the thread that fetches, far below our own frames.
_running = threading.local()


class _Watched:
    """A connection that shows itself to the clock of whoever uses it."""

    clock: Clock | None = None

    def connect(self) -> None:
        super().connect()
        _running.clock.attend(self)

    def request(self, *args, **kwargs) -> None:
        if self.sock is not None:  # kept from an earlier request
            _running.clock.attend(self)
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

    `requests` never sees more than its adapter: no session means no cookies, no proxies or
    passwords from the environment, and no redirects but those we follow ourselves.
    `connections`: kept of each host, at most.
    """

    def __init__(self, limits: Limits, connections: int):
        self._limits = limits
        self._tls = _tls(limits.ca_file or certifi.where())
        super().__init__(
            addresses.policy(limits.private),
            pool_connections=HOSTS_KEPT,
            pool_maxsize=connections,
        )

    def init_poolmanager(self, connections, maxsize, block=False, **kwargs) -> None:
        """Called by the base: as there, with our connections and one set of certificates."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._tls, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def cert_verify(self, conn, url, verify, cert) -> None:
        """Called by the base, which would name a certificate file: the context has read it."""

    def build_connection_pool_key_attributes(self, request, verify, cert=None):
        """Called by the base before each request: the look-up, in time, judged a second time."""
        named = request.headers["Host"]
        look_up = super().build_connection_pool_key_attributes
        host, pool = _running.clock.within(lambda: look_up(request, verify, cert))
        request.headers["Host"] = named  # the base has left the port out
        chosen = ipaddress.ip_address(host["host"])
        if not addresses.is_public(chosen, self._limits.private):
            raise AntiSSRFError(f"{chosen} is not public")
        return host, pool

    @contextlib.contextmanager
    def ask(self, target: Target, clock: Clock) -> Iterator[HTTPResponse]:
        """The answer's head; its body is still on the way, and is read with `body`.

        Raises NotPublic, Unreachable, Insecure, BrokenAnswer, and what the clock raises.
        """
        _running.clock = clock
        try:
            answer = self._send(target, clock)
            try:
                yield answer
            finally:
                _let_go(answer, clock)
        finally:
            clock.release()
            _running.clock = None

    def _send(self, target: Target, clock: Clock) -> HTTPResponse:
        left = clock.left()
        connect = min(self._limits.connect_seconds, left)
        try:
            return self.send(target.request, stream=True, timeout=(connect, left)).raw
        except (OSError, AntiSSRFError, TransportError, HTTPException, ValueError) as error:
            clock.check()  # cut off, or out of time: then that is the reason
            raise _reason(target.host, error) from error


@lru_cache(maxsize=4)
def _tls(ca_file: str) -> ssl.SSLContext:
    """Made once: to load the certificates anew costs more than a handshake."""
    return ssl.create_default_context(cafile=ca_file)


def body(answer: HTTPResponse, clock: Clock) -> Iterator[bytes]:
    """The body in pieces of at most `CHUNK` bytes, as sent. Raises Truncated, and as the clock."""
    received = 0
    while True:
        clock.check()
        try:
            piece = answer.read(CHUNK, decode_content=False)
        except (OSError, TransportError, HTTPException, ValueError) as error:
            clock.check()
            raise Truncated(received) from error
        if not piece:
            clock.check()  # a socket that was shut down looks like the end of the file
            return
        received += len(piece)
        yield piece


def _let_go(answer: HTTPResponse, clock: Clock) -> None:
    """Keep the connection if what is left of the answer comes at once, close it otherwise."""
    try:
        if (answer.length_remaining or 0) <= WORTH_READING:
            clock.hurry(WORTH_WAITING)
            ends = time.monotonic() + WORTH_WAITING
            while answer.length_remaining and time.monotonic() < ends:
                if not answer.read1(WORTH_READING, decode_content=False):
                    break
            if answer.length_remaining == 0:
                # Where there never was a body, nothing has told the connection yet that it is free.
                answer.read1(1, decode_content=False)
    except (OSError, TransportError, HTTPException, ValueError):
        answer.close()
    clock.release()
    if answer.length_remaining != 0:  # a connection whose answer was read to its end is kept
        answer.close()
    answer.release_conn()


def _reason(host: str, error: Exception) -> Exception:
    """The same error in our words: the innermost cause decides."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, AntiSSRFError):
            return NotPublic(host)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Insecure(host, f"its certificate is not good ({cause.verify_message})"[:120])
        if isinstance(cause, CertificateError):
            return Insecure(host, "its certificate is for another name")
        if isinstance(cause, ssl.SSLError | requests.exceptions.SSLError):
            return Insecure(host, "the handshake failed")
        if isinstance(cause, UnicodeError):
            return BadAddress("it has no usable host name")
        if isinstance(cause, socket.gaierror):
            unknown = cause.errno in _NO_SUCH_NAME
            why = "nobody knows the name" if unknown else "the name cannot be looked up now"
            return Unreachable(host, why, not unknown)
        if isinstance(cause, TimeoutError | requests.Timeout):
            return Unreachable(host, "no connection in time")
        if isinstance(cause, ConnectionRefusedError):
            return Unreachable(host, "it refuses connections")
        if isinstance(cause, ConnectionError):
            return Unreachable(host, "it closed the connection without an answer")
    if any(isinstance(cause, HTTPException | ValueError) for cause in causes):
        return BrokenAnswer(host)
    return Unreachable(host, "no connection")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it was made from, the innermost first."""
    inner = [*error.args, getattr(error, "reason", None), error.__cause__]
    for cause in inner:
        if isinstance(cause, BaseException):
            yield from _causes(cause)
    yield error
