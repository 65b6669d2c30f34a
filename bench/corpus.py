"""Chunks to measure with, the same on every machine: Python's own documentation, and as many more as are wanted.

More come from mixing: each takes its words and its vector from two real chunks, so that terms are as frequent and
vectors as clustered as they really are, and a few words from a vocabulary that grows with the corpus.
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

#: the sources of a synthetic corpus, and about how much of it each has
SHARES = {"half": 0.5, "twentieth": 0.05, "thousandth": 0.001, "rest": 0.449}
_WORDS, _SPREAD = 130, 30
# Noise varies as real vectors do, half as much. The nearest fifty of a question then lie in about 43 dimensions (Levina
# and Bickel's estimate, 200,000 chunks), where those of real chunks do in 24: harder, but not as noise that is the
# same in all directions is, 51.
_NOISE = 0.5


@dataclass(frozen=True)
class Base:
    """Real chunks, as words, with their vectors: shape (len(chunks), 384)."""

    chunks: list[list[str]]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A made chunk."""

    text: str
    vector: Vectors
    source: str


def base(home: Path) -> Base:
    """Cut Python's language reference and the standard library's docstrings into chunks, and embed them: 20 s.

    :param home: keeps the vectors for the next time
    """
    words = " ".join(_texts()).split()
    random = np.random.default_rng(0)
    chunks = []
    while words:
        size = int(np.clip(random.normal(_WORDS, _SPREAD), 40, 190))
        chunks.append(words[:size])
        words = words[size:]
    kept = home / "base.npy"
    if kept.exists() and len(vectors := np.load(kept)) == len(chunks):
        return Base(chunks, vectors)
    home.mkdir(parents=True, exist_ok=True)
    vectors = LocalEncoder(home).encode([" ".join(chunk) for chunk in chunks])
    np.save(kept, vectors)
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
    """Make chunks; each source keeps to some real chunks, so that its vectors lie together."""
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
            ours, theirs = base.chunks[first[row]], base.chunks[second[row]]
            words = [*ours[: int(len(ours) * shares[row])], *theirs[: len(theirs) // 3]]
            words += [f"name{number}" for number in rare[row]]
            yield Synthetic(" ".join(words), vectors[row], names[sources[first[row]]])


def questions(base: Base, count: int, words: int) -> list[str]:
    """Return passages of so many words, to search with."""
    random = np.random.default_rng(words)
    asked: list[str] = []
    while len(asked) < count:
        chunk = base.chunks[random.integers(len(base.chunks))]
        start = random.integers(0, max(1, len(chunk) - words))
        passage = chunk[start : start + words]
        if sum(len(word) > 4 for word in passage) >= words / 4:  # not a handful of stop words
            asked.append(" ".join(passage))
    return asked
