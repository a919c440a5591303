"""What `tests.misbehaving_server` does by the first part of the path: `PATHS` lists it."""

import json
import socket
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING

from tests.drawing import encoded, shoe

if TYPE_CHECKING:
    from tests.misbehaving_server import Handler


@lru_cache(maxsize=8192)
def picture(name: str, width: int = 160, height: int = 120) -> bytes:
    """The JPEG that `image/<name>` sends: the same for the same name."""
    return encoded(shoe((width, height), seed=zlib.crc32(name.encode())), "JPEG")


def _image(handler: "Handler") -> None:
    size = [int(side) for side in handler.options.get("size", "160x120").split("x")]
    handler.answer(picture(handler.rest, *size), kind=handler.options.get("as", "image/jpeg"))


def _redirect(handler: "Handler") -> None:
    hops = int(handler.rest)
    there = f"/redirect/{hops - 1}" if hops > 1 else "/image/end.jpg"
    handler.answer(b"Moved", int(handler.options.get("status", 302)), "text/plain", Location=there)


def _to(handler: "Handler") -> None:
    handler.answer(
        b"Moved",
        int(handler.options.get("status", 302)),
        "text/plain",
        Location=handler.options["url"],
    )


def _loop(handler: "Handler") -> None:
    handler.answer(b"Moved", 301, Location="/loop")


def status(handler: "Handler") -> None:
    status = int(handler.rest) if handler.rest.isdigit() else 404
    body = b"x" * int(handler.options.get("bytes", 20))
    handler.answer(body, status, "text/html", Retry_After=handler.options.get("after"))


def _flaky(handler: "Handler") -> None:
    """`flaky/<times>/<name>?how=<status, hangup or truncated>`, then a picture."""
    times = int(handler.rest.split("/")[0])
    if handler.owner.requests[f"flaky/{handler.rest}"] > times:
        return handler.answer(picture("end.jpg"))
    how = handler.options.get("how", "503")
    if how.isdigit():
        return handler.answer(b"later", int(how), Retry_After=handler.options.get("after"))
    return {"hangup": _hangup, "truncated": _truncated}[how](handler)


def _drip_body(handler: "Handler") -> None:
    handler.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for byte in handler.pieces(b"x"):
        handler.wfile.write(byte)


def _drip_headers(handler: "Handler") -> None:
    handler.raw(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for byte in handler.pieces(b"x"):
        handler.wfile.write(byte)


def _drip_chunk_size(handler: "Handler") -> None:
    handler.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for byte in handler.pieces(b"0"):
        handler.wfile.write(byte)


def _drip_until_closed(handler: "Handler") -> None:
    handler.raw(b"HTTP/1.1 200 OK\r\n\r\n")
    for byte in handler.pieces(b"x"):
        handler.wfile.write(byte)


def _drip_missing(handler: "Handler") -> None:
    handler.raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 20000\r\n\r\n")
    for byte in handler.pieces(b"x"):
        handler.wfile.write(byte)


def _stall_missing(handler: "Handler") -> None:
    handler.raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 20000\r\n\r\n")
    handler.owner.closing.wait()


def _drip_continue(handler: "Handler") -> None:
    handler.close_connection = True
    for line in handler.pieces(b"HTTP/1.1 100 Continue\r\n\r\n"):
        handler.wfile.write(line)


def _stall(handler: "Handler") -> None:
    handler.close_connection = True
    handler.owner.closing.wait()


def _endless(handler: "Handler") -> None:
    handler.raw(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n")
    while not handler.owner.closing.is_set():
        handler.wfile.write(b"\xff" * 65536)


def _endless_chunks(handler: "Handler") -> None:
    handler.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not handler.owner.closing.is_set():
        handler.wfile.write(b"10000\r\n" + b"\xff" * 65536 + b"\r\n")


def _endless_headers(handler: "Handler") -> None:
    handler.raw(b"HTTP/1.1 200 OK\r\n")
    while not handler.owner.closing.is_set():
        handler.wfile.write(b"X-More: " + b"x" * 1000 + b"\r\n")


def _length(handler: "Handler") -> None:
    """`length/<what is declared>`: the body has the length of a picture."""
    handler.answer(picture("end.jpg"), Content_Length=handler.rest.split(","))
    handler.close_connection = True


def _truncated(handler: "Handler") -> None:
    body = picture("end.jpg")
    handler.answer(body[: len(body) // 2], Content_Length=str(len(body)))
    handler.close_connection = True


def _truncated_chunks(handler: "Handler") -> None:
    handler.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + b"x" * 1000)


def _gzip(handler: "Handler") -> None:
    packer = zlib.compressobj(9, wbits=31)
    body = packer.compress(bytes(int(handler.options.get("bytes", 50_000_000)))) + packer.flush()
    handler.answer(body, Content_Encoding=handler.options.get("as", "gzip"))


def _coding(handler: "Handler") -> None:
    handler.answer(picture("end.jpg"), Content_Encoding=handler.rest)


def _hangup(handler: "Handler") -> None:
    handler.close_connection = True


def _reset(handler: "Handler") -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    handler.close_connection = True
    handler.connection.close()


def _robots(handler: "Handler") -> None:
    """`robots?tag=…&tag=…`: one header line each."""
    handler.answer(picture("end.jpg"), X_Robots_Tag=handler.option_lists["tag"])


def _html(handler: "Handler") -> None:
    handler.answer(
        b"<!doctype html><title>Shoes</title>", kind=handler.options.get("as", "image/jpeg")
    )


def _garbage(handler: "Handler") -> None:
    handler.raw(bytes.fromhex(handler.rest) or b"\x16\x03\x01 this is no HTTP\r\n\r\n")


def _echo(handler: "Handler") -> None:
    """The request, as JSON: headers, path and the address it came in at. Sets a cookie."""
    seen = {
        "headers": dict(handler.headers),
        "at": handler.connection.getsockname()[0],
        "path": handler.path,
    }
    handler.answer(json.dumps(seen).encode(), Set_Cookie="session=1; Path=/")


def _counts(handler: "Handler") -> None:
    """The server's counts, as JSON: for whoever runs it in another process."""
    with handler.owner._lock:
        names = ("requests", "hosts", "peak", "peak_of_all", "connections")
        seen = {name: getattr(handler.owner, name) for name in names}
        body = json.dumps(seen).encode()
    handler.answer(body, kind="application/json")


PATHS = {
    "image": _image, "redirect": _redirect, "to": _to, "loop": _loop, "status": status,
    "flaky": _flaky, "drip-body": _drip_body, "drip-headers": _drip_headers,
    "drip-chunk-size": _drip_chunk_size, "drip-until-closed": _drip_until_closed,
    "drip-missing": _drip_missing, "drip-continue": _drip_continue, "stall": _stall,
    "stall-missing": _stall_missing,
    "endless": _endless, "endless-chunks": _endless_chunks, "endless-headers": _endless_headers,
    "length": _length, "truncated": _truncated, "truncated-chunks": _truncated_chunks,
    "gzip": _gzip, "coding": _coding, "hangup": _hangup, "reset": _reset, "robots": _robots,
    "html": _html, "empty": lambda handler: handler.answer(), "garbage": _garbage, "echo": _echo,
    "counts": _counts,
}  # fmt: skip
