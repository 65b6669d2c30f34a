"""The templates of the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rag.text.urls import is_web_url

__all__ = ["render"]

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.tests["web_url"] = is_web_url


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


_templates.filters["counted"] = _counted


def render(name: str, values: dict[str, Any]) -> str:
    """Return a template with its values; everything in them is escaped."""
    return _templates.get_template(name).render(values)
