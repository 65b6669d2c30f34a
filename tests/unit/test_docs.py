"""What the README and the handbook say is what the program does."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from rag.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"python -m ((?:rag|flows)\.\w+)([^`\n|#]*)")


def commands() -> list[tuple[str, str]]:
    found = {
        (module, option)
        for page in PAGES
        for module, rest in COMMAND.findall(page.read_text())
        for option in re.findall(r"--[a-z-]+", rest) or [""]
    }
    return sorted(found)


@pytest.mark.parametrize(("module", "option"), commands())
def test_every_command_and_option_exists(module: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"{module}.__main__" if module == "rag.web" else module
    with pytest.raises(SystemExit):
        importlib.import_module(name).main(["-h"])
    shown = capsys.readouterr().out
    assert f"python -m {module}" in shown
    assert option in shown


def test_every_setting_is_documented_and_no_other() -> None:
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/configure.md").read_text(), re.MULTILINE))
    assert documented == set(Settings().masked())


def test_every_setting_is_in_the_example_file() -> None:
    example = (ROOT / ".env.example").read_text()
    assert [name for name in Settings().masked() if name not in example] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" not in target:
            path, _, fragment = target.partition("#")
            linked = (page.parent / path) if path else page
            assert linked.exists(), target
            assert not fragment or fragment in anchors(linked), target


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_example_compiles(page: Path) -> None:
    for code in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        compile(code, page.name, "exec")


def test_every_dependency_says_why_it_is_there() -> None:
    wanted = re.findall(
        r'^    "([A-Za-z0-9_-]+)[\[<>=]',
        (ROOT / "pyproject.toml").read_text().partition("[dependency-groups]")[0],
        re.MULTILINE,
    )
    explained = (ROOT / "docs/develop.md").read_text()
    assert [name for name in wanted if f"| {name} |" not in explained] == []


def test_the_sources_example_is_read_as_it_stands() -> None:
    assert len(Settings(RAG_SOURCES=ROOT / "sources.example.toml").sources) == 3
