"""Prefect's UI in a real Chromium, with `flows.serve` and its server.

Screenshots are saved to the folder SCREENSHOTS, if it is set; those in docs/images come from such a run.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser import chromium
from tests.flows.served import Served

pytestmark = [
    pytest.mark.browser,
    # The runs start processes that import Prefect, and the pages have megabytes: slow on a busy machine.
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    # A server that has just started takes long for its first page.
    with chromium(tmp_path_factory.mktemp("profile"), size="1200,1000", wait=60) as chrome:
        yield chrome


class Ui:
    """Prefect's UI in a browser."""

    def __init__(self, browser: Chrome, served: Served) -> None:
        self.browser = browser
        self.served = served

    def open(self, path: str) -> None:
        self.browser.get(f"{self.served.address}/{path}")

    def open_form(self, deployment: str) -> None:
        """Open the form that starts a run of a deployment, given as FLOW/NAME."""
        found = self.served.api(f"deployments/name/{deployment}")
        self.open(f"deployments/deployment/{found['id']}/run")

    def open_artifact(self, key: str, run: dict[str, Any]) -> dict[str, Any]:
        wanted = {"key": {"any_": [key]}, "flow_run_id": {"any_": [run["id"]]}}
        [found] = self.served.api("artifacts/filter", {"artifacts": wanted})
        self.open(f"artifacts/artifact/{found['id']}")
        return found

    def sees(self, text: str) -> None:
        WebDriverWait(self.browser, 120, poll_frequency=1.0).until(
            lambda browser: text in browser.find_element(By.TAG_NAME, "body").text
        )

    def click(self, text: str) -> None:
        self.browser.find_element(
            By.XPATH, f"//button[normalize-space()='{text}'] | //a[normalize-space()='{text}']"
        ).click()

    def submit(self) -> None:
        """Submit the form, again if Prefect refuses it, as it does on SQLite during another write."""
        form = self.browser.current_url
        for _ in range(5):
            self.click("Submit")
            with suppress(TimeoutException):
                WebDriverWait(self.browser, 15).until(lambda browser: browser.current_url != form)
                return
        raise AssertionError(self.description())

    def save_screenshot(self, name: str) -> None:
        """Save a screenshot to the folder SCREENSHOTS, if it is set."""
        if folder := os.environ.get("SCREENSHOTS"):
            time.sleep(1.5)  # for the animation of the page
            self.browser.save_screenshot(f"{folder}/{name}.png")

    def description(self) -> str:
        """Describe the page and the runs, for the message of a failed test."""
        shown = self.browser.find_element(By.TAG_NAME, "body").text
        return f"{self.browser.current_url}\n{shown}\n{self.served.state()}"


@pytest.fixture
def ui(browser: Chrome, served: Served) -> Ui:
    return Ui(browser, served)


def test_a_maintainer_starts_runs_sees_their_outcomes_and_asks_a_question(ui: Ui) -> None:
    ui.open_form("backfill/backfill issues")
    ui.sees("The length of a window in days.")
    ui.submit()
    ui.open_form("ingest-source/ingest handbook")
    ui.sees("Read the whole source again and remove documents that were deleted upstream")
    ui.browser.find_element(By.CSS_SELECTOR, "[role=switch]").click()
    ui.save_screenshot("prefect-form")
    ui.submit()

    run = ui.served.finished_run("ingest handbook")
    assert run["parameters"]["full"] is True
    assert run["state"]["type"] == "COMPLETED"
    assert run["name"].startswith("ingest handbook · ")
    assert " new" in run["name"]
    ui.open_form("answer/answer")
    ui.sees("The question, in your own words.")
    ui.browser.find_elements(By.TAG_NAME, "textarea")[0].send_keys("How do I back up the index?")
    ui.submit()
    ui.open(f"runs/flow-run/{run['id']}?tab=Logs")
    ui.sees(run["name"])
    ui.save_screenshot("prefect-run")
    ui.open_artifact("ingest-handbook", run)
    ui.sees("documents added")
    ui.save_screenshot("prefect-artifact")

    run = ui.served.finished_run("backfill issues")
    assert run["state"]["type"] == "COMPLETED", run["state"]
    shown = ui.open_artifact("backfill-issues", run)
    # The number of windows depends on the current date.
    [read] = re.findall(r"(\d+) of \1 windows", shown["description"])
    ui.sees(f"{read} of {read} windows")
    ui.save_screenshot("prefect-backfill")
    ui.open("deployments")
    ui.sees("ingest issues")
    ui.save_screenshot("prefect-deployments")

    run = ui.served.finished_run("answer")
    assert run["state"]["type"] == "COMPLETED"
    assert run["name"] == "answer: How do I back up the index?"
    ui.open_artifact("answer", run)
    ui.sees("Sources")
    ui.save_screenshot("prefect-answer")
