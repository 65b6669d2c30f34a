"""Feed every reader, parser, filter and check with made-up inputs: `python -m bench fuzz --seconds 1800`.

With atheris (`pip install atheris`), the inputs follow the coverage of the code; without, they are random combinations of the
hostile parts that the growth tests use. The first byte of an input chooses the target, in a process of its own. A crash is an
exception that is no error of this package, or an input that takes longer than ten seconds; its input is printed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
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
    until = time.monotonic() + options.seconds
    counts: Counter[str] = Counter()
    crashes = Table("Crashes", ["target", "input", "end"])
    left = list(names)
    while left and (seconds := int(until - time.monotonic())) > 0:
        found = _fuzzed(left, seconds, counts)
        if found is None:
            break
        crashes.add(*found)
        left = [name for name in left if name != found[0]]  # it would crash again
    table = Table(
        f"{'atheris' if follows else 'Random inputs'}, {options.seconds} s in all", ["target", "inputs", "crashes"]
    )
    for name in names:
        table.add(name, counts[name], int(name not in left))
    table.add("all", counts.total(), len(crashes.rows))
    yield table
    if crashes.rows:
        yield crashes


def _fuzzed(names: Sequence[str], seconds: int, counts: Counter[str]) -> tuple[str, str, str] | None:
    """Feed targets until the time is over or one crashes; return its name, the input and the last lines of the output.

    :param counts: inputs by target, which are added to
    """
    with tempfile.TemporaryDirectory(prefix="rag-fuzz-") as folder:
        place = Path(folder)
        (place / "targets.json").write_text(json.dumps(names))
        command = [sys.executable, "-m", "bench.fuzz", str(seconds), folder]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        counts.update(json.loads((place / "counts.json").read_text()) if (place / "counts.json").exists() else {})
        found = sorted(place.glob("crash-*")) + sorted(place.glob("timeout-*")) + sorted(place.glob("oom-*"))
        if not found and done.returncode == 0:
            return None
        data = found[0].read_bytes() if found else b""
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        said = [line for line in said if not line.startswith(("#", "stat::", "NEW_FUNC"))]
        name = _chosen(names, data)[0] if found else "the process itself"
        return name, repr(data)[:2000], " ".join(said[-14:])[:1000]


def _chosen(names: Sequence[str], data: bytes) -> tuple[str, bytes]:
    """Return the target that an input chooses by its first byte, and the rest."""
    return (names[data[0] % len(names)], data[1:]) if data else (names[0], data)


def _work(seconds: int, folder: Path) -> None:
    """Feed targets in this process."""
    names = json.loads((folder / "targets.json").read_text())
    try:
        import atheris
    except ImportError:
        _at_random(names, seconds, folder)
        return
    with atheris.instrument_imports(include=["rag"]):
        from bench.fuzz_targets import TARGETS

    seeds = folder / "seeds"
    seeds.mkdir()
    for number, text in enumerate(_seeds()):
        (seeds / str(number)).write_bytes(bytes([number % len(names)]) + text.encode("utf-8", "surrogatepass"))
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in _parts() if word))
    counts: Counter[str] = Counter()

    def read(data: bytes) -> None:
        name, text = _chosen(names, data)
        counts[name] += 1
        if counts.total() % 500 == 0:
            (folder / "counts.json").write_text(json.dumps(counts))
        TARGETS[name](text.decode("utf-8", "replace"))

    options = [
        f"-max_total_time={seconds}", f"-max_len={_LONGEST}", f"-timeout={_SLOW_SECONDS:.0f}", "-rss_limit_mb=4096",
        f"-artifact_prefix={folder}/", f"-dict={words}", str(seeds),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], read)
    atheris.Fuzz()


def _at_random(names: Sequence[str], seconds: int, folder: Path) -> None:
    from bench.fuzz_targets import TARGETS

    chance, parts = random.Random(seconds), _parts()
    until = time.monotonic() + seconds
    counts: Counter[str] = Counter()
    while time.monotonic() < until:
        place = chance.randrange(len(names))
        text = "".join(_piece(chance, parts) for _ in range(chance.randrange(40)))[:_LONGEST]
        data = bytes([place]) + text.encode("utf-8", "surrogatepass")
        counts[names[place]] += 1
        started = time.monotonic()
        try:
            TARGETS[names[place]](text)
        except Exception:  # noqa: BLE001 - every one is reported
            (folder / "crash-0").write_bytes(data)
            traceback.print_exc()
            break
        if time.monotonic() - started > _SLOW_SECONDS:
            (folder / "timeout-0").write_bytes(data)
            break
    (folder / "counts.json").write_text(json.dumps(counts))


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
    _work(int(sys.argv[1]), Path(sys.argv[2]))
