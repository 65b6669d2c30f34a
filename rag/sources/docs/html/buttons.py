"""Buttons whose words are text of the page: a heading, a question, the label of a panel, a word in a sentence."""

from __future__ import annotations

import re
from itertools import islice

from lxml.etree import _Element as Element

from rag.sources.docs.html.elements import is_links, text_of
from rag.sources.docs.html.marks import HEADINGS

__all__ = ["is_text", "names_panel", "stands_below_opener"]


def is_text(button: Element) -> bool:
    """Return whether a button is a part of the text instead of a tool of the page."""
    return _is_in_sentence(button) or _is_all_of_heading(button) or _is_question(button)


def _is_in_sentence(element: Element) -> bool:
    """Return whether text precedes and follows an element, as around a word with a tooltip."""
    before = element.getprevious()
    text = before.tail if before is not None else element.getparent().text if element.getparent() is not None else ""
    return bool((text or "").strip() and (element.tail or "").strip())


def _is_all_of_heading(button: Element) -> bool:
    """Return whether a button is the text of a heading, a summary or a term, or holds a heading."""
    if any(inner.tag in HEADINGS for inner in button.iter(*HEADINGS)):
        return True
    for above in button.iterancestors():
        if above.tag in HEADINGS or above.tag in ("summary", "dt"):
            if next(islice(above.iter("button"), _MAX_BUTTONS, None), None) is not None:
                return False
            whole, own = "".join(text_of(above).split()), "".join(text_of(button).split())
            return len(own) >= _MOST * len(whole)
    return False


#: The share of a heading's text in a button that makes the button its text; the rest is an icon.
_MOST = 0.8
_MAX_BUTTONS = 4


def _is_question(button: Element) -> bool:
    """Return whether a button asks what the text below it answers."""
    text = text_of(button).strip()
    return text.endswith(("?", "\uff1f")) and len(text) >= _MIN_QUESTION and button.getnext() is not None


_MIN_QUESTION = 12


def names_panel(button: Element) -> bool:
    """Return whether a button is the label of the text that it opens below it, in an accordion."""
    above = button.getparent()
    panel = button.getnext()
    if panel is None and above is not None and len(above) == 1:
        panel = above.getnext()
    if panel is None or panel.tag not in ("div", "section", "dd") or is_links(panel) or _OPENS.match(text_of(button)):
        return False
    classes = f"{button.get('class')} {panel.get('class')}".lower()
    return "aria-expanded" in button.attrib or "accordion" in classes or "collapse" in classes


#: What buttons say that name nothing.
_OPENS = re.compile(
    r"\W*(?:(?:show|read|view|see|expand|collapse|toggle|open|close|hide|menu|copy|more|less)\b|$)", re.IGNORECASE
)


def stands_below_opener(panel: Element) -> bool:
    """Return whether an element follows the button that opens it, or the heading or term that holds this button."""
    before = panel.getprevious()
    if before is None or (before.tail or "").strip() or before.tag not in _OPENERS:
        return False
    return any("aria-expanded" in button.attrib for button in islice(before.iter("button", "a"), _MAX_BUTTONS))


_OPENERS = HEADINGS | {"button", "dt", "div", "a"}
