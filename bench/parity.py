"""Do page, form, API and command line give the same answer to the same photograph?

It asks a running installation with an active model and without throttles:

    THROTTLE_PREDICT= THROTTLE_READ= make run
    .venv/bin/python -m bench.parity photos/ --count 200

The page is driven in Chromium, which sends each photo as its script does, large ones made smaller;
the form is what a browser without JavaScript sends. Prints, for each of them against the API, on
how many photographs the likeliest type is the same, and the largest difference of any of the five
confidences.
"""

import argparse
import html
import json
import re
import subprocess
import sys
from pathlib import Path

import requests

from bench import chromium
from bench.photographs import sample


def main() -> int:
    """Compare and print; the exit status is 1 if any answer differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="photographs, searched in all its folders")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    chromium.add_option(parser)
    options = parser.parse_args()
    photos = sample(options.folder, options.count)
    by_api = [api(options.url, photo) for photo in photos]
    others = {
        "command line": command(photos),
        "page in Chromium": page(options.url, photos, options.chromium),
        "form": [form(options.url, photo) for photo in photos],
    }
    print(f"{len(photos)} photographs, compared with the API:")
    agreed = True
    for name, answers in others.items():
        pairs = list(zip(by_api, answers, strict=True))
        same = sum(ours[0][0] == theirs[0][0] for ours, theirs in pairs)
        largest = max(map(difference, pairs))
        agreed &= same == len(photos) and largest <= 0.001
        print(f"  {name:18s} same top one {same}/{len(photos)}, largest difference {largest:.6f}")
    return 0 if agreed else 1


def difference(pair) -> float:
    """Return the largest difference of a confidence between two answers, over the types of both."""
    ours, theirs = map(dict, pair)
    return max(abs(ours.get(name, 1) - theirs.get(name, 1)) for name in ours | theirs)


def top(answer: dict) -> list[tuple[str, float]]:
    """Return (name, confidence) of an answer's types, likeliest first."""
    return [(entry["name"], entry["confidence"]) for entry in answer["top"]]


def api(url: str, photo: Path) -> list:
    """Ask the API."""
    with open(photo, "rb") as file:
        response = requests.post(f"{url}/api/v1/predictions/", files={"image": file}, timeout=60)
    response.raise_for_status()
    return top(response.json())


def command(photos: list[Path]) -> list[list]:
    """Ask with one call of `manage.py predict`."""
    done = subprocess.run(
        [sys.executable, "manage.py", "predict", *map(str, photos)],
        cwd=Path(__file__).resolve().parent.parent, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [top(json.loads(line)) for line in done.stdout.splitlines()]


def page(url: str, photos: list[Path], browser_path: str) -> list[list]:
    """Choose each photo in the page; returns what the page received."""
    answers = []
    with chromium.launched(browser_path) as browser:
        tab = browser.new_page()
        tab.goto(url)
        for photo in photos:
            with tab.expect_response("**/api/v1/predictions/") as response:
                tab.set_input_files("input[type=file] >> nth=0", photo)
            answers.append(top(response.value.json()))
    return answers


def form(url: str, photo: Path) -> list[tuple[str, float]]:
    """Send the form as a browser without JavaScript does; returns what its page shows."""
    session = requests.Session()
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', session.get(url, timeout=60).text)
    with open(photo, "rb") as file:
        text = session.post(
            url, {"csrfmiddlewaretoken": token[1]}, files={"image": file}, timeout=60
        ).text
    meters = re.findall(r'value="([0-9.]+)" aria-label="Confidence in ([^"]+)"', text)
    return [(html.unescape(name), float(value)) for value, name in meters]


if __name__ == "__main__":
    sys.exit(main())
