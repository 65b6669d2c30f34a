"""The map as SVG: the same picture, without script."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from rag.desk.map.drawing import PALETTE, Drawing, Layout, radius

__all__ = [
    "ALARM",
    "HEIGHT",
    "INK",
    "MARGIN",
    "PAPER",
    "SIZE",
    "SOFT",
    "colours",
    "legend",
    "map_svg",
    "placed",
    "visible_labels",
]

#: The picture is a square with a title above it and a legend below it.
SIZE, MARGIN, HEIGHT = 1000, 40, 1100
INK, SOFT, PAPER, ALARM = "#1b1f24", "#57606a", "#fdfdfc", "#c0261a"
_LABEL = 17


def map_svg(drawing: Drawing, title: str) -> str:
    """Return the first layout of a drawing as SVG, coloured by source, or by region where there is one source."""
    layout = drawing.layouts[0]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {HEIGHT}" width="{SIZE}" height="{HEIGHT}" '
        'font-family="sans-serif">',
        f"<title>{_text(title)}</title>",
        f'<rect width="{SIZE}" height="{HEIGHT}" fill="#fdfdfc"/>',
        f'<text x="12" y="26" font-size="20" font-weight="700" fill="#1b1f24">{_text(title)}</text>',
        f'<text x="{SIZE - 12}" y="26" font-size="14" text-anchor="end" fill="#57606a">{layout.name}: '
        f"{_text(drawing.summary)}</text>",
        *_points(drawing, layout),
        *_questions(drawing, layout),
        *_labels(layout),
        *_legend(drawing),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def placed(layout: Layout, position: int) -> tuple[float, float]:
    """Return the place of a point or question in the picture."""
    x, y = layout.places[position].tolist()
    return x * SIZE, MARGIN + (1 - y) * SIZE


def colours(drawing: Drawing, layout: Layout) -> list[str]:
    """Return the colour of each point."""
    sources = drawing.sources
    if len(sources) > 1:
        return [PALETTE[sources.index(point.source) % len(PALETTE)] for point in drawing.points]
    return [PALETTE[region % len(PALETTE)] for region in layout.region_of.tolist()]


def visible_labels(layout: Layout) -> list[tuple[str, float, float]]:
    """Return the labels that do not cover each other, those of the largest regions first, with their middles."""
    used: list[tuple[float, float, float]] = []
    shown = []
    for region in layout.regions:
        half = 0.27 * _LABEL * len(region.label) + 4
        x = min(max(region.x * SIZE, half + 6), SIZE - half - 6)
        y = min(max(MARGIN + (1 - region.y) * SIZE, MARGIN + _LABEL), MARGIN + SIZE - _LABEL)
        if not any(abs(x - other) < half + wide and abs(y - high) < 1.3 * _LABEL for other, high, wide in used):
            used.append((x, y, half))
            shown.append((region.label, x, y))
    return shown


def _points(drawing: Drawing, layout: Layout) -> Iterator[str]:
    ink = colours(drawing, layout)
    order = sorted(range(len(drawing.points)), key=lambda place: -drawing.points[place].cites)
    by_colour: dict[str, list[str]] = {}
    for place in order:
        x, y = placed(layout, place)
        size = radius(drawing.points[place].cites, len(drawing.points))
        by_colour.setdefault(ink[place], []).append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}"/>')
    for colour, circles in by_colour.items():
        yield f'<g fill="{colour}" fill-opacity="0.72">{"".join(circles)}</g>'


def _questions(drawing: Drawing, layout: Layout) -> Iterator[str]:
    answered, unanswered = [], []
    for place, question in enumerate(drawing.questions):
        x, y = placed(layout, len(drawing.points) + place)
        size = min(4 + question.times**0.5, 9)
        if question.answered:
            half = f"{0.62 * size:.1f}"
            answered.append(f"M{x:.1f} {y - 0.62 * size:.1f}l{half} {half}l-{half} {half}l-{half} -{half}z")
        else:
            whole = f"{1.4 * size:.1f}"
            unanswered.append(f"M{x - 0.7 * size:.1f} {y - 0.7 * size:.1f}l{whole} {whole}m0 -{whole}l-{whole} {whole}")
    if answered:
        yield f'<path d="{"".join(answered)}" fill="none" stroke="#1b1f24" stroke-opacity="0.6" stroke-width="1.3"/>'
    if unanswered:
        yield f'<path d="{"".join(unanswered)}" fill="none" stroke="#c0261a" stroke-width="2.2"/>'


def _labels(layout: Layout) -> Iterator[str]:
    for label, x, y in visible_labels(layout):
        yield (
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{_LABEL}" font-weight="600" text-anchor="middle" '
            'dominant-baseline="central" fill="#1b1f24" stroke="#fdfdfc" stroke-width="4" stroke-linejoin="round" '
            f'paint-order="stroke">{_text(label)}</text>'
        )


def _legend(drawing: Drawing) -> Iterator[str]:
    for place, (colour, text) in enumerate(legend(drawing)):
        x, y = 12 + 240 * (place % 4), MARGIN + SIZE + 20 + 18 * (place // 4)
        if text.startswith("question"):
            shape = "M{0} {1}l5 5l-5 5l-5 -5z" if colour == INK else "M{2} {1}l10 10m0 -10l-10 10"
            path = shape.format(x + 5, y - 9, x)
            yield f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        else:
            yield f'<circle cx="{x + 5}" cy="{y - 4}" r="5" fill="{colour}"/>'
        yield f'<text x="{x + 16}" y="{y}" font-size="13" fill="#1b1f24">{_text(text)}</text>'


def legend(drawing: Drawing) -> list[tuple[str, str]]:
    """Return the colours of the legend with their meanings."""
    entries = []
    if len(drawing.sources) > 1:
        entries = [(PALETTE[place % len(PALETTE)], name[:26]) for place, name in enumerate(drawing.sources[:8])]
    if any(point.cites for point in drawing.points):
        entries.append((SOFT, "larger: cited more often"))
    if drawing.questions:
        entries += [(INK, "question, answered"), (ALARM, "question, not answered")]
    return entries


def _text(text: str) -> str:
    """Return a text that stands in XML, without the characters that XML lacks."""
    return escape("".join(mark for mark in text if mark.isprintable() or mark == " "), quote=False)
