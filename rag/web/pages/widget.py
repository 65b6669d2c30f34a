"""The widget: one script that puts the question box on any docs site."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from rag.web.pages.brand import Brand

__all__ = ["widget_script"]

_FOLDER = Path(__file__).parent
_SETTINGS, _EVENTS = "/*SETTINGS*/", "/*EVENTS*/"


def widget_script(brand: Brand, longest: int) -> str:
    """Return the script with the settings of this server.

    :param longest: the characters of the longest question
    """
    settings = {
        "title": brand.title,
        "examples": brand.examples,
        "notice": brand.notice,
        "color": brand.color,
        "ink": brand.ink,
        "longest": longest,
    }
    return _source().replace(_SETTINGS, json.dumps(settings), 1)


@cache
def _source() -> str:
    source = (_FOLDER / "widget.js").read_text(encoding="utf-8")
    return source.replace(_EVENTS, (_FOLDER / "static" / "events.js").read_text(encoding="utf-8"), 1)
