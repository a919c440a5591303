"""How fast are images collected, in how much memory, and does a killed worker lose any?

    .venv/bin/python -m bench.collect --var /tmp/collect
    DATABASE_URL=postgres://postgres@127.0.0.1:5498/bench REDIS_URL=redis://127.0.0.1:6399/0 \\
        .venv/bin/python -m bench.collect --var /tmp/collect-pg

Makes a web of distinct drawn pictures (640×480 JPEG of 80 kB; with --photos real ones) in the
folder given, and serves it and the search from one process: 127.0.0.1 to 127.0.0.40, HTTP/1.1 kept
open. For 200 images of a type the search has 280 results: 220 good ones, 4 good ones that take a
second, 12 exact copies elsewhere, 12 recompressed or scaled copies, 12 answers 404, 8 web pages, 8
too small, 4 redirected to 0.0.0.0. No picture belongs to two types. Then, one after the other:

1. fastai's `download_images` on the results that lead to as many images, all types in one call,
   then its `verify_images`, with --workers threads and with as many as both of our processes have.
2. A new installation, run as `make run` runs it (two worker processes, --workers downloads each):
   `manage.py collect` for all types, from the first start to the last end in the rows.
3. fastai again; the mean of both is compared, so that other load on the machine affects both sides.
4. A second installation in which the pool's processes (2nd time: the whole worker) get SIGKILL
   --kill times; the (type, sha256) of its images must be those of the first.

fastai writes the bytes as they arrive, and verifying opens each file at an eighth of its size. The
collector searches, downloads to a temporary file within limits, decodes in full, turns upright,
encodes anew, hashes (sha256 twice, perceptual hash, mean colour), looks for copies, writes the file
and waits for the disk, and writes the row, one transaction an image. MB is the largest resident
memory of one process that does the work; fastai's has loaded torch. A killed worker's jobs are
taken up after JOB_LEASE_SECONDS, here 5 s (60 s by default).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from bench import picture_server
from bench.processes import cpu_seconds

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = 2
NAMES = ("undisturbed", "killed")


def main(options: argparse.Namespace) -> int:
    """Measure and print; the exit status is 1 if a set of images is not as expected."""
    known = json.loads((ROOT / "curation/taxonomy/types.json").read_text())["types"]
    slugs = [each["slug"] for each in known][: options.types]
    began = time.perf_counter()
    index = picture_server.make(options.var / "web", slugs, options.images, options.photos)
    print(f"web ready after {time.perf_counter() - began:.0f} s", flush=True)
    needed = {slug: picture_server.needed(index["types"][slug], options.images) for slug in slugs}
    expected = {(slug, digest) for slug, (_, taken) in needed.items() for digest in taken}
    with serving(options.var / "web") as server:
        addresses = [
            picture_server.address(entry, server["port"])
            for each, _ in needed.values()
            for entry in each
        ]
        load, numbers = os.getloadavg()[0], (options.workers, PROCESSES * options.workers)
        others = [fastai(options.var, number, addresses) for number in numbers]
        whole = collect(options, server, slugs, NAMES[0], 0)
        others += [fastai(options.var, number, addresses) for number in numbers]
        load = f"{load:.1f} before, {os.getloadavg()[0]:.1f} after"
        compare(whole, others, load, options)
        good = check("the undisturbed run against what the web holds", whole, expected)
        if options.kill:
            killed = collect(options, server, slugs, NAMES[1], options.kill)
            print(f"killed: {'; '.join(killed['killed'])}; {killed['seconds']:.0f} s in all")
            same = {tuple(pair) for pair in whole["images"]}
            good &= check("the killed run against the undisturbed one", killed, same)
            good &= len(killed["killed"]) == options.kill
    return 0 if good else 1


@contextmanager
def serving(folder: Path):
    """Serve the web and the search from another process; yields their ports and its pid."""
    command = [sys.executable, "-m", "bench.picture_server", str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        yield json.loads(server.stdout.readline()) | {"pid": server.pid}
        server.stdin.close()


def fastai(var: Path, workers: int, addresses: list[str]) -> dict:
    """Let fastai download these addresses in another process; returns what it took."""
    command = [sys.executable, "-m", "bench.fastai_downloads", str(var / "fastai"), str(workers)]
    done = subprocess.run(
        command, cwd=ROOT, check=True, text=True, input="\n".join(addresses), stdout=subprocess.PIPE
    )
    return json.loads(done.stdout.splitlines()[-1])


def collect(options, server: dict, slugs: list[str], name: str, kill: int) -> dict:
    """Collect in a new installation; returns what was collected and what it took."""
    var = options.var / name
    shutil.rmtree(var, ignore_errors=True)
    environment = os.environ | {
        "VAR_DIR": str(var), "COLLECT_PROXY": server["proxy"], "COLLECT_CA_FILE": server["ca_file"],
        "COLLECT_PORTS": f"80,443,{server['port']}", "COLLECT_PRIVATE": "127.0.0.0/8",
        "COLLECT_SEARCH_PAUSE": "0", "COLLECT_WORKERS": str(options.workers), "ASSESS_AFTER": "",
        "SHORT_PROCESSES": str(PROCESSES), "JOB_LEASE_SECONDS": "5", "JOB_RING_SECONDS": "5",
        "CELERY_BROKER_PREFIX": f"bench-{name}:", "LOG_LEVEL": "WARNING",
    }  # fmt: skip
    if url := os.environ.get("DATABASE_URL"):
        environment["DATABASE_URL"] = fresh_database(url, name)
    command = [sys.executable, "-m", "bench.collecting_installation", *slugs]
    command += ["--count", str(options.images), "--kill", str(kill)]
    served = cpu_seconds(server["pid"])
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, text=True, stdout=subprocess.PIPE
    )
    collected = json.loads(done.stdout.splitlines()[-1])
    return collected | {"served": cpu_seconds(server["pid"]) - served}


def fresh_database(url: str, name: str) -> str:
    """Make an empty database, named after the one in `url`; returns its URL."""
    import psycopg

    base = urlsplit(url).path.lstrip("/")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{base}_{name}"')
        connection.execute(f'CREATE DATABASE "{base}_{name}"')
    return url.replace(f"/{base}", f"/{base}_{name}")


def compare(whole: dict, others: list[dict], load: str, options) -> None:
    """Print the table; its column "ours" is our speed as a multiple of the line's."""
    images = len(whole["images"])
    rows = []
    for workers in dict.fromkeys(each["workers"] for each in others):
        runs = [each for each in others if each["workers"] == workers]
        mean = {key: sum(each[key] for each in runs) / len(runs) for key in runs[0]}
        both = mean["downloading"] + mean["verifying"]
        rows += [
            (f"fastai {workers}: download_images",
             mean["files"], mean["downloading"], mean["cpu"], mean["peak"]),
            (f"fastai {workers}: and verify_images",
             mean["files"] - mean["failed"], both, mean["cpu_verified"], mean["peak"]),
        ]  # fmt: skip
    label = f"collected, {PROCESSES} processes × {options.workers}"
    rows.append((label, images, whole["seconds"], whole["cpu"], whole["peak"]))
    heads = ("", "files", "s", "a second", "ours", "CPU ms each", "MB")
    print("\n{:34s}{:>7s}{:>7s}{:>10s}{:>7s}{:>13s}{:>6s}".format(*heads))
    for label, files, seconds, cpu, peak in rows:
        ratio = images / whole["seconds"] * seconds / files
        print(
            f"{label:34s}{files:7.0f}{seconds:7.1f}{files / seconds:10.1f}{ratio:6.2f}×"
            f"{1000 * cpu / files:13.1f}{peak:6.0f}"
        )
    print(
        f"\nload {load} on {os.cpu_count()} cores; while it collected, the server took "
        f"{whole['served']:.0f} s of processor time and the workers {whole['cpu']:.0f} s"
    )
    print(f"results: {', '.join(f'{n} {outcome}' for outcome, n in whole['outcomes'].items())}")


def check(title: str, run: dict, expected: set) -> bool:
    """Print and return whether a run has exactly the expected images, each with its file."""
    got = {tuple(pair) for pair in run["images"]}
    lacks, extra = len(expected - got), len(got - expected)
    good = got == expected and run["files"] == len(got) and set(run["states"]) == {"done"}
    print(
        f"{title}: {'the same' if good else 'NOT the same'} ({len(got)} images, {run['files']} "
        f"files, {lacks} missing, {extra} more; collections: {run['states']})",
        flush=True,
    )
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--types", type=int, default=36)
    add("--images", type=int, default=200, help="of each type (default 200)")
    add("--workers", type=int, default=16, help="downloads at a time (default 16)")
    add("--kill", type=int, default=3, help="times that workers are killed (default 3)")
    add("--var", type=Path, required=True, help="folder for everything made here")
    add("--photos", type=Path, help="folder of JPEG photographs to serve instead of drawings")
    OPTIONS = parser.parse_args()
    OPTIONS.var = OPTIONS.var.resolve()
    sys.exit(main(OPTIONS))
