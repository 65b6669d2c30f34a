"""The README and the handbook agree with the program."""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import re
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import pytest

from flows.maintain import maintain
from rag.settings import DocsConfig, GitHubConfig, RepositoryConfig, Settings

ROOT = Path(__file__).parents[2]
HANDBOOK = sorted((ROOT / "docs").glob("*.md"))
PAGES = [
    page for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *HANDBOOK) if page.exists()
]
# `python -m rag.ask "…" --json`, and without `python -m` where an option follows.
COMMANDS = (
    re.compile(r"python -m ((?:rag|flows)\.\w+)([^`\n|#]*)"),
    re.compile(r"(?<![\w.])((?:rag|flows)\.\w+)((?: [\w.]+)* --[^`\n|#]*)"),
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, str]]:
    found = {
        (module, option)
        for page in PAGES
        for pattern in COMMANDS
        for module, rest in pattern.findall(page.read_text())
        for option in re.findall(r"(?<!\S)--[a-z-]+", rest) or [""]
    }
    return sorted(found)


@cache
def help_of(module: str) -> str:
    """The help text of a command, run in this process."""
    is_package = (ROOT / module.replace(".", "/") / "__main__.py").exists()
    name = f"{module}.__main__" if is_package else module
    with redirect_stdout(io.StringIO()) as printed, pytest.raises(SystemExit) as left:
        importlib.import_module(name).main(["-h"])
    assert not left.value.code
    return printed.getvalue()


@pytest.mark.parametrize(("module", "option"), commands())
def test_every_command_and_option_exists(module: str, option: str) -> None:
    assert f"python -m {module}" in help_of(module)
    assert not option or re.search(rf"(?<![\w-]){option}(?![\w-])", help_of(module))


def test_the_handbook_has_the_default_and_description_of_every_setting() -> None:
    table = re.findall(r"^\| `([A-Z_]+)` \| (.+) \| (.+) \|$", (ROOT / "docs/configure.md").read_text(), re.MULTILINE)
    assert [tuple(map(without_links, row)) for row in table] == [
        tuple(map(without_links, (setting.name, setting.default, setting.description)))
        for setting in Settings.declared()
    ]


def without_links(markdown: str) -> str:
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "")


def test_the_example_file_has_the_description_of_every_setting() -> None:
    entries = re.findall(r"^# (.+)\n#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert entries == [(without_links(setting.description), setting.name) for setting in Settings.declared()]


def test_the_help_of_a_command_describes_every_setting() -> None:
    shown = " ".join(help_of("rag.ask").split())
    for setting in Settings.declared():
        assert f"{setting.name} {without_links(setting.description)}" in shown


def test_the_documented_keys_of_the_sources_tables_are_the_accepted_keys() -> None:
    text = (ROOT / "docs/sources.md").read_text()
    tables = [re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE) for part in text.split("| key | default | meaning |")]
    expected = [
        [key for key in table.model_fields if key != "kind"] for table in (GitHubConfig, DocsConfig, RepositoryConfig)
    ]
    assert tables[1:] == expected


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_has_a_target(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
        if "://" not in target:
            path, _, fragment = target.partition("#")
            linked = (page.parent / path) if path else page
            assert linked.exists(), target
            assert not fragment or fragment in anchors(linked), target


@pytest.mark.parametrize("page", HANDBOOK, ids=lambda page: page.name)
def test_headings_are_unique_within_a_page(page: Path) -> None:
    assert len(anchors(page)) == len(set(anchors(page)))


def without_code(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> list[str]:
    """The fragments of the headings of a page, by GitHub's rules."""
    titles = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_can_be_parsed(page: Path) -> None:
    for language, code in FENCE.findall(page.read_text()):
        if language == "python":
            compile(code, page.name, "exec")
        elif language == "toml":
            tomllib.loads(code)


def test_every_explained_error_exists_in_the_program() -> None:
    said = "\n".join(set(strings_in_code()))
    missing = [
        error
        for error in re.findall(r"^\| (.+?) \|", explanations(), re.MULTILINE)
        if not re.search(".*".join(map(re.escape, error.split("…"))), said)
    ]
    assert missing == []


def explanations() -> str:
    """The tables under "What errors mean", without their headers."""
    text = (ROOT / "docs/operate.md").read_text().partition("## What errors mean")[2]
    return re.sub(r"^\| message \|.*\n\|---.*$", "", text, flags=re.MULTILINE)


def strings_in_code() -> Iterator[str]:
    """Every string in the code, with an ellipsis for each placeholder."""
    for path in (*(ROOT / "rag").rglob("*.py"), *(ROOT / "flows").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_the_handbook_explains_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = [re.match(r"[A-Za-z0-9_-]+", requirement)[0] for requirement in wanted]
    reasons = (ROOT / "docs/develop.md").read_text().partition("## Why each dependency")[2]
    explained = re.findall(r"^\| ([A-Za-z0-9_-]+) \|", reasons, re.MULTILINE)
    assert sorted(names) == sorted(name for name in explained if name != "package")


def test_the_example_sources_file_is_valid() -> None:
    settings = Settings(_env_file=None, RAG_SOURCES=ROOT / "sources.example.toml")
    assert len(settings.sources) == 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_setting_exists(page: Path) -> None:
    named = set(re.findall(r"\bRAG_[A-Z_]+\b", page.read_text()))
    assert named - {str(field.validation_alias) for field in Settings.model_fields.values()} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_path_exists(page: Path) -> None:
    named = re.findall(r"(?<![\w./-])((?:rag|flows|sql|tests|bench|docs|eval)/[\w./-]*)", without_addresses(page))
    assert [path for path in named if "NNNN" not in path and not (ROOT / path.rstrip(".")).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_module_exists(page: Path) -> None:
    named = set(re.findall(r"(?<![\w./-])(?:rag|flows|bench)(?:\.\w+)+", page.read_text()))
    assert {name for name in named if not exists(name)} == set()


def exists(name: str) -> bool:
    """Whether a dotted name is a module or an attribute of a module."""
    path = ROOT / name.replace(".", "/")
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    module, _, attribute = name.rpartition(".")
    return bool(module) and exists(module) and hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_import_in_an_example_works(page: Path) -> None:
    for language, code in FENCE.findall(page.read_text()):
        for node in ast.walk(ast.parse(code)) if language == "python" else ():
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(str(node.module))
                assert [name.name for name in node.names if not hasattr(module, name.name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_database_table_exists(page: Path) -> None:
    text = page.read_text()
    sql = "".join(code for language, code in FENCE.findall(text) if language == "sql")
    named = {
        *re.findall(r"\btables? `(\w+)`", text),
        *re.findall(r"\b(?:FROM|INTO|UPDATE|JOIN|TABLE) (\w+)", sql),
    }
    assert named <= tables()


def tables() -> set[str]:
    files = (ROOT / "sql").rglob("*.sql")
    return {name for path in files for name in re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", path.read_text())}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_python_example_contains_sql(page: Path) -> None:
    code = "".join(code for language, code in FENCE.findall(page.read_text()) if language == "python")
    assert re.findall(r"\.execute\(|\b(?:DELETE FROM|INSERT INTO|UPDATE \w+ SET)\b", code) == []


def test_the_documented_retention_is_the_default_of_maintenance() -> None:
    kept = {name: one.default for name, one in inspect.signature(maintain.fn).parameters.items()}
    operate, configure = ((ROOT / "docs" / name).read_text() for name in ("operate.md", "configure.md"))
    assert f"no sync has used them for {kept['cache_days']} days" in operate
    assert f"{kept['index_days']} days after it was replaced" in operate
    assert f"drops a replaced index after {kept['index_days']} days" in configure


def without_addresses(page: Path) -> str:
    """Return a page without addresses and the targets of its links."""
    return re.sub(r"\]\([^)]*\)|\w+://\S+", "]", page.read_text())
