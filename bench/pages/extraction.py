"""The quality and speed of text extraction, compared with trafilatura, readability and markdownify.

    python -m bench extraction
    python -m bench extraction --manuals                 # each manual of an installed Debian package
    python -m bench extraction --manuals Apache rdoc=FOLDER    # one of these, and a manual built elsewhere

For the pages under tests/fixtures/docs/pages, or for whole manuals by each generator, the columns show the share of code
lines that are extracted verbatim, the share of the main text's words that are extracted, the share of extracted words
that are not in the main text, and the share of words that is kept of the page of which least is kept. The other projects
run in a separate environment, with the settings that extract most.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench import peers
from bench.pages import manuals
from rag.sources.docs.pages.page import read_page
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

HEAD = f"{'':<28}{'code':>9}{'words':>9}{'extra':>9}{'least':>9}{'pages/s':>9}"

#: Returns the text of each page, and the seconds that it took.
Run = Callable[[Sequence[Expected]], list[tuple[str, float]]]


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


def peer(program: str) -> Run:
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
    parser = argparse.ArgumentParser(
        prog="python -m bench extraction", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--manuals", nargs="*", metavar="GENERATOR[=FOLDER]", help="measure manuals, each generator apart"
    )
    parser.add_argument("--pages", type=int, default=25, help="the pages of each manual (default: %(default)s)")
    parser.add_argument("--alone", action="store_true", help="leave the other projects out")
    options = parser.parse_args(arguments)
    runs: dict[str, Run] = {"this project": extract}
    if not options.alone:
        runs.update({name: peer(program) for name, program in PEERS.items()})
    if options.manuals is None:
        found = list(pages())
        print(f"{len(found)} pages by {len({page.generator for page in found})} documentation generators\n")
        print(HEAD)
        report(found, runs)
        return
    print(HEAD)
    for generator, folder in _folders(options.manuals):
        found = list(manuals.manual(generator, folder, options.pages))
        print(f"\n{generator}, {len(found)} pages")
        report(found, runs)


def report(found: Sequence[Expected], runs: Mapping[str, Run]) -> None:
    for name, run in runs.items():
        outcome = run(found)
        scores = [score(page, text) for page, (text, _) in zip(found, outcome, strict=True)]
        total = sum(scores, Score())
        least = min(one.words_share for one in scores)
        speed = len(found) / sum(seconds for _, seconds in outcome)
        print(
            f"{name:<28}{total.code_share:>9.2%}{total.words_share:>9.2%}{total.extra_words_share:>9.2%}"
            f"{least:>9.1%}{speed:>9.0f}",
            flush=True,
        )


def _folders(given: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Yield the manuals given, of which a name alone means that of an installed package; without any, all of these."""
    installed = [name for name, generator in manuals.GENERATORS.items() if Path(generator.folder or "-").is_dir()]
    for pair in given or installed:
        name, _, folder = pair.partition("=")
        if name not in manuals.GENERATORS:
            raise SystemExit(f"{name} is not one of {', '.join(manuals.GENERATORS)}.")
        yield name, Path(folder or manuals.GENERATORS[name].folder)
