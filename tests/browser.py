"""A headless Chromium for tests of web pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService


@contextmanager
def chromium(profile: Path, *, size: str, wait: float) -> Iterator[Chrome]:
    """Open a browser; skip the test if Chromium or its driver is not installed.

    :param size: width and height of the window, such as "900,1000"
    :param wait: seconds that a look-up waits for its element
    """
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("chromium and chromedriver are not installed")
    options = ChromeOptions()
    options.binary_location = program
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-quic",
        "--disable-background-networking",
        # Without a GPU, Chromium would draw every frame in a process that emulates one.
        "--disable-gpu",
        "--disable-software-rasterizer",
        "--no-first-run",
        f"--user-data-dir={profile}",
        f"--window-size={size}",
    ):
        options.add_argument(flag)
    with Chrome(options=options, service=ChromeService(driver)) as chrome:
        chrome.implicitly_wait(wait)
        yield chrome
