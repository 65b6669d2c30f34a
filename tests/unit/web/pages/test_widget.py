"""The script of the widget, and the look that the settings give it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from rag.errors import ConfigurationError
from rag.settings import Settings
from rag.web.pages.brand import brand_of
from rag.web.pages.widget import widget_script


def settings(tmp_path: Path, **values: object) -> Settings:
    sources = tmp_path / "sources.toml"
    sources.write_text('[[github]]\nname = "issues"\nrepo = "owner/name"\n')
    return Settings(_env_file=None, RAG_HOME=tmp_path, RAG_SOURCES=sources, **values)


def test_the_widget_is_small_and_has_the_settings(tmp_path: Path) -> None:
    script = widget_script(brand_of(settings(tmp_path, RAG_WEB_TITLE='Ask "us"</script>')), 2000)
    assert '"title": "Ask \\"us\\"</script>"' in script
    assert "SETTINGS" not in script
    assert len(gzip.compress(script.encode())) < 30_000


def test_examples_are_separated_by_bars_and_may_hold_commas(tmp_path: Path) -> None:
    bars = settings(tmp_path, RAG_WEB_EXAMPLES="How, if at all, do I? | And then")
    assert bars.web_examples == ("How, if at all, do I?", "And then")
    assert settings(tmp_path, RAG_WEB_EXAMPLES="One?, Two?").web_examples == ("One?", "Two?")


@pytest.mark.parametrize(("color", "ink"), [("#1f5f8b", "#ffffff"), ("#ffd400", "#000000"), ("#000000", "#ffffff")])
def test_text_on_the_colour_is_readable(tmp_path: Path, color: str, ink: str) -> None:
    assert brand_of(settings(tmp_path, RAG_WEB_COLOR=color)).ink == ink


@pytest.mark.parametrize(
    ("api", "site"),
    [
        ("https://api.github.com", "https://github.com/owner/name/issues/new?title=Why%3F"),
        ("https://git.example.org/api/v3", "https://git.example.org/owner/name/issues/new?title=Why%3F"),
    ],
)
def test_a_question_that_is_not_answered_can_become_an_issue(tmp_path: Path, api: str, site: str) -> None:
    url = brand_of(settings(tmp_path, RAG_GITHUB_API_URL=api)).issue_url("Why?")
    assert url
    assert url.startswith(site)


def test_a_logo_that_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logo.txt").write_text("no image")
    with pytest.raises(ConfigurationError, match="is not an image file"):
        brand_of(settings(tmp_path, RAG_WEB_LOGO=tmp_path / "logo.txt"))
