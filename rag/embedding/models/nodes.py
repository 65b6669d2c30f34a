"""Builds an ONNX graph node by node, of standard operators only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from numpy.typing import NDArray

    from rag.embedding.models.tensors import Tensors

__all__ = ["OPSET", "Nodes"]

OPSET = 20
#: onnx.TensorProto.FLOAT
_FLOAT = 1


@dataclass
class Nodes:
    """The nodes and constants of a graph. Each method adds nodes and returns the name of their output.

    :param prefix: of all names, so that they differ from those of a graph that these nodes are added to
    """

    prefix: str = ""
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def add(self, kind: str, *inputs: str, output: str | None = None, **attributes: float | str | list[int]) -> str:
        """Add a node, whose output has a name of its own unless one is given."""
        name = output or f"{self.prefix}{kind}_{len(self.nodes)}"
        self._append(kind, inputs, [name], attributes)
        return name

    def several(self, kind: str, *inputs: str, outputs: int, **attributes: float | str | list[int]) -> list[str]:
        """Add a node with several outputs."""
        names = [f"{self.prefix}{kind}_{len(self.nodes)}_{number}" for number in range(outputs)]
        self._append(kind, inputs, names, attributes)
        return names

    def _append(
        self, kind: str, inputs: Sequence[str], outputs: list[str], attributes: Mapping[str, float | str | list[int]]
    ) -> None:
        from onnx import helper

        node = helper.make_node(kind, inputs, outputs, outputs[0])
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)

    def constant(self, name: str, value: NDArray[np.float32] | list[int] | float) -> str:
        """Add a constant unless its name is taken; lists become int64, other values float32."""
        import numpy as np
        from onnx import numpy_helper

        name = self.prefix + name
        if name not in self.constants:
            array = np.array(value, np.int64) if isinstance(value, list) else np.asarray(value, np.float32)
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        return name

    def number(self, x: str) -> str:
        """Convert to float32."""
        return self.add("Cast", x, to=_FLOAT)

    def reshape(self, x: str, *shape: int) -> str:
        """Change the shape; 0 keeps a dimension, -1 takes what is left."""
        return self.add("Reshape", x, self.constant(f"shape{shape}", list(shape)))

    def linear(self, x: str, tensors: Tensors, name: str, *, scale: float = 1.0) -> str:
        """Apply a linear layer, with or without a bias: (…, I) to (…, O)."""
        product = self.add("MatMul", x, self.constant(f"{name}.weight", tensors[f"{name}.weight"].T * scale))
        if f"{name}.bias" not in tensors:
            return product
        return self.add("Add", product, self.constant(f"{name}.bias", tensors[f"{name}.bias"] * scale))

    def norm(self, x: str, tensors: Tensors, name: str, epsilon: float) -> str:
        """Normalise the last axis."""
        weight = self.constant(f"{name}.weight", tensors[f"{name}.weight"])
        bias = self.constant(f"{name}.bias", tensors[f"{name}.bias"])
        return self.add("LayerNormalization", x, weight, bias, axis=-1, epsilon=epsilon)

    def activation(self, x: str, kind: str) -> str:
        """Apply an activation function of `Architecture`."""
        match kind:
            case "gelu":
                return self.add("Gelu", x)
            case "gelu_tanh":
                return self.add("Gelu", x, approximate="tanh")
            case "silu":
                return self.add("Mul", x, self.add("Sigmoid", x))
            case _:
                return self.add("Relu", x)

    def model(self, inputs: list[str], output: str, width: int) -> onnx.ModelProto:
        """Return the model: `inputs` (B, T) int64 to `output` (B, width) float32."""
        from onnx import TensorProto, helper

        given = [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"]) for name in inputs]
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["texts", width])
        graph = helper.make_graph(self.nodes, "encoder", given, [result], list(self.constants.values()))
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9, producer_name="rag.embedding"
        )
