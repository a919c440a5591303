"""What the paths of `tests.shady` do: `TRICKS` names them all. `to` is the handler asked."""

import json
import socket
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING

from tests.drawing import encoded, shoe

if TYPE_CHECKING:
    from tests.shady import Handler


@lru_cache(maxsize=8192)
def picture(name: str, width: int = 160, height: int = 120) -> bytes:
    """The JPEG that `image/<name>` sends: the same for the same name."""
    return encoded(shoe((width, height), seed=zlib.crc32(name.encode())), "JPEG")


def _image(to: "Handler") -> None:
    size = [int(side) for side in to.asked.get("size", "160x120").split("x")]
    to.answer(picture(to.rest, *size), kind=to.asked.get("as", "image/jpeg"))


def _redirect(to: "Handler") -> None:
    hops = int(to.rest)
    there = f"/redirect/{hops - 1}" if hops > 1 else "/image/end.jpg"
    to.answer(b"Moved", int(to.asked.get("status", 302)), "text/plain", Location=there)


def _to(to: "Handler") -> None:
    to.answer(b"Moved", int(to.asked.get("status", 302)), "text/plain", Location=to.asked["url"])


def _loop(to: "Handler") -> None:
    to.answer(b"Moved", 301, Location="/loop")


def status(to: "Handler") -> None:
    status = int(to.rest) if to.rest.isdigit() else 404
    body = b"x" * int(to.asked.get("bytes", 20))
    to.answer(body, status, "text/html", Retry_After=to.asked.get("after"))


def _flaky(to: "Handler") -> None:
    """`flaky/<times>/<name>?how=<status, hangup or truncated>`, then a picture."""
    times = int(to.rest.split("/")[0])
    if to.shady.requests[f"flaky/{to.rest}"] > times:
        return to.answer(picture("end.jpg"))
    how = to.asked.get("how", "503")
    if how.isdigit():
        return to.answer(b"later", int(how), Retry_After=to.asked.get("after"))
    return {"hangup": _hangup, "truncated": _truncated}[how](to)


def _drip_body(to: "Handler") -> None:
    to.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for byte in to.pieces(b"x"):
        to.wfile.write(byte)


def _drip_headers(to: "Handler") -> None:
    to.raw(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for byte in to.pieces(b"x"):
        to.wfile.write(byte)


def _drip_chunk_size(to: "Handler") -> None:
    to.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for byte in to.pieces(b"0"):
        to.wfile.write(byte)


def _drip_until_closed(to: "Handler") -> None:
    to.raw(b"HTTP/1.1 200 OK\r\n\r\n")
    for byte in to.pieces(b"x"):
        to.wfile.write(byte)


def _drip_missing(to: "Handler") -> None:
    to.raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 20000\r\n\r\n")
    for byte in to.pieces(b"x"):
        to.wfile.write(byte)


def _stall_missing(to: "Handler") -> None:
    to.raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 20000\r\n\r\n")
    to.shady.closing.wait()


def _drip_continue(to: "Handler") -> None:
    to.close_connection = True
    for line in to.pieces(b"HTTP/1.1 100 Continue\r\n\r\n"):
        to.wfile.write(line)


def _stall(to: "Handler") -> None:
    to.close_connection = True
    to.shady.closing.wait()


def _endless(to: "Handler") -> None:
    to.raw(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n")
    while not to.shady.closing.is_set():
        to.wfile.write(b"\xff" * 65536)


def _endless_chunks(to: "Handler") -> None:
    to.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not to.shady.closing.is_set():
        to.wfile.write(b"10000\r\n" + b"\xff" * 65536 + b"\r\n")


def _endless_headers(to: "Handler") -> None:
    to.raw(b"HTTP/1.1 200 OK\r\n")
    while not to.shady.closing.is_set():
        to.wfile.write(b"X-More: " + b"x" * 1000 + b"\r\n")


def _length(to: "Handler") -> None:
    """`length/<what is declared>`: the body has the length of a picture."""
    to.answer(picture("end.jpg"), Content_Length=to.rest.split(","))
    to.close_connection = True


def _truncated(to: "Handler") -> None:
    body = picture("end.jpg")
    to.answer(body[: len(body) // 2], Content_Length=str(len(body)))
    to.close_connection = True


def _truncated_chunks(to: "Handler") -> None:
    to.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + b"x" * 1000)


def _gzip(to: "Handler") -> None:
    packer = zlib.compressobj(9, wbits=31)
    body = packer.compress(bytes(int(to.asked.get("bytes", 50_000_000)))) + packer.flush()
    to.answer(body, Content_Encoding=to.asked.get("as", "gzip"))


def _coding(to: "Handler") -> None:
    to.answer(picture("end.jpg"), Content_Encoding=to.rest)


def _hangup(to: "Handler") -> None:
    to.close_connection = True


def _reset(to: "Handler") -> None:
    to.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    to.close_connection = True
    to.connection.close()


def _robots(to: "Handler") -> None:
    """`robots?tag=…&tag=…`: one header line each."""
    to.answer(picture("end.jpg"), X_Robots_Tag=to.all_asked["tag"])


def _html(to: "Handler") -> None:
    to.answer(b"<!doctype html><title>Shoes</title>", kind=to.asked.get("as", "image/jpeg"))


def _garbage(to: "Handler") -> None:
    to.raw(bytes.fromhex(to.rest) or b"\x16\x03\x01 this is no HTTP\r\n\r\n")


def _echo(to: "Handler") -> None:
    """What was asked, as JSON: headers and the address the connection came in at. And a cookie."""
    seen = {"headers": dict(to.headers), "at": to.connection.getsockname()[0], "path": to.path}
    to.answer(json.dumps(seen).encode(), Set_Cookie="session=1; Path=/")


def _counts(to: "Handler") -> None:
    """What the server has seen, as JSON: for whoever runs it in another process."""
    with to.shady._lock:
        names = ("requests", "hosts", "peak", "peak_of_all", "connections")
        seen = {name: getattr(to.shady, name) for name in names}
        body = json.dumps(seen).encode()
    to.answer(body, kind="application/json")


TRICKS = {
    "image": _image, "redirect": _redirect, "to": _to, "loop": _loop, "status": status,
    "flaky": _flaky, "drip-body": _drip_body, "drip-headers": _drip_headers,
    "drip-chunk-size": _drip_chunk_size, "drip-until-closed": _drip_until_closed,
    "drip-missing": _drip_missing, "drip-continue": _drip_continue, "stall": _stall,
    "stall-missing": _stall_missing,
    "endless": _endless, "endless-chunks": _endless_chunks, "endless-headers": _endless_headers,
    "length": _length, "truncated": _truncated, "truncated-chunks": _truncated_chunks,
    "gzip": _gzip, "coding": _coding, "hangup": _hangup, "reset": _reset, "robots": _robots,
    "html": _html, "empty": lambda to: to.answer(), "garbage": _garbage, "echo": _echo,
    "counts": _counts,
}  # fmt: skip
