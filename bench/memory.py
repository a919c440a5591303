"""How much memory do the processes of a running installation take, and has any loaded torch?

    .venv/bin/python -m bench.memory

Prints every process of this checkout's `make run`: its resident memory (RSS), its own share of it
(PSS: shared pages divided among the processes that share them) and whether torch's library is
mapped. Linux only.
"""

import argparse
import contextlib
import sys
from pathlib import Path

from bench.processes import memory, name

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Print the table; the exit status is 1 if a process other than a training has loaded torch."""
    rows = []
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        # Processes end meanwhile, and those of other users cannot be read.
        with contextlib.suppress(OSError):
            if (folder / "cwd").resolve().is_relative_to(ROOT) and (label := name(pid)):
                torch = "libtorch" in (folder / "maps").read_text()
                rows.append((label, *memory(pid), torch))
    print(f"{'process':34s} {'RSS MiB':>8s} {'PSS MiB':>8s}  torch")
    for label, rss, pss, torch in sorted(rows):
        print(f"{label:34s} {rss:8.0f} {pss:8.0f}  {'loaded' if torch else 'no'}")
    return any(torch for label, *_, torch in rows if not label.startswith("training"))


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    sys.exit(main())
