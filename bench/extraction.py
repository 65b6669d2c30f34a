"""The quality and speed of text extraction, compared with trafilatura, readability and markdownify.

    python -m bench.extraction

For the pages under tests/fixtures/docs/pages, the columns show the share of code lines that are extracted verbatim, the
share of the main text's words that are extracted, and the share of extracted words that are not in the main text. The other
projects run in a separate environment, with the settings that extract most.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import peers
from rag.sources.docs.page import read_page
from rag.sources.docs.urls import Scope
from tests.fixtures.docs.expected import Expected, Score, pages, score

PEERS = {
    "trafilatura": """
import trafilatura
def convert(html):
    return trafilatura.extract(html, output_format="markdown", include_links=False, include_tables=True,
                               include_formatting=True, favor_recall=True) or ""
""",
    "readability + markdownify": """
from readability import Document
from markdownify import markdownify
def convert(html):
    return markdownify(Document(html).summary(), heading_style="ATX")
""",
    "markdownify, whole page": """
from markdownify import markdownify
def convert(html):
    return markdownify(html, heading_style="ATX", strip=["script", "style"])
""",
}
LOOP = """
import json, sys, time
paths = sys.argv[1:]
convert(open(paths[0], encoding="utf-8").read())
for path in paths:
    html = open(path, encoding="utf-8").read()
    started = time.perf_counter()
    text = convert(html)
    print(json.dumps([text, time.perf_counter() - started]))
"""


def extract(found: Sequence[Expected]) -> list[tuple[str, float]]:
    scope = Scope("http://docs.example.org/")
    outcome = []
    for page in (found[0], *found):  # the first call is a warm-up
        started = time.perf_counter()
        read = read_page(
            page.html, url="http://docs.example.org/page.html", charset="utf-8", robots="", link=scope.link
        )
        outcome.append((read.text, time.perf_counter() - started))
    return outcome[1:]


def peer(program: str) -> Callable[[Sequence[Expected]], list[tuple[str, float]]]:
    def run(found: Sequence[Expected]) -> list[tuple[str, float]]:
        packages = ("trafilatura", "readability-lxml", "markdownify", "lxml_html_clean")
        executable = peers.python("extraction", packages)
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{number}.html" for number in range(len(found))]
            for path, page in zip(paths, found, strict=True):
                path.write_bytes(page.html)
            command = [executable, "-c", program + LOOP, *map(str, paths)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        return [tuple(json.loads(line)) for line in done.stdout.splitlines()]

    return run


def main(arguments: Sequence[str] | None = None) -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(
        arguments
    )
    found = list(pages())
    print(f"{len(found)} pages by {len({page.generator for page in found})} documentation generators\n")
    print(f"{'':<28}{'code':>9}{'words':>9}{'extra':>9}{'pages/s':>9}")
    for name, run in {"this project": extract, **{name: peer(program) for name, program in PEERS.items()}}.items():
        outcome = run(found)
        total = sum((score(page, text) for page, (text, _) in zip(found, outcome, strict=True)), Score())
        speed = len(found) / sum(seconds for _, seconds in outcome)
        print(
            f"{name:<28}{total.code_share:>9.2%}{total.words_share:>9.2%}{total.extra_words_share:>9.2%}{speed:>9.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
