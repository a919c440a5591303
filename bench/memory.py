"""How much memory do the processes of a running installation take, and has any loaded torch?

    .venv/bin/python -m bench.memory

Prints every process of this checkout's `make run`: its resident memory (RSS), its own share of it
(PSS: shared pages divided among those who share them) and whether torch's library is mapped.
Linux only.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Print the table; the exit status says whether a process that should not has loaded torch."""
    rows = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if not (folder / "cwd").resolve().is_relative_to(ROOT):
                continue
            torch = "libtorch" in (folder / "maps").read_text()
            if what := name(" ".join(words)):
                rows.append((what, *memory(folder), torch))
        except OSError:
            continue
    print(f"{'process':34s} {'RSS MiB':>8s} {'PSS MiB':>8s}  torch")
    for what, rss, pss, torch in sorted(rows):
        print(f"{what:34s} {rss:8.0f} {pss:8.0f}  {'loaded' if torch else 'no'}")
    return any(torch for what, *_, torch in rows if not what.startswith("training"))


def name(line: str) -> str | None:
    """What a process is, from its command line; None for one that `make run` did not start."""
    known = {
        "gunicorn": "web",
        "short@": "short worker",
        "train@": "train worker",
        " beat": "beat",
        "valkey-server": "broker",
        "manage.py train --run": "training process",
        "supervisord": "supervisor",
        "-m shoeproject.up": "make run",
    }
    return next((label for part, label in known.items() if part in line), None)


def memory(folder: Path) -> tuple[float, float]:
    """RSS and PSS in MiB (man 5 proc_pid_smaps_rollup)."""
    rows = (line.split() for line in (folder / "smaps_rollup").read_text().splitlines()[1:])
    kilobytes = {row[0]: int(row[1]) for row in rows}
    return kilobytes["Rss:"] / 1024, kilobytes["Pss:"] / 1024


if __name__ == "__main__":
    sys.exit(main())
