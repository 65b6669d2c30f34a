"""Run benchmarks by name: `python -m bench [NAME …] [--json]`; `python -m bench NAME -h` shows the options of one."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence

#: The benchmarks that print tables of one kind, so that several can be run by one command.
TABLES = {
    "embed": "speed.embed",
    "write": "speed.write",
    "ingest": "speed.ingest",
    "query": "speed.query",
    "scale": "speed.scale",
    "cold-start": "speed.cold_start",
    "web": "speed.web",
    "chaos": "faults.chaos",
    "endless": "faults.endless",
    "fuzz": "faults.fuzz",
    "requests": "faults.requests",
}
#: The benchmarks with a command line of their own.
PROGRAMS = {
    "answers": "answers.right",
    "citations": "answers.citations",
    "contexts": "answers.contexts",
    "conversations": "answers.conversations",
    "costs": "answers.costs",
    "fit-passages": "answers.fit_passages",
    "versions": "answers.versions",
    "duplicates": "search.duplicates",
    "retrieval": "search.retrieval",
    "crawl": "pages.crawl",
    "extraction": "pages.extraction",
    "embedding-workers": "syncs.embedding_workers",
    "fan-out": "syncs.fan_out",
    "github": "syncs.github",
    "prefect-share": "syncs.prefect_share",
    "plots": "speed.plots",
}
_SPEED = [name for name, module in TABLES.items() if module.startswith("speed.")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, or all that measure speed; return 1 if something did not hold."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and arguments[0] in PROGRAMS:
        return importlib.import_module(f"bench.{PROGRAMS[arguments[0]]}").main(arguments[1:]) or 0
    return _print_tables(arguments)


def _print_tables(arguments: Sequence[str]) -> int:
    named = [name for name in arguments if name in TABLES]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"{', '.join(TABLES)} (default: {', '.join(_SPEED)}); or, alone, one of {', '.join(PROGRAMS)}",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    modules = {name: importlib.import_module(f"bench.{TABLES[name]}") for name in named or _SPEED}
    for module in modules.values():
        if hasattr(module, "arguments"):
            module.arguments(parser)
    options = parser.parse_args(arguments)
    for name in options.names:
        if name in PROGRAMS:
            parser.error(f"{name} has options of its own; run python -m bench {name} alone")
        if name not in TABLES:
            parser.error(f"unknown benchmark {name!r}; choose from {', '.join(sorted([*TABLES, *PROGRAMS]))}")
    found: dict[str, list[dict[str, object]]] = {}
    held = True
    for name, module in modules.items():
        found[name] = []
        for table in module.run(options):
            found[name].append(table.json())
            held = held and not table.is_failure
            if not options.json:
                print(table.markdown(), end="\n\n", flush=True)
    if options.json:
        json.dump(found, sys.stdout, indent=2)
        print()
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
