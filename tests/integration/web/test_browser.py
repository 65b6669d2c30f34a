"""The page and the widget in a real browser: one browser and one server for all tests, since each takes seconds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from rag.answer.answer import Answer, Citation
from rag.engine import Engine
from rag.web.pages.markup import render_answer, render_draft, render_text
from tests.hostile import HOSTILE
from tests.integration.conftest import OpenEngine
from tests.servers.openai import OpenAIServer, Request
from tests.servers.web import served

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

QUESTION = "How do I write one database to a file?"
AXE = (Path(__file__).parents[2] / "fixtures" / "axe.min.js").read_text(encoding="utf-8")
OPEN_ROOTS = """
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (options) { return attach.call(this, { ...options, mode: "open" }); };
"""


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
    """Pages with the widget: /hostile has hostile attributes; /bright and /dark open its shadow root to axe."""

    server: Site

    def do_GET(self) -> None:
        hostile = "&quot;&gt;&lt;img src=x onerror=&quot;document.title='owned'&quot;&gt;"
        title = hostile if self.path == "/hostile" else "Ask the docs"
        color = "#fff" if self.path == "/bright" else "#111"
        page = (
            f"<!doctype html><html lang=en><meta name=viewport content='width=device-width'><title>Docs</title><body style='background:{color}'>"
            f"<main><h1 style='color:#888'>Docs</h1></main><script>{OPEN_ROOTS if self.path != '/hostile' else ''}</script>"
            f'<script src="{self.server.server_of_widget}/widget.js" data-title="{title}" data-label="{title}" '
            f'data-filter-source="docs" async></script></body>'
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def docs_site(open_engine: OpenEngine) -> Iterator[Site]:
    """A site that may use the widget of a server."""
    with Site() as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        with served(open_engine(RAG_WEB_ORIGINS=site.origin, RAG_WEB_EXAMPLES="What is VACUUM?")) as address:
            site.server_of_widget = address
            yield site
        site.shutdown()
        thread.join()


class SlowModel(OpenAIServer):
    """A language model that writes a sentence, and goes on when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def handle(self, request: Request) -> Iterator[dict[str, Any]]:
        for event in cast(Iterator[dict[str, Any]], super().handle(request)):
            yield event
            if "After" in str(event):
                self.go_on.wait(30)


@pytest.fixture(scope="module")
def slow_site(docs_site: Site, open_engine: OpenEngine) -> Iterator[tuple[str, SlowModel]]:
    """The address of a server whose language model waits behind the first sentence, and the model."""
    with SlowModel() as model:
        model.answer = "Use pg_dump to write one database to a file [1]. After that, VACUUM reclaims the space [1]."
        engine = open_engine(
            RAG_WEB_ORIGINS=docs_site.origin, RAG_LLM="openai/slow", OPENAI_API_KEY=model.key, OPENAI_BASE_URL=model.url
        )
        with served(engine) as address:
            yield address, model
            model.go_on.set()


def widget(browser: Chrome) -> WebElement:
    """Open the widget of the page by the keyboard, and return its dialog."""
    root = browser.find_element(By.CSS_SELECTOR, "support-engine-widget").shadow_root
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("k").key_up(Keys.CONTROL).perform()
    return root.find_element(By.CSS_SELECTOR, "dialog[open]")


def wait_for_text(browser: Chrome, selector: str, text: str) -> None:
    WebDriverWait(browser, 20).until(lambda _: browser.find_element(By.CSS_SELECTOR, selector).text == text)


def type_into_focus(browser: Chrome, text: str) -> None:
    """Type where the focus is: the driver does not find it in a closed shadow root."""
    ActionChains(browser).send_keys(text, Keys.ENTER).perform()


def test_a_reader_asks_cites_follows_up_and_votes_by_keyboard(browser: Chrome, site: str, site_engine: Engine) -> None:
    browser.get(site)
    browser.switch_to.active_element.send_keys(QUESTION, Keys.ENTER)
    # A streamed answer is drawn anew with each part; its elements stay once the answer is complete.
    assert browser.find_element(By.CSS_SELECTOR, ".turn article:not([aria-busy])")
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


def test_a_stream_is_read_as_it_is_written_and_can_be_stopped(
    browser: Chrome, slow_site: tuple[str, SlowModel]
) -> None:
    address, model = slow_site
    browser.get(address)
    browser.find_element(By.ID, "q").send_keys(QUESTION, Keys.ENTER)
    assert (
        browser.find_element(By.CSS_SELECTOR, "article[aria-busy] p").text
        == "Use pg_dump to write one database to a file 1."
    )

    browser.find_element(By.CSS_SELECTOR, "button.stop").send_keys(Keys.ENTER)

    wait_for_text(browser, ".busy", "Stopped.")
    assert "Use pg_dump" in browser.find_element(By.CSS_SELECTOR, "article").text
    model.go_on.set()


def allow_copying(browser: Chrome, origin: str) -> None:
    permissions = {"origin": origin, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    browser.execute_cdp_cmd("Browser.grantPermissions", permissions)


def test_code_and_the_address_of_an_answer_can_be_copied(browser: Chrome, site: str) -> None:
    allow_copying(browser, site)
    browser.get(f"{site}/?q={quote(QUESTION)}")
    for selector, copied in ((".code .copy", "pg_dump mydb > mydb.sql\n"), (".made .copy", f"{site}/answers/")):
        browser.find_element(By.CSS_SELECTOR, selector).send_keys(Keys.ENTER)
        wait_for_text(browser, selector, "Copied")
        assert browser.execute_async_script("navigator.clipboard.readText().then(arguments[0])").startswith(copied)


def test_filters_stay_in_the_address_and_an_answer_is_shared_by_its_own(browser: Chrome, site: str) -> None:
    browser.get(site)
    browser.find_element(By.CSS_SELECTOR, ".filters summary").click()
    assert not browser.execute_script("return document.querySelector('select[name=state]')"), "there are no threads"
    browser.get(f"{site}/?kind=page")
    browser.find_element(By.ID, "q").send_keys(QUESTION, Keys.ENTER)
    shared = browser.find_element(By.CSS_SELECTOR, "a.share").get_attribute("href")
    assert "kind=page" in browser.current_url

    browser.get(shared)

    assert browser.find_element(By.CSS_SELECTOR, "h2.question").text == QUESTION
    assert "pg_dump mydb" in browser.find_element(By.CSS_SELECTOR, "article pre").text


def violations(browser: Chrome) -> list[str]:
    """Return what axe finds on the page, shadow roots included, as far as it is moderate or worse."""
    browser.execute_script(f"if (!window.axe) {{ {AXE} }}")
    script = """
        axe.run(document, { resultTypes: ["violations"] }).then((found) => arguments[0](
            found.violations.filter((one) => one.impact !== "minor")
                .map((one) => `${one.impact} ${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`)));
    """
    found: list[str] = browser.execute_async_script(script)
    return found


def use_colors(browser: Chrome, scheme: str) -> None:
    """Let the browser prefer light or dark pages."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_pages(browser: Chrome, site: str, scheme: str) -> None:
    use_colors(browser, scheme)
    for path in ("/", f"/?q={quote(QUESTION)}&kind=page", "/?q=Who+won+the+world+cup%3F", "/nowhere"):
        browser.get(site + path)
        assert violations(browser) == []
    browser.get(f"{site}/?q={quote(QUESTION)}")
    browser.find_element(By.CSS_SELECTOR, "article a.marker").send_keys(Keys.ENTER)
    browser.find_element(By.CSS_SELECTOR, "dialog.panel[open]")
    assert violations(browser) == []
    use_colors(browser, "light")


@pytest.mark.parametrize("path", ["/bright", "/dark"])
def test_axe_finds_nothing_in_the_widget(browser: Chrome, docs_site: Site, path: str) -> None:
    browser.get(docs_site.origin + path)
    dialog = widget(browser)
    assert violations(browser) == []  # with its examples
    type_into_focus(browser, QUESTION)
    assert dialog.find_element(By.CSS_SELECTOR, ".votes button")
    assert violations(browser) == []
    root = browser.find_element(By.CSS_SELECTOR, "support-engine-widget").shadow_root
    assert root.find_element(By.CSS_SELECTOR, ".root").get_attribute("class") == f"root {path[1:]}".replace(
        " bright", ""
    )


def test_the_widget_is_used_by_keyboard(browser: Chrome, docs_site: Site) -> None:
    browser.get(docs_site.origin + "/bright")
    dialog = widget(browser)
    type_into_focus(browser, QUESTION)
    assert dialog.find_element(By.CSS_SELECTOR, ".votes button")
    focused = "return document.querySelector('support-engine-widget').shadowRoot.activeElement?.textContent"
    passed = []
    while "Yes" not in passed:
        assert len(passed) < 20
        ActionChains(browser).send_keys(Keys.TAB).perform()
        passed.append(browser.execute_script(focused))
    assert {"Ask", "1", "Backup"} <= set(passed)
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert dialog.find_element(By.CSS_SELECTOR, ".votes button[aria-pressed=true]").text == "Yes"
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    WebDriverWait(browser, 20).until(lambda _: not dialog.is_displayed())


def test_axe_looks_into_the_widget(browser: Chrome, docs_site: Site) -> None:
    browser.get(docs_site.origin + "/bright")
    root = widget(browser)
    browser.execute_script("arguments[0].append(document.createElement('button'))", root)
    assert any("button-name" in one for one in violations(browser))


def test_nothing_hostile_is_executed(browser: Chrome, docs_site: Site) -> None:
    """Where no Content-Security-Policy helps: on another site, as the widget shows it."""
    browser.get(docs_site.origin + "/bright")
    texts = [*HOSTILE, *(f"{hostile} [1]" for hostile in HOSTILE)]
    source = Citation(1, "javascript:alert(1)", "A", "docs", "page", 0.9, "quote")
    made = [render_answer(Answer("q", True, text, (source,), "model", "extractive")) for text in texts]
    made += [render_draft(text) for text in texts] + [render_text(text, quote=text) for text in texts]
    show = "const made = document.createElement('div'); made.innerHTML = arguments[0]; document.body.append(made);"
    browser.execute_script("window.alert = () => { window.owned = true; };")
    for html in made:
        browser.execute_script(show + "for (const link of made.querySelectorAll('a')) link.click();", html)
    assert browser.execute_script("return window.owned") is None
    browser.execute_script(show, "<img src=x onerror=alert(1)>")  # what would have happened
    WebDriverWait(browser, 20).until(lambda _: browser.execute_script("return window.owned"))


def test_scripts_from_a_source_are_not_executed(browser: Chrome, site: str) -> None:
    browser.get(site)
    hostile = "<img src=x onerror=document.title='owned'> what does the hostile page say"
    browser.find_element(By.ID, "q").send_keys(hostile, Keys.ENTER)
    assert browser.find_element(By.CSS_SELECTOR, "form.feedback")
    assert "owned" not in browser.title.replace(hostile, "")
    assert browser.execute_script("return document.querySelectorAll('main script, main img').length") == 0


@pytest.mark.parametrize("place", ["page", "widget"])
def test_a_narrow_screen_needs_no_sideways_scrolling(browser: Chrome, docs_site: Site, site: str, place: str) -> None:
    phone = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    element: WebElement
    if place == "page":
        browser.get(f"{site}/?q={quote(QUESTION)}")
        element = browser.find_element(By.TAG_NAME, "html")
    else:
        browser.get(docs_site.origin + "/bright")
        element = widget(browser)
        type_into_focus(browser, QUESTION)
        assert element.find_element(By.CSS_SELECTOR, ".votes button")
        assert element.size["width"] <= 390
        element = element.find_element(By.CSS_SELECTOR, ".body")
    assert browser.execute_script("return arguments[0].scrollWidth - arguments[0].clientWidth", element) <= 0
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_widget_answers_on_a_listed_site(browser: Chrome, docs_site: Site) -> None:
    browser.get(docs_site.origin + "/hostile")
    dialog = widget(browser)
    type_into_focus(browser, QUESTION)
    vote = dialog.find_element(By.CSS_SELECTOR, ".votes button")
    allow_copying(browser, docs_site.origin)
    copy = dialog.find_element(By.CSS_SELECTOR, ".copy")
    copy.click()
    WebDriverWait(browser, 20).until(lambda _: copy.text == "Copied")
    assert "pg_dump mydb" in dialog.find_element(By.TAG_NAME, "pre").text
    link = dialog.find_element(By.CSS_SELECTOR, ".sources a").get_attribute("href")
    assert link.startswith("https://example.org/backup#one")
    assert "Likelihood that this answer is right: " in dialog.text
    vote.click()
    thanks = dialog.find_element(By.CSS_SELECTOR, ".votes [role=status]")
    WebDriverWait(browser, 20).until(lambda _: thanks.text == "Thank you for your feedback.")
    assert "machine" in dialog.find_element(By.TAG_NAME, "footer").text
    browser.execute_script("arguments[0].focus()", dialog.find_element(By.TAG_NAME, "input"))
    type_into_focus(browser, "and to which one?")
    assert dialog.find_element(By.CSS_SELECTOR, "section + section .votes")  # which follow a complete answer
    second = dialog.find_element(By.CSS_SELECTOR, "section + section article")
    assert second.find_elements(By.CSS_SELECTOR, ".marker")
    assert "pg_dump" in second.text
    # The site's attributes are text; nothing is stored on it, and nobody looks in.
    assert browser.title == "Docs"
    assert browser.get_cookies() == []
    assert browser.execute_script("return [localStorage.length, sessionStorage.length]") == [0, 0]
    assert browser.execute_script("return document.querySelector('support-engine-widget').shadowRoot") is None


def test_the_widget_stops(browser: Chrome, docs_site: Site, slow_site: tuple[str, SlowModel]) -> None:
    address, model = slow_site
    model.go_on.clear()
    own, docs_site.server_of_widget = docs_site.server_of_widget, address
    browser.get(docs_site.origin + "/bright")
    docs_site.server_of_widget = own
    dialog = widget(browser)
    type_into_focus(browser, QUESTION)
    assert dialog.find_element(By.CSS_SELECTOR, "article p .marker")
    ActionChains(browser).send_keys(Keys.TAB, Keys.ENTER).perform()  # the button beside the field
    assert dialog.find_element(By.CSS_SELECTOR, "section > .soft").text == "Stopped."
    assert "Use pg_dump" in dialog.find_element(By.CSS_SELECTOR, "article").text
    model.go_on.set()


def test_the_widget_is_refused_on_another_site(browser: Chrome, docs_site: Site, site: str) -> None:
    own, docs_site.server_of_widget = docs_site.server_of_widget, site
    browser.get(docs_site.origin + "/hostile")
    docs_site.server_of_widget = own
    dialog = widget(browser)
    type_into_focus(browser, QUESTION)
    assert "cannot be asked from this page" in dialog.find_element(By.CSS_SELECTOR, ".error").text
