"""The map: what it shows, that its file loads and runs nothing of others, and who may see it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from rag import map as command
from rag.desk.map.drawing import Drawing
from rag.desk.map.page import map_json, map_page
from rag.desk.map.png import map_png
from rag.desk.map.svg import map_svg
from rag.engine import Engine
from rag.errors import ConfigurationError
from tests.servers.memory_source import MemorySource, page
from tests.servers.web import served

pytestmark = pytest.mark.xdist_group("browser")  # all use the drawing, and one the browser

QUESTION = "How do I write one database to a file?"
UNKNOWN = "How many blades does a windmill have?"
HOSTILE = "</script><script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def engine(module_engine: Callable[..., Engine]) -> Engine:
    pages = [page(f"page{n}", f"Page {n} explains the command number {n}.", title=f"Command {n}") for n in range(20)]
    backup = page("backup", "Use pg_dump to write one database to a file.", title=f"Backup {HOSTILE}")
    engine = module_engine(MemorySource([*pages, backup]))
    engine.ask(QUESTION)
    engine.ask(UNKNOWN)
    return engine


@pytest.fixture(scope="module")
def drawing(engine: Engine) -> Drawing:
    return engine.maps.draw(["pca"])


def test_a_map_has_every_document_its_citations_and_the_questions(drawing: Drawing) -> None:
    assert drawing.summary == "21 documents, 2 questions of 30 days, 1 not answered"
    assert {point.cites for point in drawing.points if point.title.startswith("Backup")} == {1}
    assert {(question.text, question.answered) for question in drawing.questions} == {
        (QUESTION, True),
        (UNKNOWN, False),
    }
    [layout] = drawing.layouts
    assert layout.places.shape == (23, 2)
    assert sum(region.points for region in layout.regions) == 21


def test_chunks_a_source_and_fewer_points_are_drawn_on_request(engine: Engine) -> None:
    few = engine.maps.draw(["pca"], by_chunk=True, source="docs", with_questions=False, most=5)
    assert few.summary == "5 of 21 chunks"
    assert few.points == engine.maps.draw(["pca"], by_chunk=True, with_questions=False, most=5).points
    with pytest.raises(ConfigurationError, match="No source called 'nowhere'"):
        engine.maps.draw(["pca"], source="nowhere")


def test_the_page_allows_its_own_script_and_style_only(drawing: Drawing) -> None:
    shown = map_page(drawing, f"Map {HOSTILE}")
    script = re.search(r"<script>(.*)</script>", shown, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; script-src 'sha256-{digest}'" in shown
    assert shown.count("<script") == 2, "the data and the script of the map"
    assert re.findall(r"(?:src|href)=", shown) == []


def test_a_large_map_has_at_most_three_megabytes(drawing: Drawing) -> None:
    from dataclasses import replace

    point = replace(drawing.points[0], text="word " * 60, title="A title of usual length", url="https://example.org/a")
    layout = drawing.layouts[0]
    places = layout.places[:1].repeat(10_002, axis=0)
    large = replace(
        drawing,
        points=[point] * 10_000,
        layouts=[replace(layout, places=places, region_of=layout.region_of[:1].repeat(10_000))],
    )
    assert len(map_json(large).encode()) < 2_900_000
    assert len(map_page(large, "Map").encode()) < 3_000_000


def test_the_pictures_can_be_read(drawing: Drawing) -> None:
    picture = map_svg(drawing, "Map")
    circles = [one for one in ElementTree.fromstring(picture).iter() if one.tag.endswith("circle")]
    assert len(circles) == len([*drawing.points, "the legend of their sizes"])
    for meaning in ("larger: cited more often", "question, answered", "question, not answered"):
        assert f">{meaning}<" in picture
    assert Image.open(io.BytesIO(map_png(drawing, "Map"))).size == (1000, 1100)


def test_operators_see_the_map_that_was_drawn_last(engine: Engine, drawing: Drawing) -> None:
    with engine.database.connection() as connection:
        connection.execute("DELETE FROM maps")  # the one that the browser was shown
    with served(engine) as address:
        missing = httpx.get(f"{address}/map/data")
        assert (missing.status_code, list(missing.json())) == (404, ["error"])
        engine.maps.keep(map_json(drawing).encode())
        assert httpx.get(f"{address}/map/data").json()["summary"] == drawing.summary
        assert httpx.get(f"{address}/map").status_code == 200
        assert "javascript" in httpx.get(f"{address}/static/map.js").headers["content-type"]
    with served(engine, host="0.0.0.0") as address:
        assert [httpx.get(address + path).status_code for path in ("/map", "/map/data")] == [401, 401]
    with engine.database.connection() as connection:
        connection.execute("UPDATE maps SET made_at = now() - interval '91 days'")
    assert engine.maps.kept() is None


def test_the_command_writes_files(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAG_HOME", str(engine.settings.home))
    monkeypatch.setenv("RAG_DATABASE_URL", engine.settings.database_url.get_secret_value())
    files = [tmp_path / f"map.{kind}" for kind in ("html", "svg", "png")]
    outs = [word for file in files for word in ("--out", str(file))]
    assert command.main(["--method", "pca", "--json", "--no-questions", *outs]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["points"], printed["questions"], printed["methods"]) == (21, 0, ["pca"])
    assert [one["bytes"] for one in printed["files"]] == [file.stat().st_size for file in files]
    assert QUESTION not in files[0].read_text()
    for wrong in (["--out", "map.gif"], ["--out", "/nowhere/map.html", "--method", "pca"], ["--most", "1"]):
        assert command.main(wrong) == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")


@pytest.mark.browser
def test_the_map_works_in_a_browser_alone_and_on_the_site(
    engine: Engine, drawing: Drawing, chrome: Chrome, tmp_path: Path
) -> None:
    file = tmp_path / "map.html"
    file.write_text(map_page(drawing, "Map"), encoding="utf-8")
    engine.maps.keep(map_json(drawing).encode())
    chrome.set_window_size(1280, 900)
    with served(engine) as address:
        for place in (file.as_uri(), f"{address}/map"):
            chrome.get(place)
            said = chrome.find_element(By.ID, "said")
            WebDriverWait(chrome, 20).until(lambda _, said=said: said.text == drawing.summary)
            chrome.find_element(By.ID, "find").send_keys("backup")
            assert said.text == "1 document and 0 questions found"
            link = chrome.find_element(By.CSS_SELECTOR, "#hits a")
            assert link.get_attribute("href") == "https://example.org/backup"
            assert link.text == f"Backup {HOSTILE}"
            assert chrome.title != "owned"
            loaded = chrome.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
            assert all(url.startswith(address) for url in loaded)
            assert place.startswith("http") or loaded == []
