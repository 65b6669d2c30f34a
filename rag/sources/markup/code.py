"""Write code as Markdown: fences and code spans with more backticks than the code holds."""

from __future__ import annotations

import re

__all__ = ["LANGUAGES", "code_span", "fenced"]

#: The languages of files of code, by suffix.
LANGUAGES = {
    ".py": "python", ".js": "javascript", ".ts": "typescript", ".c": "c", ".h": "c", ".cpp": "cpp", ".go": "go",
    ".rs": "rust", ".java": "java", ".sh": "bash", ".sql": "sql", ".html": "html", ".css": "css", ".json": "json",
    ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".xml": "xml", ".rb": "ruby", ".ini": "ini",
    ".cfg": "ini", ".diff": "diff",
}  # fmt: skip

_BACKTICKS = re.compile(r"`+")


def fenced(code: str, language: str = "") -> str:
    """Return a fenced code block."""
    mark = "`" * max(3, _longest_run(code) + 1)
    return f"{mark}{language}\n{code}\n{mark}"


def code_span(code: str) -> str:
    """Return a code span; empty for no code."""
    if "`" not in code:
        return f"`{code}`" if code else ""
    mark = "`" * (_longest_run(code) + 1)
    return f"{mark} {code} {mark}"


def _longest_run(code: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(code)), default=0)
