"""Run an installation that collects images, for `bench.collect`; kill its workers if asked to.

    VAR_DIR=... COLLECT_PROXY=... .venv/bin/python -m bench.collecting_installation --count 9 uggs

Runs all that `make run` does, and prints one line of JSON. The settings come from the environment.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.db.models import Max, Min  # noqa: E402

from bench import servers  # noqa: E402
from bench.processes import command_line, cpu_seconds, peak_memory  # noqa: E402
from curation.models import Collection, Hit, ShoeImage, ShoeType  # noqa: E402
from shoeproject.jobs import OPEN_STATES  # noqa: E402
from shoeproject.up import processes  # noqa: E402

POLL_SECONDS = 0.5


class Workers:
    """The processes of the worker for short tasks, and what they have used."""

    def __init__(self):
        self.peak: dict[int, float] = {}  # pid → MiB
        self.cpu: dict[int, float] = {}  # pid → seconds

    def measure(self) -> None:
        """Record memory and processor time of the processes that collect."""
        for pid in self.pids()[1]:
            with contextlib.suppress(OSError, IndexError, ValueError):
                self.peak[pid] = peak_memory(pid)
                self.cpu[pid] = cpu_seconds(pid)

    def pids(self) -> tuple[list[int], list[int]]:
        """Return (the main process, those of its pool)."""
        ours = {pid: parent for pid, parent in processes.find(settings.VAR_DIR).items()
                if "short@" in command_line(pid)}  # fmt: skip
        main = [pid for pid, parent in ours.items() if parent not in ours]
        return main, [pid for pid in ours if pid not in main]

    def kill(self, whole: bool) -> str:
        """Send SIGKILL to the pool, or to the whole worker; returns which, in words."""
        main, pool = self.pids()
        for pid in [*(main if whole else ()), *pool]:
            os.kill(pid, signal.SIGKILL)
        return "the whole worker" if whole else f"its {len(pool)} processes"


def main(slugs: list[str], count: int, kill: int) -> dict:
    """Start, collect, stop; returns what was collected and what it took."""
    workers = Workers()
    with servers.whole_installation():
        # The local search engines know a type by its slug.
        for shoe_type in ShoeType.objects.filter(slug__in=slugs):
            shoe_type.search_terms = [shoe_type.slug]
            shoe_type.save()
        command = [sys.executable, "manage.py", "collect", *slugs, "--count", str(count)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        killed = wait(workers, count * len(slugs), kill)
    times = Collection.objects.aggregate(began=Min("started_at"), ended=Max("finished_at"))
    hits = Hit.objects.exclude(outcome=Hit.Outcome.FOUND).only("reason", "outcome")
    return {
        "seconds": (times["ended"] - times["began"]).total_seconds(),
        "states": dict(Counter(Collection.objects.values_list("state", flat=True))),
        "outcomes": dict(Counter(hit.reason or hit.outcome for hit in hits).most_common()),
        "images": sorted(ShoeImage.objects.values_list("proposed__slug", "sha256")),
        "files": len(list((settings.VAR_DIR / "media").rglob("*.jpg"))),
        "peak": max(workers.peak.values(), default=0), "cpu": sum(workers.cpu.values()),
        "killed": killed,
    }  # fmt: skip


def wait(workers: Workers, wanted: int, kill: int) -> list[str]:
    """Wait until all collections have ended; kills `kill` times on the way, and describes when."""
    killed = []
    while Collection.objects.filter(state__in=OPEN_STATES).exists():
        images = ShoeImage.objects.count()
        workers.measure()
        if len(killed) < kill and images >= wanted * (len(killed) + 1) / (kill + 1):
            victims = workers.kill(whole=len(killed) % 2 == 1)
            killed.append(f"{victims} at {images}")
        time.sleep(POLL_SECONDS)
    return killed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("slugs", nargs="+")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--kill", type=int, default=0)
    options = parser.parse_args()
    print(json.dumps(main(options.slugs, options.count, options.kill)))
