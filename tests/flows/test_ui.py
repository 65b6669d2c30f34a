"""Prefect's UI in a real Chromium, over `flows.serve` with the server that it brings.

With SCREENSHOTS set to a folder, what is seen is kept there; docs/images has them from such a run.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from flows.demo.site import HandbookSite
from tests.browser import chromium
from tests.flows.conftest import ROOT, users_environment
from tests.servers.github import GitHubServer, load_export


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    with chromium(
        tmp_path / "profile", size="1200,1000", patience=30
    ) as chrome:  # the first page of a server that has just started takes long
        yield chrome


class Ui:
    """The UI of a server, and its API to compare with."""

    def __init__(self, browser: Chrome, address: str, printed: Path) -> None:
        self.browser = browser
        self.address = address
        self.printed = printed

    def api(self, path: str, body: object = None) -> Any:
        address = f"{self.address}/api/{path}"
        reply = httpx.get(address) if body is None else httpx.post(address, json=body)
        return reply.raise_for_status().json()

    def open(self, path: str) -> None:
        self.browser.get(f"{self.address}/{path}")

    def open_artifact(self, key: str) -> None:
        [found] = self.api("artifacts/filter", {"artifacts": {"key": {"any_": [key]}}})
        self.open(f"artifacts/artifact/{found['id']}")

    def sees(self, text: str) -> None:
        WebDriverWait(self.browser, 120).until(lambda browser: text in browser.find_element(By.TAG_NAME, "body").text)

    def click(self, text: str) -> None:
        self.browser.find_element(
            By.XPATH, f"//button[normalize-space()='{text}'] | //a[normalize-space()='{text}']"
        ).click()

    def submit(self) -> None:
        """Send the form; again where Prefect refuses it, as it does on SQLite while something else is written."""
        form = self.browser.current_url
        for _ in range(5):
            self.click("Submit")
            with suppress(TimeoutException):
                WebDriverWait(self.browser, 15).until(lambda browser: browser.current_url != form)
                return
        raise AssertionError(self.all_that_is_known())

    def keep(self, name: str) -> None:
        """Keep what is seen, where somebody wants to look at it."""
        if folder := os.environ.get("SCREENSHOTS"):
            time.sleep(1.5)  # for the animation of what has just come
            self.browser.save_screenshot(f"{folder}/{name}.png")

    def ended(self, name: str) -> dict[str, Any]:
        """The newest run of a deployment, when it has ended."""
        wanted = {
            "deployments": {"name": {"any_": [name]}},
            "flow_runs": {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}},
        }
        deadline = time.monotonic() + 240
        while not (found := self.api("flow_runs/filter", wanted)):
            assert time.monotonic() < deadline, f"no run of {name} has ended: {self.all_that_is_known()}"
            time.sleep(0.5)
        return found[0]

    def all_that_is_known(self) -> str:
        """For a test that has failed: the runs, what the page shows and what flows.serve has printed."""
        runs = [(run["name"], run["state"]) for run in self.api("flow_runs/filter", {})]
        shown = self.browser.find_element(By.TAG_NAME, "body").text
        return f"{runs}\n{self.browser.current_url}\n{shown}\n{self.printed.read_text()}"


@pytest.fixture
def ui(browser: Chrome, settings_in_environment: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Ui]:
    with (
        HandbookSite(ROOT / "docs") as site,
        GitHubServer(load_export(ROOT / "flows" / "demo" / "github.json")) as github,
    ):
        settings_in_environment.write_text(
            f'[[docs]]\nname = "handbook"\nurl = "{site.url}"\n\n'
            f'[[github]]\nname = "issues"\nrepo = "{github.full_name}"\n'
        )
        environment = {
            **users_environment(),
            "RAG_GITHUB_API_URL": github.api_url,
            "PREFECT_HOME": str(tmp_path / "prefect"),
            "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        }
        printed = tmp_path / "printed"
        with printed.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "flows.serve"], cwd=ROOT, env=environment, stdout=output, stderr=output
            )
        while "Stop with Ctrl-C" not in printed.read_text():
            assert process.poll() is None, printed.read_text()
            time.sleep(0.1)
        [address] = re.findall(r"^Prefect +(\S+)", printed.read_text(), re.MULTILINE)
        yield Ui(browser, address, printed)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def test_a_maintainer_starts_a_run_sees_what_it_did_and_asks(ui: Ui) -> None:
    deployment = ui.api("deployments/name/ingest-source/ingest handbook")
    ui.open(f"deployments/deployment/{deployment['id']}/run")
    ui.sees("Read the whole source again and remove what is gone")
    full = ui.browser.find_element(By.CSS_SELECTOR, "[role=switch]")
    full.click()
    ui.keep("prefect-form")
    ui.submit()
    run = ui.ended("ingest handbook")

    assert run["parameters"]["full"] is True
    assert run["state"]["type"] == "COMPLETED"
    assert run["name"].startswith("ingest handbook · ")
    assert " new" in run["name"]
    ui.open(f"runs/flow-run/{run['id']}?tab=Logs")
    ui.sees(run["name"])
    ui.keep("prefect-run")
    ui.open_artifact("ingest-handbook")
    ui.sees("documents added")
    ui.keep("prefect-artifact")

    deployment = ui.api("deployments/name/answer/answer")
    ui.open(f"deployments/deployment/{deployment['id']}/run")
    ui.sees("What you want to know, in your own words.")
    ui.browser.find_elements(By.TAG_NAME, "textarea")[0].send_keys("How do I back up the index?")
    ui.submit()
    run = ui.ended("answer")

    assert run["state"]["type"] == "COMPLETED"
    assert run["name"] == "answer: How do I back up the index?"
    ui.open_artifact("answer")
    ui.sees("Sources")
    ui.keep("prefect-answer")


def test_a_run_that_left_something_out_says_so_and_a_backfill_shows_its_windows(ui: Ui) -> None:
    deployment = ui.api("deployments/name/backfill/backfill issues")
    ui.open(f"deployments/deployment/{deployment['id']}/run")
    ui.sees("The length of a window in days.")
    ui.submit()
    run = ui.ended("backfill issues")

    assert run["state"]["type"] == "COMPLETED", run["state"]
    ui.open_artifact("backfill-issues")
    ui.sees("42 of 42 windows")
    ui.keep("prefect-backfill")
    ui.open("deployments")
    ui.sees("ingest issues")
    ui.keep("prefect-deployments")
