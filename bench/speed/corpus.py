"""Chunks for benchmarks: Python's own documentation, and any number of synthetic chunks.

A synthetic chunk combines the words and vectors of two real chunks, so term frequencies and clusters of vectors stay
realistic. A few more words come from a vocabulary that grows with the corpus.
"""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
from numpy.typing import NDArray

from rag.embedding import LocalEncoder

__all__ = ["SHARES", "Base", "Synthetic", "base", "questions", "synthetic"]

Vectors = NDArray[np.float32]

#: The sources of a synthetic corpus, and the approximate share of the chunks that each holds.
SHARES = {"half": 0.5, "twentieth": 0.05, "thousandth": 0.001, "rest": 0.449}
_WORDS, _SPREAD = 130, 30
# The noise has half of the covariance scale of real vectors. The fifty nearest neighbours of a question then have an
# intrinsic dimension of about 43 (Levina and Bickel's estimate, 200,000 chunks), compared with 24 for real chunks and 51
# with isotropic noise.
_NOISE = 0.5


@dataclass(frozen=True)
class Base:
    """Real chunks as lists of words, and their vectors of shape (len(chunks), 384)."""

    chunks: list[list[str]]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A synthetic chunk."""

    text: str
    vector: Vectors
    source: str


def base(home: Path) -> Base:
    """Chunk and embed Python's language reference and the docstrings of the standard library; takes 20 s.

    :param home: the folder that caches the vectors
    """
    words = " ".join(_texts()).split()
    random = np.random.default_rng(0)
    chunks = []
    while words:
        size = int(np.clip(random.normal(_WORDS, _SPREAD), 40, 190))
        chunks.append(words[:size])
        words = words[size:]
    cached = home / "base.npy"
    if cached.exists() and len(vectors := np.load(cached)) == len(chunks):
        return Base(chunks, vectors)
    home.mkdir(parents=True, exist_ok=True)
    vectors = LocalEncoder(home).encode([" ".join(chunk) for chunk in chunks])
    np.save(cached, vectors)
    return Base(chunks, vectors)


def _texts() -> Iterator[str]:
    yield from topics.values()
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        if {"site-packages", "test", "tests", "idlelib"}.isdisjoint(path.relative_to(library).parts):
            try:
                tree = ast.parse(path.read_text(encoding="utf-8"))
            except (SyntaxError, ValueError):
                continue
            for node in ast.walk(tree):
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                    text = ast.get_docstring(node)
                    if text:
                        yield f"{getattr(node, 'name', path.stem)}: {text}"


def synthetic(base: Base, count: int) -> Iterator[Synthetic]:
    """Yield synthetic chunks. Each source uses a part of the real chunks, so its vectors are close together."""
    random = np.random.default_rng(1)
    names = list(SHARES)
    bounds = np.cumsum([SHARES[name] for name in names])[:-1] * len(base.chunks)
    sources = np.searchsorted(np.ceil(bounds), random.permutation(len(base.chunks)), side="right")
    spread = np.linalg.cholesky(np.cov(base.vectors.T) + 1e-9 * np.eye(base.vectors.shape[1]))
    for start in range(0, count, 1000):
        size = min(1000, count - start)
        first, second = random.integers(0, len(base.chunks), (2, size))
        noise = _NOISE * random.normal(size=(size, len(spread))) @ spread.T
        vectors = (0.75 * base.vectors[first] + 0.25 * base.vectors[second] + noise).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        shares = random.uniform(0.5, 0.9, size)
        rare = np.minimum(random.zipf(1.3, (size, 3)), 10**7)
        for row in range(size):
            main, other = base.chunks[first[row]], base.chunks[second[row]]
            words = [*main[: int(len(main) * shares[row])], *other[: len(other) // 3]]
            words += [f"name{number}" for number in rare[row]]
            yield Synthetic(" ".join(words), vectors[row], names[sources[first[row]]])


def questions(base: Base, count: int, words: int) -> list[str]:
    """Return passages of `words` words each, as search queries."""
    random = np.random.default_rng(words)
    asked: list[str] = []
    while len(asked) < count:
        chunk = base.chunks[random.integers(len(base.chunks))]
        start = random.integers(0, max(1, len(chunk) - words))
        passage = chunk[start : start + words]
        if sum(len(word) > 4 for word in passage) >= words / 4:  # excludes passages of stop words
            asked.append(" ".join(passage))
    return asked
