"""The page and the widget in a real browser: one browser and one server for all tests, since each takes seconds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from rag.engine import Engine
from tests.browser import chromium
from tests.integration.conftest import OpenEngine
from tests.servers.web import served

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

QUESTION = "How do I write one database to a file?"


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    # A page may take seconds on a busy machine.
    with chromium(tmp_path_factory.mktemp("profile"), size="900,1000", wait=20) as chrome:
        yield chrome


@pytest.fixture
def browser(chrome: Chrome) -> Chrome:
    chrome.set_window_size(900, 1000)
    return chrome


class Site(ThreadingHTTPServer):
    """A docs site with the widget, on an origin of its own."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        self.server_of_widget = ""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Pages(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        hostile = "&quot;&gt;&lt;img src=x onerror=&quot;document.title='owned'&quot;&gt;"
        page = (
            f"<!doctype html><title>Docs</title><body style='background:#111'><p>Text</p>"
            f'<script src="{self.server.server_of_widget}/widget.js" data-title="{hostile}" data-label="{hostile}" '
            f'data-filter-source="docs" async></script></body>'
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def docs_site() -> Iterator[Site]:
    with Site() as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield site
        site.shutdown()
        thread.join()


def widget(browser: Chrome) -> WebElement:
    """Open the widget of the page by the keyboard, and return its dialog."""
    root = browser.find_element(By.CSS_SELECTOR, "support-engine-widget").shadow_root
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("k").key_up(Keys.CONTROL).perform()
    return root.find_element(By.CSS_SELECTOR, "dialog[open]")


def type_into_focus(browser: Chrome, text: str) -> None:
    """Type where the focus is: the driver does not find it in a closed shadow root."""
    ActionChains(browser).send_keys(text, Keys.ENTER).perform()


def test_a_reader_asks_cites_follows_up_and_votes_by_keyboard(browser: Chrome, site: str, site_engine: Engine) -> None:
    browser.get(site)
    browser.switch_to.active_element.send_keys(QUESTION, Keys.ENTER)
    marker = browser.find_element(By.CSS_SELECTOR, "article a.marker")
    assert "pg_dump mydb" in browser.find_element(By.CSS_SELECTOR, "article pre").text
    assert browser.find_element(By.CSS_SELECTOR, "h2.question").text == QUESTION
    assert "q=How+do+I" in browser.current_url

    marker.send_keys(Keys.ENTER)
    panel = browser.find_element(By.CSS_SELECTOR, "dialog.panel[open]")
    assert panel.find_element(By.TAG_NAME, "a").get_attribute("href").startswith("https://example.org/backup#one")
    assert "Use pg_dump" in panel.find_element(By.TAG_NAME, "blockquote").text
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    WebDriverWait(browser, 20).until(lambda _: browser.switch_to.active_element == marker)

    browser.find_element(By.ID, "follow").send_keys("and what reclaims dead rows?", Keys.ENTER)
    second = browser.find_element(By.CSS_SELECTOR, ".turn + .turn form.feedback")
    assert browser.find_element(By.CSS_SELECTOR, "h2.question").text == QUESTION  # the earlier turn stays
    second.find_element(By.NAME, "better_page").send_keys("https://example.org/other")
    second.find_element(By.CSS_SELECTOR, "button[value=down]").send_keys(Keys.ENTER)
    assert second.find_element(By.CSS_SELECTOR, "[role=status]").text == "Thank you for your feedback."
    assert second.find_elements(By.CSS_SELECTOR, "button[value=down][aria-pressed=true]")
    voted = site_engine.answer_log.find(UUID(second.get_attribute("action").rpartition("/")[2]))
    assert voted
    assert voted.better_page == "https://example.org/other"


def test_scripts_from_a_source_are_not_executed(browser: Chrome, site: str) -> None:
    browser.get(site)
    hostile = "<img src=x onerror=document.title='owned'> what does the hostile page say"
    browser.find_element(By.ID, "q").send_keys(hostile, Keys.ENTER)
    assert browser.find_element(By.CSS_SELECTOR, "form.feedback")
    assert "owned" not in browser.title.replace(hostile, "")
    assert browser.execute_script("return document.querySelectorAll('main script, main img').length") == 0


def test_a_narrow_screen_needs_no_sideways_scrolling(browser: Chrome, site: str) -> None:
    browser.set_window_size(500, 800)
    browser.get(f"{site}/?q=How+do+I+write+one+database+to+a+file")
    width = browser.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0


def test_the_widget_answers_on_a_listed_site(browser: Chrome, docs_site: Site, open_engine: OpenEngine) -> None:
    with served(open_engine(RAG_WEB_ORIGINS=docs_site.origin)) as address:
        docs_site.server_of_widget = address
        browser.get(docs_site.origin)
        dialog = widget(browser)
        type_into_focus(browser, QUESTION)
        vote = dialog.find_element(By.CSS_SELECTOR, ".votes button")
        assert "pg_dump mydb" in dialog.find_element(By.TAG_NAME, "pre").text
        link = dialog.find_element(By.CSS_SELECTOR, ".sources a").get_attribute("href")
        assert link.startswith("https://example.org/backup#one")
        vote.click()
        thanks = dialog.find_element(By.CSS_SELECTOR, ".votes [role=status]")
        WebDriverWait(browser, 20).until(lambda _: thanks.text == "Thank you for your feedback.")
        assert "machine" in dialog.find_element(By.TAG_NAME, "footer").text
        # The site is dark; its attributes are text; nothing is stored on it.
        root = browser.find_element(By.CSS_SELECTOR, "support-engine-widget").shadow_root
        assert root.find_elements(By.CSS_SELECTOR, ".root.dark")
        assert browser.title == "Docs"
        assert browser.get_cookies() == []
        assert browser.execute_script("return document.querySelector('support-engine-widget').shadowRoot") is None


def test_the_widget_is_refused_on_another_site(browser: Chrome, docs_site: Site, site: str) -> None:
    docs_site.server_of_widget = site
    browser.get(docs_site.origin)
    dialog = widget(browser)
    type_into_focus(browser, QUESTION)
    assert "cannot be asked from this page" in dialog.find_element(By.CSS_SELECTOR, ".error").text
