"""What follows an encoder: the pooling of a sentence model, or the classifier of a cross-encoder, as ONNX nodes.

Only operators whose form is the same from opset 11 on, because these nodes are also added to graphs of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.embedding.models.architecture import Head

if TYPE_CHECKING:
    from rag.embedding.models.nodes import Nodes
    from rag.embedding.models.tensors import Tensors

__all__ = ["POOLINGS", "Dense", "add_classifier", "add_embedding"]

#: The poolings, in the order in which their vectors are joined, by the names of their settings.
POOLINGS = ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear layer after the pooling."""

    #: of its tensors, different for each layer
    name: str
    tensors: Tensors
    #: an ONNX operator, None for no activation
    activation: str | None


def add_embedding(nodes: Nodes, x: str, poolings: Sequence[str], layers: Sequence[Dense], width: int) -> str:
    """Pool the tokens' vectors, apply the dense layers and scale to length 1: (B, T, H) to (B, width).

    :param poolings: names of `POOLINGS`
    """
    pool = _Pool(nodes, x)
    # Scaling to length 1 removes what a mean divides by.
    poolings = ["sum"] if tuple(poolings) == ("mean_tokens",) and not layers else poolings
    parts = [pool.of(name) for name in ("sum", *POOLINGS) if name in poolings]
    vector = parts[0] if len(parts) == 1 else nodes.add("Concat", *parts, axis=1)
    for layer in layers:
        vector = nodes.linear(vector, layer.tensors, layer.name)
        vector = nodes.add(layer.activation, vector) if layer.activation else vector
    return nodes.add("LpNormalization", nodes.reshape(vector, 0, width), output="embedding", axis=-1, p=2)


def add_classifier(nodes: Nodes, x: str, tensors: Tensors, head: Head) -> str:
    """Score the vector of the first token: (B, T, H) to (B, 1)."""
    first, activation, second = head
    hidden = nodes.add(activation, nodes.linear(_first_token(nodes, x), tensors, first))
    return nodes.add("Identity", nodes.linear(hidden, tensors, second), output="score")


def _first_token(nodes: Nodes, x: str) -> str:
    zero, one = nodes.constant("first", [0]), nodes.constant("second", [1])
    return _flat(nodes, nodes.add("Slice", x, zero, one, one))


def _flat(nodes: Nodes, x: str) -> str:
    """(B, 1, H) to (B, H)."""
    return nodes.add("Flatten", x, axis=1)


@dataclass(frozen=True, slots=True)
class _Pool:
    """Makes one vector of the vectors of a text's tokens: (B, T, H) to (B, H)."""

    nodes: Nodes
    x: str

    def of(self, pooling: str) -> str:
        """Add one of `POOLINGS`, or the sum of the tokens."""
        add = self.nodes.add
        mask = self.nodes.number("attention_mask")
        match pooling:
            case "cls_token":
                return _first_token(self.nodes, self.x)
            case "sum":
                return self._weighted(mask)
            case "max_tokens":
                return self._largest(mask)
            case "mean_tokens":
                return self._weighted(add("Div", mask, self._sum(mask)))
            case "mean_sqrt_len_tokens":
                return self._weighted(add("Div", mask, add("Sqrt", self._sum(mask))))
            case "weightedmean_tokens":
                weights = add("Mul", self._places(mask), mask)
                return self._weighted(add("Div", weights, self._sum(weights)))
            case _:
                is_last = self.nodes.number(add("Equal", self._places(mask), self._sum(mask)))
                return self._weighted(add("Mul", is_last, mask))

    def _places(self, mask: str) -> str:
        """Count the tokens from 1: (B, T)."""
        return self.nodes.add("CumSum", mask, self.nodes.constant("tokens", [1]))

    def _sum(self, weights: str) -> str:
        """(B, T) to (B, 1)."""
        row = self.nodes.reshape(weights, 0, 1, -1)
        ones = self.nodes.add("Exp", self.nodes.add("Sub", weights, weights))
        total = self.nodes.add("MatMul", row, self.nodes.reshape(ones, 0, -1, 1))
        return self.nodes.reshape(total, 0, 1)

    def _weighted(self, weights: str) -> str:
        row = self.nodes.reshape(weights, 0, 1, -1)
        return _flat(self.nodes, self.nodes.add("MatMul", row, self.x))

    def _largest(self, mask: str) -> str:
        absent = self.nodes.add("Sub", mask, self.nodes.constant("pool_one", 1.0))
        below = self.nodes.add("Mul", absent, self.nodes.constant("pool_far", 1e9))
        real = self.nodes.add("Add", self.x, self.nodes.reshape(below, 0, -1, 1))
        largest, _ = self.nodes.several("TopK", real, self.nodes.constant("second", [1]), outputs=2, axis=1)
        return _flat(self.nodes, largest)
