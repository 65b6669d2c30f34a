"""The map as one HTML file that loads nothing, and as the JSON that its script draws."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rag.desk.map.drawing import PALETTE, Drawing, Layout, radius

__all__ = ["BODY", "asset", "map_json", "map_page"]

_FOLDER = Path(__file__).parent
# In bytes: what the file may have, less its script and style.
_LARGEST = 2_900_000
_LONGEST, _SHORTEST = 240, 40
# Places are whole numbers up to this.
_GRID = 9999

#: What the script of the map fills.
BODY = """\
<div id="map" class="map">
<form class="bar" role="search">
<label class="find"><span>Search</span><input id="find" type="search" autocomplete="off" maxlength="200"></label>
<label><span>Layout</span><select id="layout"></select></label>
<label><span>Colour</span><select id="colour">
<option value="region">region</option><option value="source">source</option><option value="kind">kind</option>
</select></label>
<label class="check"><input id="questions" type="checkbox" checked><span>Questions</span></label>
<button id="reset" type="button">Whole map</button>
</form>
<p id="said" class="said" role="status"></p>
<div class="picture">
<canvas id="canvas" tabindex="0" role="img" aria-label="Map of the index; arrows move it, + and - zoom"></canvas>
<div id="hint" class="hint" hidden></div>
</div>
<ul id="legend" class="legend"></ul>
<ol id="hits" class="hits"></ol>
</div>
"""


@cache
def asset(name: str) -> str:
    """Return the text of map.js or map.css."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def map_page(drawing: Drawing, title: str) -> str:
    """Return one HTML file of at most 3 MB with all that it needs.

    Its policy allows its own script and style only, so that nothing in a title can run or load anything.
    """
    script, style = asset("map.js"), asset("map.css")
    policy = f"default-src 'none'; script-src 'sha256-{_digest(script)}'; style-src 'sha256-{_digest(style)}'"
    return (
        "<!doctype html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{html.escape(title)}</title>\n<style>{style}</style>\n</head>\n"
        f'<body class="alone">\n<h1>{html.escape(title)}</h1>\n{BODY}'
        f'<script id="data" type="application/json">{_inert(map_json(drawing))}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def map_json(drawing: Drawing) -> str:
    """Return what the script draws; first lines are cut to what the size of the file allows."""
    length = _LONGEST
    while len((text := _json(drawing, length)).encode()) > _LARGEST and length > _SHORTEST:
        length = max(_SHORTEST, length * 2 // 3)
    return text


def _json(drawing: Drawing, length: int) -> str:
    points = drawing.points
    sources, kinds = drawing.sources, sorted({one.kind for one in points})
    base = _common_start([one.url for one in points])
    value: dict[str, Any] = {
        "unit": drawing.unit,
        "summary": drawing.summary,
        "palette": PALETTE,
        "grid": _GRID,
        "sources": sources,
        "kinds": kinds,
        "base": base,
        "title": [one.title[:200] for one in points],
        "url": [one.url[len(base) :] for one in points],
        "text": [one.text[:length] for one in points],
        "source": [sources.index(one.source) for one in points],
        "kind": [kinds.index(one.kind) for one in points],
        "cites": [one.cites for one in points],
        "radius": [round(radius(one.cites, len(points)), 1) for one in points],
        "questions": [[one.text, int(one.answered), one.times] for one in drawing.questions],
        "layouts": [_layout_json(layout) for layout in drawing.layouts],
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _layout_json(layout: Layout) -> dict[str, Any]:
    places = (layout.places * _GRID).round().astype(int)
    return {
        "name": layout.name,
        "x": places[:, 0].tolist(),
        "y": places[:, 1].tolist(),
        "region": layout.region_of.tolist(),
        "regions": [[one.label, round(one.x * _GRID), round(one.y * _GRID), one.points] for one in layout.regions],
    }


def _common_start(texts: Sequence[str]) -> str:
    """Return the characters that all texts begin with."""
    first, last = min(texts, default=""), max(texts, default="")
    same = (place for place, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1])
    return first[: next(same, min(len(first), len(last)))]


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _inert(text: str) -> str:
    """Return JSON that cannot end the element it stands in."""
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
