"""Thirty questions over two versions of one generated manual: `python -m bench versions`.

Ten topics stand in both versions with different values, ten only in the older one. Each of the first ten is asked with the
name of either version and without one. Fails if any answer comes from another version than it says.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

from llama_index.core.schema import Document

from rag.engine import Engine
from rag.settings import Settings
from rag.sources import Change, Changed
from rag.store.postgres.embedded import stop_embedded

ROOT = "https://docs.example.org/engine"
TOPICS = (
    ("signing key", "rotate"), ("mail relay", "configure"), ("audit log", "export"), ("session cache", "clear"),
    ("read replica", "promote"), ("rate limiter", "disable"), ("search index", "rebuild"), ("webhook queue", "drain"),
    ("backup archive", "encrypt"), ("user quota", "raise"),
)  # fmt: skip
OLD = (
    "fax gateway", "telnet console", "floppy exporter", "gopher bridge", "pager alert", "serial printer", "tape robot",
    "modem pool", "token ring", "punch card reader",
)  # fmt: skip


class Manual:
    """One version of the manual as a source."""

    kind = "docs"
    requests = 0

    def __init__(self, version: str) -> None:
        self.name = f"manual-{version}"
        self.version = version

    def changes(self, *, full: bool) -> Iterator[Change]:
        """Yield its pages."""
        for thing, verb in TOPICS:
            command = f"engine {verb} --v{self.version}-{thing.replace(' ', '-')}"
            yield self._page(
                thing, f"{verb.title()} the {thing} with `{command}`. It takes {self.version} minutes.", verb
            )
        for thing in OLD if self.version == "14" else ():
            yield self._page(thing, f"Set up the {thing} in `{thing.replace(' ', '_')}.ini`, then restart.", "set up")

    def _page(self, thing: str, text: str, verb: str) -> Changed:
        url = f"{ROOT}/{self.version}/{thing.replace(' ', '-')}.html"
        about = {"url": url, "title": thing.title(), "source": self.name, "kind": "page"}
        body = f"# {thing.title()}\n\n## How to {verb} the {thing}\n\n{text}"
        versions = {"versions": [self.version], "product": f"{ROOT}/"}
        return Changed(Document(id_=f"{self.name}:{url}", text=body, metadata={**about, **versions}))


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask the questions, print what went wrong, and return 1 if anything did."""
    argparse.ArgumentParser(prog="python -m bench versions", description=__doc__).parse_args(arguments)
    wrong: list[str] = []
    asked = 0
    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
        home = Path(folder)
        with Engine.open(Settings(RAG_HOME=home, RAG_SOURCES=home / "none.toml")) as engine:
            for version in ("14", "15"):
                engine.syncs.ingest(Manual(version))
            started = perf_counter()
            for thing, verb in TOPICS:
                for named, version in ((" in version 14", "14"), (" in version 15", "15"), ("", "15")):
                    answer = engine.ask(f"How do I {verb} the {thing}{named}?")
                    found = {cited.url.split("/")[4] for cited in answer.sources}
                    asked += 1
                    if not answer.answered or found != {version} or answer.version != version:
                        wrong.append(f"{thing}{named}: answered {answer.answered} from {sorted(found)}")
                    if not named and [other.version for other in answer.other_versions] != ["14"]:
                        wrong.append(f"{thing}: the other version is not named")
            for thing in OLD:
                answer = engine.ask(f"How do I set up the {thing}?")
                asked += 1
                if "This is from version 14" not in answer.answer or answer.version != "14":
                    wrong.append(f"{thing}: {answer.answer[:80]!r}")
            seconds = perf_counter() - started
        stop_embedded(home)
    print(f"{asked} questions, {len(wrong)} wrong, {seconds / asked * 1000:.0f} ms each")
    for line in wrong:
        print(f"  {line}")
    return 1 if wrong else 0
