"""Download and verify with fastai, for `bench.collect`.

    .venv/bin/python -m bench.fastai_downloads FOLDER WORKERS < addresses

Prints one line of JSON: numbers of files, seconds, processor time, largest memory.
"""

import json
import resource
import shutil
import sys
import time
from pathlib import Path

from fastai.vision.utils import download_images, verify_images

import classifier.training.torchvision_shim  # noqa: F401 - before fastai

if __name__ == "__main__":
    folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    addresses = sys.stdin.read().split()
    shutil.rmtree(folder, ignore_errors=True)
    began, cpu = time.perf_counter(), time.process_time()
    download_images(folder, urls=addresses, n_workers=workers)
    downloaded, cpu = time.perf_counter(), time.process_time() - cpu
    files = list(folder.iterdir())
    failed = verify_images(files)
    verified = time.perf_counter()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    shutil.rmtree(folder)
    print(json.dumps({
        "workers": workers, "files": len(files), "failed": len(failed), "peak": megabytes,
        "downloading": downloaded - began, "verifying": verified - downloaded,
        "cpu": cpu, "cpu_verified": cpu + children.ru_utime + children.ru_stime,
    }))  # fmt: skip
