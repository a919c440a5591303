"""Serve pictures and a search for them from memory, for `bench.collect`.

    .venv/bin/python -m bench.picture_server FOLDER   serves until its standard input ends

`make` writes answers.bin, which holds whole HTTP answers one after the other, and index.json, with
the position and kind of each. The server is one thread that sends these bytes; it prints one line
of JSON: the port, and where the search engines listen.
"""

import argparse
import asyncio
import hashlib
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import drawn_pictures
from tests.engines import Engines, Result

HOSTS = 40  # 127.0.0.1 and so on
SLOW_SECONDS = 1.0
# Results for each 200 pictures wanted: good ones, and of the other kinds.
GOOD, MIXTURE = 220, {
    "slow": 4, "copy": 12, "near": 12, "missing": 12, "html": 8, "small": 8, "inside": 4,
}  # fmt: skip
PAGE = b"<!DOCTYPE html><title>Shop</title>" + b"<p>This picture is for our customers.</p>" * 200


def make(folder: Path, slugs: list[str], count: int, photos: Path | None) -> dict:
    """Make the pictures in a folder unless it holds them already; returns the index.

    `count`: pictures wanted of each type. `photos`: a folder of JPEG files to use in place of
    drawings.
    """
    options = {"slugs": slugs, "count": count, "photos": str(photos or "")}
    file = folder / "index.json"
    if file.exists() and (index := json.loads(file.read_text()))["options"] == options:
        return index
    folder.mkdir(parents=True, exist_ok=True)
    each = {kind: max(1, count * number // 200) for kind, number in MIXTURE.items()}
    good = count * GOOD // 200 + each["slow"]
    supply = drawn_pictures.distinct(photos)
    types = {}
    with open(folder / "answers.bin", "wb") as out:
        for number, slug in enumerate(slugs):
            own = [next(supply) for _ in range(good)]
            results = drawn_pictures.results(number, own, each)
            types[slug] = [_entry(out, number, *result) for result in enumerate(results)]
    index = {"options": options, "types": types}
    file.write_text(json.dumps(index))
    return index


def _entry(out, number: int, rank: int, result: drawn_pictures.Result) -> dict:
    """Write one answer; returns its entry in the index."""
    status, kind, body = "200 OK", "image/jpeg", result.data
    if result.kind == "missing":
        status, kind, body = "404 Not Found", "text/html", b"<p>It is gone.</p>"
    elif result.kind == "html":
        kind, body = "text/html", PAGE
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    start = out.tell()
    out.write(head.encode() + body)
    return {
        "kind": result.kind, "of": result.of, "sha256": hashlib.sha256(body).hexdigest(),
        "path": f"/{number}/{rank}.jpg", "start": start, "end": out.tell(),
        "host": f"127.0.0.{1 + (7 * number + 3 * rank) % HOSTS}",
    }  # fmt: skip


def needed(entries: list[dict], count: int) -> tuple[list[dict], set[str]]:
    """Return the results up to the one that completes `count` pictures, and these' sha256."""
    numbers, taken = set(), set()
    for rank, entry in enumerate(entries, 1):
        if entry["kind"] in drawn_pictures.TAKEN and entry["of"] not in numbers:
            numbers.add(entry["of"])
            taken.add(entry["sha256"])
        if len(taken) == count:
            return entries[:rank], taken
    raise ValueError("there are too few pictures")


def address(entry: dict, port: int) -> str:
    """Return the address of a result's file."""
    return f"http://{entry['host']}:{port}{entry['path']}"


class PictureProtocol(asyncio.Protocol):
    """One connection: HTTP/1.1, kept open, requests one after the other."""

    def __init__(self, answers: dict[bytes, tuple[bytes | memoryview, float]]):
        self.answers, self.unread = answers, b""

    def connection_made(self, transport):
        """Keep the transport."""
        self.transport = transport

    def data_received(self, data):
        """Answer each complete request."""
        *heads, self.unread = (self.unread + data).split(b"\r\n\r\n")
        for head in heads:
            answer, wait = self.answers[head.split(b" ", 2)[1]]
            last = b"\r\nconnection: close" in head.lower()
            if wait:
                asyncio.get_running_loop().call_later(wait, self._answer, answer, last)
            else:
                self._answer(answer, last)

    def _answer(self, answer, last: bool):
        self.transport.write(answer)
        if last:
            self.transport.close()


def _answers(folder: Path, index: dict, port: int) -> Iterator[tuple[bytes, tuple]]:
    """Yield (path, (answer, seconds to wait before it)) of everything that is served."""
    everything = memoryview((folder / "answers.bin").read_bytes())
    for entry in (entry for entries in index["types"].values() for entry in entries):
        answer, path = everything[entry["start"] : entry["end"]], entry["path"]
        if entry["kind"] == "inside":
            # A redirect to another private address, of this machine.
            path = path.replace("/", "/inside/", 1)
            there = f"http://0.0.0.0:{port}{path}"
            moved = f"HTTP/1.1 302 Found\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n"
            yield entry["path"].encode(), (moved.encode(), 0)
        yield path.encode(), (answer, SLOW_SECONDS if entry["kind"] == "slow" else 0)


async def serve(folder: Path) -> None:
    """Serve until standard input ends."""
    index = json.loads((folder / "index.json").read_text())
    listener = socket.create_server(("0.0.0.0", 0), backlog=1024)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 512 * 1024)  # a whole answer at once
    port = listener.getsockname()[1]
    answers = dict(_answers(folder, index, port))
    results = {
        slug: [
            Result(address(entry, port), f"https://shop-{entry['host'][8:]}.example{entry['path']}",
                   f"{slug} {rank}", 640, 480)
            for rank, entry in enumerate(entries)
        ]
        for slug, entries in index["types"].items()
    }  # fmt: skip
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: PictureProtocol(answers), sock=listener)
    with Engines(default=lambda engine, query: results.get(query, ())) as engines:
        facts = {"port": port, "proxy": engines.proxy, "ca_file": engines.ca_file}
        print(json.dumps(facts), flush=True)
        await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    asyncio.run(serve(parser.parse_args().folder))
