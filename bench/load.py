"""Clients that ask an HTTP server as fast as it answers, and note what each answer took.

    python -m bench.load < job.json

One process of its own, so that what it costs is not counted as the server's. The job is JSON:
`host`, `port`, `clients`, `seconds` (or `requests`, whichever comes first), `keep_alive`, `pause`
(seconds that a client waits after a 503), and `asks`: a list of `path`, `type` (the content type)
and `body` (a file), which the clients send in turn. The answer is one line of JSON: `wall` and
`cpu` (seconds), and for each request `answers`: [status, when it began, when its last byte was
handed to the kernel, when the answer was whole], in seconds since the start; status 0 for a
connection that broke.
"""

import asyncio
import itertools
import json
import sys
import time
from pathlib import Path

# Seconds from one client's first request to the next one's. Whoever comes in the same millisecond
# is taken by the server's process that wakes first, and stays with it.
APART = 0.02


class Client:
    """One client: a request after the other, over one connection while that lasts."""

    def __init__(self, job: dict, asks, began: float):
        self.job, self.asks, self.began = job, asks, began
        self.answers: list[tuple] = []
        self.stream = None

    async def run(self, left, late: float) -> None:
        """Ask until the time or the requests are used up."""
        await asyncio.sleep(late)
        while self._now() < self.job["seconds"] and next(left, None) is not None:
            ask = next(self.asks)
            status, first = 0, self._now()
            sent = first
            try:
                reader, writer = self.stream or await self._connect()
                writer.write(ask)
                await writer.drain()
                sent = self._now()
                status, last = await self._answer(reader)
                if last:
                    self._close()
            except (OSError, asyncio.IncompleteReadError, ValueError):
                self._close()
            self.answers.append((status, first, sent, self._now()))
            if status == 503 and self.job.get("pause"):
                await asyncio.sleep(self.job["pause"])
        self._close()

    def _now(self) -> float:
        return time.perf_counter() - self.began

    async def _connect(self):
        self.stream = await asyncio.open_connection(self.job["host"], self.job["port"])
        # Nothing may wait in this process once `drain` returns: the time is noted then.
        self.stream[1].transport.set_write_buffer_limits(0)
        return self.stream

    def _close(self) -> None:
        if self.stream:
            self.stream[1].close()
        self.stream = None

    async def _answer(self, reader) -> tuple[int, bool]:
        """(status, whether the connection ends with it)."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        if b"\r\ntransfer-encoding: chunked" in head:
            while size := int(await reader.readline(), 16):
                await reader.readexactly(size + 2)
            await reader.readexactly(2)
        else:
            length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
        return status, b"\r\nconnection: close" in head


def request(job: dict, path: str, kind: str, body: bytes) -> bytes:
    """A POST as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {job['host']}:{job['port']}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nAccept: application/json\r\n"
        f"Connection: {'keep-alive' if job['keep_alive'] else 'close'}\r\n\r\n"
    )
    return head.encode() + body


async def run(job: dict) -> dict:
    """Send the job's requests; see the module."""
    asks = [
        request(job, ask["path"], ask["type"], Path(ask["body"]).read_bytes())
        for ask in job["asks"]
    ]
    left = iter(range(job.get("requests") or sys.maxsize))
    cpu, began = time.process_time(), time.perf_counter()
    # Each begins with another photo, so that not all send the same at once.
    firsts = [n % len(asks) for n in range(job["clients"])]
    turns = [itertools.cycle(asks[first:] + asks[:first]) for first in firsts]
    clients = [Client(job, turn, began) for turn in turns]
    await asyncio.gather(*(client.run(left, n * APART) for n, client in enumerate(clients)))
    return {
        "wall": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "answers": [answer for client in clients for answer in client.answers],
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(json.load(sys.stdin)))))
