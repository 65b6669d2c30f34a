"""Feed every reader, parser, filter and check with made-up inputs: `python -m bench fuzz --seconds 1800`.

With atheris (`pip install atheris`), the inputs follow the coverage of the code; without, they are random combinations of the
hostile parts that the growth tests use. Each target runs in a process of its own, with a share of the time. A crash is an
exception that is no error of this package, or an input that takes longer than ten seconds; its input is printed.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from bench.report import Table

_LONGEST = 4096
_SLOW_SECONDS = 10.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--seconds", type=int, default=600, help="the time for all targets (default: 600)")
    parser.add_argument("--target", action="append", metavar="NAME", help="only this target; can be repeated")


def run(options: argparse.Namespace) -> Iterator[Table]:
    """Yield a row for each target, and the inputs that crash."""
    from bench.fuzz_targets import TARGETS

    names = options.target or list(TARGETS)
    follows = importlib.util.find_spec("atheris") is not None
    table = Table(
        f"{'atheris' if follows else 'Random inputs'}, {options.seconds} s in all", ["target", "inputs", "crashes"]
    )
    crashes = Table("Crashes", ["target", "input", "end"])
    total = 0
    for name in names:
        inputs, crash = _fuzzed(name, max(1, options.seconds // len(names)))
        total += inputs
        table.add(name, inputs, bool(crash) + 0)
        if crash:
            crashes.add(name, *crash)
    table.add("all", total, len(crashes.rows))
    yield table
    if crashes.rows:
        yield crashes


def _fuzzed(name: str, seconds: int) -> tuple[int, tuple[str, str] | None]:
    """Return how many inputs a target has read, and the input that crashed it with the last lines of its output."""
    with tempfile.TemporaryDirectory(prefix="rag-fuzz-") as folder:
        command = [sys.executable, "-m", "bench.fuzz", name, str(seconds), folder]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        said = done.stdout + done.stderr
        counted = re.findall(r"number_of_executed_units: (\d+)|^#(\d+)\s", said, re.MULTILINE)
        inputs = max((int(number) for pair in counted for number in pair if number), default=0)
        found = sorted(Path(folder).glob("crash-*")) + sorted(Path(folder).glob("timeout-*"))
        if not found and done.returncode == 0:
            return inputs, None
        data = repr(found[0].read_bytes()) if found else ""
        interesting = [line for line in said.splitlines() if line.strip() and not line.startswith(("#", "stat::"))]
        return inputs, (data[:2000], " ".join(interesting[-12:])[:1000])


def _work(name: str, seconds: int, folder: Path) -> None:
    """Feed one target in this process."""
    try:
        import atheris
    except ImportError:
        _at_random(name, seconds, folder)
        return
    with atheris.instrument_imports(include=["rag"]):
        from bench.fuzz_targets import TARGETS

    seeds = folder / "seeds"
    seeds.mkdir()
    for number, text in enumerate(_seeds()):
        (seeds / str(number)).write_bytes(text.encode("utf-8", "surrogatepass"))
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in _parts() if word))
    read = TARGETS[name]
    options = [
        f"-max_total_time={seconds}", f"-max_len={_LONGEST}", f"-timeout={_SLOW_SECONDS:.0f}", "-rss_limit_mb=4096",
        f"-artifact_prefix={folder}/", f"-dict={words}", "-print_final_stats=1", "-close_fd_mask=0", str(seeds),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], lambda data: read(data.decode("utf-8", "replace")))
    atheris.Fuzz()


def _at_random(name: str, seconds: int, folder: Path) -> None:
    from bench.fuzz_targets import TARGETS

    read, chance, parts = TARGETS[name], random.Random(name), _parts()
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        text = "".join(_piece(chance, parts) for _ in range(chance.randrange(40)))[:_LONGEST]
        number += 1
        started = time.monotonic()
        try:
            read(text)
        except Exception:  # noqa: BLE001 - every one is reported
            (folder / "crash-0").write_bytes(text.encode("utf-8", "surrogatepass"))
            traceback.print_exc()
            break
        if time.monotonic() - started > _SLOW_SECONDS:
            (folder / "timeout-0").write_bytes(text.encode("utf-8", "surrogatepass"))
            break
    print(f"#{number} inputs")


def _piece(chance: random.Random, parts: list[str]) -> str:
    """Return a hostile part, some of them repeated, or a few characters of any script."""
    match chance.randrange(4):
        case 0:
            return chance.choice(parts) * chance.randrange(1, 200)
        case 1:
            return "".join(chr(chance.choice((chance.randrange(128), chance.randrange(0x3000)))) for _ in range(5))
        case _:
            return chance.choice(parts)


def _parts() -> list[str]:
    from tests.growth import HOSTILE

    return sorted({part for pair in HOSTILE for part in pair if part})


def _seeds() -> list[str]:
    return ["", "# A\n\nText [1].\n\n```py\nx = 1\n```\n", "<html><body><main><h1>A</h1><p>b</p></main></body></html>",
            '{"choices": [{"message": {"content": "A [1]."}}]}', "https://user:pass@example.org:8080/a/b?c=d#e",
            '[[docs]]\nname = "a"\nurl = "https://a.org/"\n', *_parts()]  # fmt: skip


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode("utf-8", "surrogatepass"))


if __name__ == "__main__":
    _work(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
