"""One installation of `bench.collect`: started, asked to collect, killed if so wished, looked at.

    VAR_DIR=... COLLECT_PROXY=... .venv/bin/python -m bench.installation --count 200 sandals brogues

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
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.db.models import Max, Min  # noqa: E402

from bench import servers  # noqa: E402
from curation.models import Collection, Hit, ShoeImage, ShoeType  # noqa: E402
from shoeproject.jobs import OPEN_STATES  # noqa: E402
from shoeproject.up import processes, readiness  # noqa: E402

LOOK_SECONDS = 0.5


class Workers:
    """The short worker's processes: who they are, what they took."""

    def __init__(self):
        self.peak: dict[int, float] = {}  # pid → MiB
        self.cpu: dict[int, float] = {}  # pid → seconds

    def look(self) -> None:
        """Note memory and time of the processes that collect."""
        for pid in self.now()[1]:
            with contextlib.suppress(OSError, IndexError, ValueError):
                status = Path(f"/proc/{pid}/status").read_text()
                self.peak[pid] = int(status.split("VmHWM:")[1].split()[0]) / 1024
                self.cpu[pid] = servers.cpu_seconds(pid)

    def now(self) -> tuple[list[int], list[int]]:
        """(the main process, those of its pool)."""
        ours = {pid: parent for pid, parent in processes.find(settings.VAR_DIR).items()
                if "short@" in servers.command_line(pid)}  # fmt: skip
        main = [pid for pid, parent in ours.items() if parent not in ours]
        return main, [pid for pid in ours if pid not in main]

    def kill(self, whole: bool) -> str:
        """SIGKILL to the pool, or to all; returns who that was, in words."""
        main, pool = self.now()
        for pid in [*(main if whole else ()), *pool]:
            os.kill(pid, signal.SIGKILL)
        return "the whole worker" if whole else f"its {len(pool)} processes"


def main(slugs: list[str], count: int, kill: int) -> dict:
    """Start, collect, stop; what came of it."""
    with running():
        # The local search engines know a type by its slug.
        for shoe_type in ShoeType.objects.filter(slug__in=slugs):
            shoe_type.search_terms = [shoe_type.slug]
            shoe_type.save()
        ask = [sys.executable, "manage.py", "collect", *slugs, "--count", str(count)]
        subprocess.run(ask, check=True, stdout=subprocess.DEVNULL)
        workers = Workers()
        killed = watch(workers, count * len(slugs), kill)
    times = Collection.objects.aggregate(began=Min("started_at"), ended=Max("finished_at"))
    hits = Hit.objects.exclude(outcome=Hit.Outcome.FOUND)
    said = [hit.reason or hit.outcome for hit in hits.only("reason", "outcome")]
    return {
        "seconds": (times["ended"] - times["began"]).total_seconds(),
        "states": dict(Counter(Collection.objects.values_list("state", flat=True))),
        "outcomes": dict(Counter(said).most_common()),
        "images": sorted(ShoeImage.objects.values_list("proposed__slug", "sha256")),
        "files": len(list((settings.VAR_DIR / "media").rglob("*.jpg"))),
        "peak": max(workers.peak.values()), "cpu": sum(workers.cpu.values()), "killed": killed,
    }  # fmt: skip


@contextlib.contextmanager
def running():
    """Everything that `make run` starts, for as long as the block lasts; yields its address."""
    port = servers.free_port()
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    with open(settings.VAR_DIR / "bench.log", "w") as log:
        up = [sys.executable, "-m", "shoeproject.up", "--port", str(port)]
        run = subprocess.Popen(up, stdout=log, stderr=log)
        try:
            while not readiness.ready_file(settings.VAR_DIR, "short").exists():
                if run.poll() is not None:
                    raise SystemExit(Path(log.name).read_text())
                time.sleep(LOOK_SECONDS)
            servers.until_answered(f"http://127.0.0.1:{port}/health/", run)
            yield f"http://127.0.0.1:{port}"
        finally:
            servers.end(run)


def watch(workers: Workers, wanted: int, kill: int) -> list[str]:
    """Until all collections have ended; kills so many times on the way, and says at what."""
    killed = []
    while Collection.objects.filter(state__in=OPEN_STATES).exists():
        images = ShoeImage.objects.count()
        workers.look()
        if len(killed) < kill and images >= wanted * (len(killed) + 1) / (kill + 1):
            who = workers.kill(whole=len(killed) % 2 == 1)
            killed.append(f"{who} at {images}")
        time.sleep(LOOK_SECONDS)
    return killed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("slugs", nargs="+")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--kill", type=int, default=0)
    options = parser.parse_args()
    print(json.dumps(main(options.slugs, options.count, options.kill)))
