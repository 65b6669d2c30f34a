"""The page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from rag.engine import Engine
from tests.browser import chromium

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    # A page may take seconds on a busy machine.
    with chromium(tmp_path_factory.mktemp("profile"), size="900,1000", wait=20) as chrome:
        yield chrome


@pytest.fixture
def browser(chrome: Chrome) -> Chrome:
    chrome.set_window_size(900, 1000)
    return chrome


def test_a_reader_asks_and_follows_a_marker_to_its_source(browser: Chrome, address: str) -> None:
    browser.get(address)
    browser.find_element(By.ID, "q").send_keys("How do I write one database to a file?", Keys.ENTER)
    assert "pg_dump mydb" in browser.find_element(By.TAG_NAME, "pre").text
    browser.find_element(By.CSS_SELECTOR, "a.marker").click()
    assert browser.current_url.endswith("#source-1")
    link = browser.find_element(By.CSS_SELECTOR, "#source-1 a")
    assert link.get_attribute("href").startswith("https://example.org/backup#one:~:text=")


def test_scripts_from_a_source_are_not_executed(browser: Chrome, address: str) -> None:
    browser.get(f"{address}/?q=what+does+the+hostile+page+say")
    assert browser.find_elements(By.TAG_NAME, "article")
    assert "owned" not in browser.title
    assert browser.find_elements(By.CSS_SELECTOR, "article script, article img") == []


def test_a_narrow_screen_needs_no_sideways_scrolling(browser: Chrome, address: str) -> None:
    browser.set_window_size(500, 800)
    browser.get(f"{address}/?q=How+do+I+write+one+database+to+a+file")
    width = browser.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0


def test_a_reader_gives_feedback(browser: Chrome, address: str, empty_engine: Engine) -> None:
    browser.get(f"{address}/?q=How+do+I+write+one+database+to+a+file")
    browser.find_element(By.ID, "better").send_keys("https://example.org/other")
    browser.find_element(By.CSS_SELECTOR, "form.feedback button[value=down]").click()
    assert browser.find_element(By.CSS_SELECTOR, "[role=status]").text == "Thank you for your feedback."
    assert browser.find_elements(By.CSS_SELECTOR, "button[value=down][aria-pressed=true]")
    (voted,) = empty_engine.store.answers.down_voted()
    assert voted.better_page == "https://example.org/other"
