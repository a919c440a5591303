"""Send requests to an HTTP server as fast as it answers, and record how long each answer took.

    python -m bench.load_clients < job.json

It is a process of its own, so that its processor time is not counted as the server's. The job is
JSON: `host`, `port`, `clients`, `seconds` (or `most` requests, whichever comes first),
`keep_alive`, `pause` (seconds that a client waits after a 503), and `requests`: a list of `path`,
`type` (the content type) and `body` (a file), which the clients send in turn. The result is one
line of JSON: `wall` and `cpu` (seconds), and for each request `answers`: [status, when it began,
when its last byte was handed to the kernel, when the answer was complete], in seconds since the
start; status 0 for a connection that broke.
"""

import asyncio
import itertools
import json
import sys
import time
from pathlib import Path

# Seconds from one client's first request to the next one's. Connections of the same millisecond
# would all be taken by the server's process that wakes first, and stay with it.
STAGGER_SECONDS = 0.02


class Client:
    """One client: a request after the other, over one connection while that lasts."""

    def __init__(self, job: dict, requests, began: float):
        self.job, self.requests, self.began = job, requests, began
        self.answers: list[tuple] = []
        self.stream = None

    async def run(self, tickets, delay: float) -> None:
        """Send until the time or the tickets (one for each request) are used up."""
        await asyncio.sleep(delay)
        while self._now() < self.job["seconds"] and next(tickets, None) is not None:
            status, first = 0, self._now()
            sent = first
            try:
                reader, writer = self.stream or await self._connect()
                writer.write(next(self.requests))
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
        """Read an answer; returns its status, and whether the server closes the connection."""
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


def encoded(job: dict, path: str, kind: str, body: bytes) -> bytes:
    """Encode a POST request as it is sent."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {job['host']}:{job['port']}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nAccept: application/json\r\n"
        f"Connection: {'keep-alive' if job['keep_alive'] else 'close'}\r\n\r\n"
    )
    return head.encode() + body


async def run(job: dict) -> dict:
    """Send the requests of a job; returns the result that the module describes."""
    requests = [
        encoded(job, each["path"], each["type"], Path(each["body"]).read_bytes())
        for each in job["requests"]
    ]
    tickets = iter(range(job.get("most") or sys.maxsize))
    cpu, began = time.process_time(), time.perf_counter()
    # Each begins with another photo, so that not all send the same at once.
    firsts = [n % len(requests) for n in range(job["clients"])]
    turns = [itertools.cycle(requests[first:] + requests[:first]) for first in firsts]
    clients = [Client(job, turn, began) for turn in turns]
    runs = (client.run(tickets, n * STAGGER_SECONDS) for n, client in enumerate(clients))
    await asyncio.gather(*runs)
    return {
        "wall": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "answers": [answer for client in clients for answer in client.answers],
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(json.load(sys.stdin)))))
