"""Decode, scale and run the network in a loop, without a server: the least that answering takes.

    VAR_DIR=... .venv/bin/python -m bench.inference_loop SECONDS PHOTO...

`bench.serve` starts one for each core. Prints “ready”, waits for a line of input, then runs for so
many seconds and prints one line of JSON: `done` pictures, in how many `seconds`, and milliseconds
of processor time per picture for `decoding` and scaling, and for the `network`.
"""

import json
import sys
import time
from pathlib import Path

import django

django.setup()

from classifier.inference.preprocess import to_array  # noqa: E402
from classifier.registry import serving  # noqa: E402
from curation import ingest  # noqa: E402
from curation.images import decode  # noqa: E402


def main(seconds: float, files: list[str]) -> dict:
    """Loop over the photographs for so many seconds."""
    model = serving.active().model
    limits, size = ingest.limits(), model.preprocess.size
    photos = [Path(file).read_bytes() for file in files]

    def array(data: bytes):
        return to_array(decode(data, limits, at_least=size).image, model.preprocess)[None]

    for data in photos:
        model.run(array(data))
    print("ready", flush=True)
    sys.stdin.readline()
    done, decoding, network, began = 0, 0.0, 0.0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        first = time.thread_time()
        picture = array(photos[done % len(photos)])
        second = time.thread_time()
        model.run(picture)
        decoding += second - first
        network += time.thread_time() - second
        done += 1
    each = 1000 / done
    return {"done": done, "seconds": passed, "decoding": decoding * each, "network": network * each}


if __name__ == "__main__":
    print(json.dumps(main(float(sys.argv[1]), sys.argv[2:])))
