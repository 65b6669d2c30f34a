"""The published architectures in plain numpy: one text at a time, without padding."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.unit.embedding.model_folders import CONFIGS, HEADS, HIDDEN, LAYERS, Weights, renamed

Array = NDArray[np.float64]


def token_vectors(family: str, weights: Weights, ids: Sequence[int], types: Sequence[int] | None = None) -> Array:
    """Return the last hidden state of one text, shape (tokens, HIDDEN)."""
    epsilon = float(CONFIGS[family].get("layer_norm_eps", 1e-12))
    first = 2 if family in ("roberta", "xlm-roberta", "mpnet") else 0
    x = weights["embeddings.word_embeddings.weight"][list(ids)].astype(np.float64)
    x = x + weights["embeddings.position_embeddings.weight"][first : first + len(ids)]
    if "embeddings.token_type_embeddings.weight" in weights:
        x = x + weights["embeddings.token_type_embeddings.weight"][list(types or [0] * len(ids))]
    x = _norm(x, weights, "embeddings.LayerNorm", epsilon)
    if "embeddings_project.weight" in weights:
        x = _linear(x, weights, "embeddings_project")
    bias = _distances(weights, len(ids)) if family == "mpnet" else np.zeros((HEADS, 1, 1))
    for layer in range(LAYERS):
        x = _layer(x, weights, family, f"encoder.layer.{layer}", bias, epsilon)
    return x


def pooled(vectors: Array, pooling: str) -> Array:
    """Return one vector of unit length."""
    places = np.arange(1, len(vectors) + 1)[:, None]
    vector = {
        "cls_token": lambda: vectors[0],
        "max_tokens": lambda: vectors.max(axis=0),
        "mean_tokens": lambda: vectors.mean(axis=0),
        "mean_sqrt_len_tokens": lambda: vectors.sum(axis=0) / math.sqrt(len(vectors)),
        "weightedmean_tokens": lambda: (vectors * places).sum(axis=0) / places.sum(),
        "lasttoken": lambda: vectors[-1],
    }[pooling]()
    return vector / np.linalg.norm(vector)


def score(family: str, weights: Weights, vectors: Array) -> float:
    """Return the output of the classifier of a family."""
    cls = vectors[0]
    if family == "bert":
        return _linear(np.tanh(_linear(cls, weights, "bert.pooler.dense")), weights, "classifier").item()
    if family == "distilbert":
        return _linear(np.maximum(_linear(cls, weights, "pre_classifier"), 0), weights, "classifier").item()
    hidden = _linear(cls, weights, "classifier.dense")
    return _linear(_gelu(hidden) if family == "electra" else np.tanh(hidden), weights, "classifier.out_proj").item()


def _layer(x: Array, weights: Weights, family: str, name: str, bias: Array, epsilon: float) -> Array:
    def at(part: str) -> str:
        return renamed(family, f"{name}.{part}")

    def heads(part: str) -> Array:
        return _linear(x, weights, at(part)).reshape(len(x), HEADS, -1).transpose(1, 0, 2)

    query, key, value = (heads(f"attention.self.{part}") for part in ("query", "key", "value"))
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(HIDDEN / HEADS) + bias
    weight = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = (weight / weight.sum(axis=-1, keepdims=True)) @ value
    attended = _linear(mixed.transpose(1, 0, 2).reshape(len(x), HIDDEN), weights, at("attention.output.dense"))
    x = _norm(attended + x, weights, at("attention.output.LayerNorm"), epsilon)
    inner = _gelu(_linear(x, weights, at("intermediate.dense")))
    return _norm(_linear(inner, weights, at("output.dense")) + x, weights, at("output.LayerNorm"), epsilon)


def _distances(weights: Weights, tokens: int) -> Array:
    """MPNet's bias of each query and key, token by token as its paper's code buckets them; 8 buckets."""
    bias = np.empty((HEADS, tokens, tokens))
    for query in range(tokens):
        for key in range(tokens):
            bias[:, query, key] = weights["encoder.relative_attention_bias.weight"][_bucket(key - query)]
    return bias


def _bucket(relative_position: int) -> int:
    buckets, farthest = 4, 128
    n = -relative_position
    side = buckets if n < 0 else 0
    n = abs(n)
    if n < buckets // 2:
        return side + n
    exact = buckets // 2
    large = exact + int(math.log(n / exact) / math.log(farthest / exact) * (buckets - exact))
    return side + min(large, buckets - 1)


def _linear(x: Array, weights: Weights, name: str) -> Array:
    return x @ weights[f"{name}.weight"].T.astype(np.float64) + weights[f"{name}.bias"]


def _norm(x: Array, weights: Weights, name: str, epsilon: float) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _gelu(x: Array) -> Array:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
