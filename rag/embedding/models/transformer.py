"""The encoders of the BERT family as ONNX nodes.

Shapes: B texts, T tokens of the longest text, H hidden units, A heads, D = H / A.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.embedding.models.architecture import Architecture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rag.embedding.models.nodes import Nodes
    from rag.embedding.models.tensors import Tensors

__all__ = ["Transformer", "distance_buckets"]

# Beyond this distance, all tokens are in the last bucket; MPNet's config.json does not say it.
_FARTHEST = 128


@dataclass(frozen=True, slots=True)
class Transformer:
    """Adds an encoder to a graph whose inputs are `input_ids` and `attention_mask`, (B, T) int64.

    :param types: the input with the token types, for pairs of texts; without it all tokens have the first type
    """

    nodes: Nodes
    tensors: Tensors
    architecture: Architecture
    types: str | None = None

    def vectors(self) -> str:
        """Add the encoder: (B, T) token ids to (B, T, H)."""
        bias = self._bias()
        x = self._embedded()
        for layer in range(self.architecture.layers):
            x = self._layer(x, f"{self.architecture.family.layer}.{layer}", bias)
        return x

    def _bias(self) -> str:
        """Add the bias of the attention scores: far below any score for padding, and what depends on distances."""
        nodes = self.nodes
        absent = nodes.add("Sub", nodes.number("attention_mask"), nodes.constant("one", 1.0))
        bias = nodes.add("Mul", absent, nodes.constant("far", 1e4))
        bias = nodes.add("Unsqueeze", bias, nodes.constant("axes_1_2", [1, 2]))
        return nodes.add("Add", bias, self._distances()) if self.architecture.family.has_distances else bias

    def _distances(self) -> str:
        """Add the bias of the distance between each two tokens: (A, T, T)."""
        import numpy as np

        nodes, last = self.nodes, self.architecture.positions - 1
        distances = np.arange(-last, last + 1)
        table = self.tensors["encoder.relative_attention_bias.weight"]
        by_distance = table[distance_buckets(distances, self.architecture.buckets)].T
        places = nodes.constant("places", list(range(last + 1)))
        tokens = nodes.add("Shape", "input_ids", start=1, end=2)
        here = nodes.add("Slice", places, nodes.constant("start", [0]), tokens)
        there = nodes.add("Sub", here, nodes.add("Unsqueeze", here, nodes.constant("axis_1", [1])))
        row = nodes.add("Add", there, nodes.constant("last", [last]))
        return nodes.add("Gather", nodes.constant("by_distance", by_distance), row, axis=1)

    def _embedded(self) -> str:
        """Add the embeddings of words, positions and token types: (B, T) to (B, T, H)."""
        nodes, tensors, first = self.nodes, self.tensors, self.architecture.first_position
        positions = tensors["embeddings.position_embeddings.weight"][first:]
        types = self._types()
        if types is not None and len(types) == 1:
            positions = positions + types[0]
        words = nodes.constant("words", tensors["embeddings.word_embeddings.weight"])
        tokens = nodes.add("Shape", "input_ids", start=1, end=2)
        rows = nodes.add("Slice", nodes.constant("positions", positions), nodes.constant("start", [0]), tokens)
        x = nodes.add("Add", nodes.add("Gather", words, "input_ids"), rows)
        if types is not None and len(types) > 1 and self.types:
            x = nodes.add("Add", x, nodes.add("Gather", nodes.constant("types", types), self.types))
        x = nodes.norm(x, tensors, "embeddings.LayerNorm", self.architecture.epsilon)
        # ELECTRA's small models embed words in fewer dimensions.
        return nodes.linear(x, tensors, "embeddings_project") if "embeddings_project.weight" in tensors else x

    def _types(self) -> NDArray[np.float32] | None:
        """Return the rows of the token types in use, shape (types, H); RoBERTa has one row, whatever the input says."""
        if not self.architecture.family.has_types:
            return None
        types = self.tensors["embeddings.token_type_embeddings.weight"]
        return types if self.types else types[:1]

    def _layer(self, x: str, name: str, bias: str) -> str:
        """One transformer layer: (B, T, H) to (B, T, H)."""
        nodes, tensors, family = self.nodes, self.tensors, self.architecture.family
        epsilon = self.architecture.epsilon
        attended = nodes.linear(self._attention(x, name, bias), tensors, f"{name}.{family.attended}")
        x = nodes.norm(nodes.add("Add", attended, x), tensors, f"{name}.{family.attention_norm}", epsilon)
        inner = nodes.activation(nodes.linear(x, tensors, f"{name}.{family.inner}"), self.architecture.activation)
        outer = nodes.linear(inner, tensors, f"{name}.{family.outer}")
        return nodes.norm(nodes.add("Add", outer, x), tensors, f"{name}.{family.norm}", epsilon)

    def _attention(self, x: str, name: str, bias: str) -> str:
        """Attend over all tokens of a text: (B, T, H) to (B, T, H)."""
        nodes, tensors, family = self.nodes, self.tensors, self.architecture.family
        # The weights of the query include the division of the scores by sqrt(D).
        scale = (self.architecture.hidden / self.architecture.heads) ** -0.5
        query = self._heads(nodes.linear(x, tensors, f"{name}.{family.query}", scale=scale), [0, 2, 1, 3])
        key = self._heads(nodes.linear(x, tensors, f"{name}.{family.key}"), [0, 2, 3, 1])
        value = self._heads(nodes.linear(x, tensors, f"{name}.{family.value}"), [0, 2, 1, 3])
        scores = nodes.add("Add", nodes.add("MatMul", query, key), bias)
        mixed = nodes.add("MatMul", nodes.add("Softmax", scores, axis=-1), value)
        merged = nodes.add("Transpose", mixed, perm=[0, 2, 1, 3])
        return nodes.reshape(merged, 0, 0, self.architecture.hidden)

    def _heads(self, x: str, order: list[int]) -> str:
        """Split (B, T, H) into (B, T, A, D) and put the axes into `order`."""
        hidden, heads = self.architecture.hidden, self.architecture.heads
        return self.nodes.add("Transpose", self.nodes.reshape(x, 0, 0, heads, hidden // heads), perm=order)


def distance_buckets(distances: NDArray[np.int64], buckets: int) -> NDArray[np.int64]:
    """Return the bucket of each distance from a token to another one, negative for tokens before it.

    Half of the buckets are for tokens after it. Of each half, the first half is for one distance each; in the others,
    the distances grow in steps of a logarithm up to 128.
    """
    import numpy as np

    half = buckets // 2
    exact = half // 2
    length = np.abs(distances)
    far = np.log(np.maximum(length, exact) / exact) / np.log(_FARTHEST / exact) * (half - exact)
    bucket = np.where(length < exact, length, np.minimum(exact + far.astype(np.int64), half - 1))
    return np.where(distances > 0, half, 0) + bucket
