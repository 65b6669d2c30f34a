"""Feed every reader, parser, filter and check with made-up inputs: `python -m bench fuzz --seconds 1800`.

With atheris (`pip install atheris`), the inputs follow the coverage of the code; without, they are random combinations of the
hostile parts that the growth tests use. Each target has a process of its own and an equal share of the time, so that a slow
target takes no turns from a fast one. The process is a fork of one that has the code instrumented, which takes half a minute.
A crash is an exception that is no error of this package, or an input that takes longer than ten seconds; its input is printed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.report import Table

_LONGEST = 4096
_SLOW_SECONDS = 10.0
_ROUND_SECONDS = 1.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--seconds", type=int, default=600, help="the time for all targets (default: 600)")
    parser.add_argument("--target", action="append", metavar="NAME", help="only this target; can be repeated")


def run(options: argparse.Namespace) -> Iterator[Table]:
    """Yield a row for each target, and the inputs that crash."""
    from bench.faults.fuzz_targets import TARGETS

    names = options.target or list(TARGETS)
    follows = importlib.util.find_spec("atheris") is not None
    crashes = Table("Crashes", ["target", "input", "end"], is_failure=True)
    title = f"{'atheris' if follows else 'Random inputs'}, {options.seconds} s in all"
    table = Table(title, ["target", "inputs", "crashes"])
    total = 0
    with tempfile.TemporaryDirectory(prefix="rag-fuzz-") as folder:
        command = [sys.executable, "-m", "bench.faults.fuzz", str(options.seconds / len(names)), folder, *names]
        subprocess.run(command, check=True)
        for number, name in enumerate(names):
            place = Path(folder) / str(number)
            inputs = _count(place)
            found = _crash(place)
            total += inputs
            table.add(name, inputs, int(found is not None))
            if found:
                crashes.add(name, *found)
    table.add("all", total, len(crashes.rows))
    yield table
    if crashes.rows:
        yield crashes


def _count(place: Path) -> int:
    count = place / "count"
    return int(count.read_text()) if count.exists() else 0


def _crash(place: Path) -> tuple[str, str] | None:
    """Return the input that ended a target's process and the last lines that it wrote, or None if it ended by itself."""
    found = [path for kind in ("crash", "timeout", "oom") for path in sorted(place.glob(f"{kind}-*"))]
    if not found and (place / "ended").exists():
        return None
    said = [line for line in (place / "log").read_text(errors="replace").splitlines() if line.strip()]
    said = [line for line in said if not line.startswith(("#", "stat::", "NEW_FUNC"))]
    return repr(found[0].read_bytes() if found else b"")[:2000], " ".join(said[-14:])[:1000]


def _work(seconds: float, folder: Path, names: Sequence[str]) -> None:
    """Feed targets, each in a fork of this process for some seconds."""
    try:
        import atheris
    except ImportError:
        from bench.faults.fuzz_targets import TARGETS

        feed = _feed_at_random
    else:
        with atheris.instrument_imports(include=["rag"]):
            from bench.faults.fuzz_targets import TARGETS

        feed = _feed_by_coverage
    for number, name in enumerate(names):
        place = folder / str(number)
        place.mkdir()
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            continue
        with (place / "log").open("w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        try:
            feed(TARGETS[name], seconds, place)
        except Exception:  # noqa: BLE001 - a failure of the fuzzer itself, which the table shows as a crash
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(0)


def _feed_by_coverage(read: Callable[[str], object], seconds: float, place: Path) -> None:
    """Feed a target with inputs that atheris makes; its fuzzer ends the process."""
    import atheris

    seeds = place / "seeds"
    seeds.mkdir()
    for number, text in enumerate(_seeds()):
        (seeds / str(number)).write_bytes(text.encode("utf-8", "surrogatepass"))
    words = place / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in _parts() if word))
    until = time.monotonic() + seconds
    counted, told = 0, time.monotonic()

    def counting(data: bytes) -> None:
        nonlocal counted, told
        counted += 1
        if (now := time.monotonic()) - told > _ROUND_SECONDS:
            told = now
            (place / "count").write_text(str(counted))
            if now > until:
                (place / "ended").touch()
        try:
            read(data.decode("utf-8", "replace"))
        except Exception:
            (place / "crash-0").write_bytes(data)
            raise

    options = [
        f"-max_total_time={seconds + 2 * _ROUND_SECONDS:.0f}", f"-max_len={_LONGEST}", f"-timeout={_SLOW_SECONDS:.0f}",
        "-rss_limit_mb=4096", f"-artifact_prefix={place}/", f"-dict={words}", str(seeds),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], counting)
    atheris.Fuzz()


def _feed_at_random(read: Callable[[str], object], seconds: float, place: Path) -> None:
    """Feed a target with random combinations of hostile parts until the time is over or it crashes."""
    chance, parts = random.Random(place.name), _parts()
    until = time.monotonic() + seconds
    counted = 0
    while (started := time.monotonic()) < until:
        text = "".join(_piece(chance, parts) for _ in range(chance.randrange(40)))[:_LONGEST]
        counted += 1
        try:
            read(text)
        except Exception:  # noqa: BLE001 - every one is reported
            (place / "crash-0").write_bytes(text.encode("utf-8", "surrogatepass"))
            traceback.print_exc()
            break
        if time.monotonic() - started > _SLOW_SECONDS:
            (place / "timeout-0").write_bytes(text.encode("utf-8", "surrogatepass"))
            break
    (place / "count").write_text(str(counted))
    (place / "ended").touch()


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
    _work(float(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
