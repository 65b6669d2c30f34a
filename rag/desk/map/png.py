"""The map as PNG, drawn with Pillow at twice its size, so that edges are smooth."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont

from rag.desk.map.drawing import Drawing, radius
from rag.desk.map.svg import ALARM, HEIGHT, INK, MARGIN, PAPER, SIZE, SOFT, colours, legend, placed, visible_labels

__all__ = ["map_png"]

_SCALE = 2


def map_png(drawing: Drawing, title: str) -> bytes:
    """Return the picture that `map_svg` describes as a PNG of 1,000 pixels."""
    image = Image.new("RGB", (SIZE * _SCALE, HEIGHT * _SCALE), PAPER)
    _draw_points(image, drawing)
    pen = ImageDraw.Draw(image)
    layout = drawing.layouts[0]
    _draw_questions(pen, drawing)
    for label, x, y in visible_labels(layout):
        _write(pen, (x, y), label, 17, anchor="mm", halo=True)
    _write(pen, (12, 8), title, 20)
    _write(pen, (SIZE - 12, 12), f"{layout.name}: {drawing.summary}", 14, ink=SOFT, anchor="ra")
    for place, (colour, text) in enumerate(legend(drawing)):
        x, y = 12 + 240 * (place % 4), MARGIN + SIZE + 16 + 18 * (place // 4)
        if text.startswith("question"):
            _sign(pen, x + 5, y, 5, is_answered=colour == INK)
        else:
            _circle(pen, x + 5, y, 5, colour)
        _write(pen, (x + 16, y), text, 13, anchor="lm")
    small = image.resize((SIZE, HEIGHT), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    small.quantize(256, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
    return written.getvalue()


def _draw_points(image: Image.Image, drawing: Drawing) -> None:
    """Draw the points half transparent, the most cited first."""
    layout = drawing.layouts[0]
    ink = colours(drawing, layout)
    pen = ImageDraw.Draw(image, "RGBA")
    for place in sorted(range(len(drawing.points)), key=lambda place: -drawing.points[place].cites):
        x, y = placed(layout, place)
        _circle(pen, x, y, radius(drawing.points[place].cites, len(drawing.points)), f"{ink[place]}b8")


def _draw_questions(pen: ImageDraw.ImageDraw, drawing: Drawing) -> None:
    for place, question in enumerate(drawing.questions):
        x, y = placed(drawing.layouts[0], len(drawing.points) + place)
        _sign(pen, x, y, min(4 + question.times**0.5, 9) * 0.65, is_answered=question.answered)


def _sign(pen: ImageDraw.ImageDraw, x: float, y: float, half: float, *, is_answered: bool) -> None:
    """Draw the diamond of an answered question, or the cross of another."""
    left, right, top, bottom = (at * _SCALE for at in (x - half, x + half, y - half, y + half))
    if is_answered:
        middle = (x * _SCALE, y * _SCALE)
        corners = [(middle[0], top), (right, middle[1]), (middle[0], bottom), (left, middle[1]), (middle[0], top)]
        pen.line(corners, fill=INK, width=3)
    else:
        pen.line([(left, top), (right, bottom)], fill=ALARM, width=5)
        pen.line([(right, top), (left, bottom)], fill=ALARM, width=5)


def _circle(pen: ImageDraw.ImageDraw, x: float, y: float, size: float, colour: str) -> None:
    pen.ellipse([(at * _SCALE) for at in (x - size, y - size, x + size, y + size)], fill=colour)


def _write(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    *,
    ink: str = INK,
    anchor: str = "la",
    halo: bool = False,
) -> None:
    font = ImageFont.load_default(size * _SCALE)
    x, y = place
    pen.text(
        (x * _SCALE, y * _SCALE),
        text,
        fill=ink,
        font=font,
        anchor=anchor,
        stroke_width=3 * _SCALE if halo else 0,
        stroke_fill=PAPER,
    )
