"""`python -m rag.map`: draw what the index knows, with the questions that were asked laid over it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rag.command import CommandParser, number_argument, print_json, run
from rag.engine import Engine
from rag.errors import ConfigurationError

if TYPE_CHECKING:
    from rag.desk.map.drawing import Drawing
    from rag.desk.map.layout import Method

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the map."""
    parser = CommandParser(
        prog="python -m rag.map",
        description="Draw the documents of the index as a map: similar documents are near each other, and the "
        "questions that were asked are drawn over them. The file quotes questions; --no-questions leaves them out. "
        "rag.web shows the latest map at /map, to operators.",
        examples=[
            "python -m rag.map",
            "python -m rag.map --out map.html --out map.svg --out map.png",
            "python -m rag.map --method umap --method tsne",
            "python -m rag.map --chunks --source NAME --no-questions",
        ],
    )
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        metavar="FILE",
        help="a file that ends with .html, .svg or .png (default map.html); may be repeated",
    )
    parser.add_argument(
        "--method",
        action="append",
        choices=["umap", "tsne", "pca"],
        help="the layout (default: umap if it is installed, else pca); repeat it for a page with several layouts",
    )
    parser.add_argument("--source", metavar="NAME", help="only documents of this source")
    parser.add_argument("--chunks", action="store_true", help="draw chunks instead of documents")
    parser.add_argument(
        "--days", type=number_argument, default=30, metavar="N", help="questions of the last N days (default 30)"
    )
    parser.add_argument(
        "--most", type=number_argument, default=10_000, metavar="N", help="points to draw (default and maximum 10000)"
    )
    parser.add_argument("--no-questions", action="store_true", help="leave out the questions")
    parser.add_argument("--title", default="What the sources know", help="the title of the map")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run(parser, _map, arguments)


def _map(options: argparse.Namespace) -> int:
    from rag.desk.map.page import map_json

    started = time.perf_counter()
    paths: list[Path] = options.out or [Path("map.html")]
    writers = [_writer(path) for path in paths]
    with Engine.open() as engine:
        methods = _methods(options, engine)
        drawing = engine.maps.draw(
            methods,
            source=options.source,
            by_chunk=options.chunks,
            days=options.days,
            with_questions=not options.no_questions,
            most=options.most,
        )
        engine.maps.keep(map_json(drawing).encode())
    files = []
    for path, write in zip(paths, writers, strict=True):
        data = write(drawing, options.title)
        try:
            path.write_bytes(data)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error
        files.append({"path": str(path), "bytes": len(data)})
    seconds = round(time.perf_counter() - started, 1)
    if options.json:
        shown = {"unit": drawing.unit, "points": len(drawing.points), "all_points": drawing.all_points}
        asked = {"questions": len(drawing.questions), "days": drawing.days}
        print_json({**shown, **asked, "methods": methods, "files": files, "seconds": seconds})
    else:
        names = ", ".join(f"{one['path']} ({one['bytes'] / 1e6:.1f} MB)" for one in files)  # type: ignore[operator]
        sys.stdout.write(f"{drawing.summary}\n{names}, {seconds:.1f} s\n")
    return 0


def _methods(options: argparse.Namespace, engine: Engine) -> list[Method]:
    if options.method:
        return list(dict.fromkeys(options.method))
    best = engine.maps.best_method
    if best == "pca":
        sys.stderr.write("UMAP shows more than PCA; install it with: pip install 'fastumap>=0.2.30,<0.3'\n")
    return [best]


def _writer(path: Path) -> Callable[[Drawing, str], bytes]:
    """Return what makes the bytes of a file.

    :raises ConfigurationError: its name has no known ending
    """
    match path.suffix.lower():
        case ".html" | ".htm":
            from rag.desk.map.page import map_page

            return lambda drawing, title: map_page(drawing, title).encode()
        case ".svg":
            from rag.desk.map.svg import map_svg

            return lambda drawing, title: map_svg(drawing, title).encode()
        case ".png":
            from rag.desk.map.png import map_png

            return map_png
        case _:
            raise ConfigurationError(f"--out {path}: the name must end with .html, .svg or .png.")


if __name__ == "__main__":
    raise SystemExit(main())
