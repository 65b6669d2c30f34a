"""`python -m rag.web key`: add, list and revoke the keys of the API."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rag.command import CommandParser, print_json, run
from rag.engine import Engine
from rag.operate.api_keys import SCOPES, Scope

__all__ = ["keys"]

# What a program needs that asks for its users.
_USUAL: tuple[Scope, ...] = ("ask", "search", "feedback")


def keys(arguments: Sequence[str]) -> int:
    """Manage the keys."""
    parser = CommandParser(
        prog="python -m rag.web key",
        description="Manage the API's keys. A key is shown once, when it is created; only its hash is stored.",
        examples=[
            "python -m rag.web key add editor",
            "python -m rag.web key add prometheus --scope operate",
            "python -m rag.web key list",
            "python -m rag.web key revoke editor",
        ],
    )
    parser.add_argument(
        "action", choices=("add", "list", "revoke"), help="create a key, list all keys, or delete a key"
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the name of the key")
    parser.add_argument(
        "--scope",
        action="append",
        choices=SCOPES,
        help=f"what a new key may do, repeatable (default {', '.join(_USUAL)})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run(parser, lambda options: _keys(parser, options), arguments)


def _keys(parser: CommandParser, options: argparse.Namespace) -> int:
    if (options.name is None) == (options.action != "list"):
        parser.error("a name is missing" if options.action != "list" else "list takes no name")
    with Engine.open() as engine:
        if options.action == "add":
            _add(engine, options)
        elif options.action == "list":
            _list(engine, as_json=options.json)
        else:
            engine.api_keys.revoke(options.name)
            if options.json:
                print_json({"revoked": options.name})
            else:
                sys.stdout.write(f"{options.name} is revoked.\n")
    return 0


def _add(engine: Engine, options: argparse.Namespace) -> None:
    scopes = options.scope or _USUAL
    secret = engine.api_keys.add(options.name, scopes)
    if options.json:
        print_json({"name": options.name, "key": secret, "scopes": [scope for scope in SCOPES if scope in scopes]})
        return
    sys.stdout.write(f"{secret}\n")
    sys.stderr.write("This is the only time that the key is shown.\n")


def _list(engine: Engine, *, as_json: bool) -> None:
    known = [key.to_json() for key in engine.api_keys.all()]
    if as_json:
        print_json({"keys": known})
        return
    for key in known:
        used = key["used_on"] or "never"
        sys.stdout.write(
            f"{key['name']:<24} {' '.join(key['scopes']):<32} created {key['created_at'][:10]}, last used {used}\n"
        )
