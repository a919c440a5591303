"""Start Chromium for a benchmark."""

import argparse
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.browsing import ARGUMENTS


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add --chromium, the browser's path."""
    default = os.environ.get("CHROMIUM", shutil.which("chromium"))
    parser.add_argument("--chromium", default=default, help="path of the browser")


@contextmanager
def launched(path: str) -> Iterator[Browser]:
    """Run a browser while the block lasts."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()
