"""Run benchmarks by name: `python -m bench [NAME …] [--json]`; `python -m bench NAME -h` shows the options."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence

_MEASURED = ("embed", "write", "ingest", "query", "scale", "cold-start", "web")
NAMES = (*_MEASURED, "chaos", "endless", "fuzz", "requests")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, or all that measure speed; return 1 if something did not hold."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    named = [name for name in arguments if name in NAMES]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"a benchmark: {', '.join(NAMES)} (default: all but chaos, endless, fuzz and requests)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    modules = {name: importlib.import_module(f"bench.{name.replace('-', '_')}") for name in named or _MEASURED}
    for module in modules.values():
        if hasattr(module, "arguments"):
            module.arguments(parser)
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; choose from {', '.join(NAMES)}")
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
