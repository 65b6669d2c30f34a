"""The encoders of the BERT family: their sizes, from config.json, and the names of their tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rag.embedding.models.folder import ModelFolder
from rag.errors import ConfigurationError

if TYPE_CHECKING:
    from rag.embedding.models.config import Config

__all__ = ["BERT", "Architecture", "Family", "is_supported"]

#: How a classifier reads the vector of the first token: the first linear layer, the activation, the second layer.
Head = tuple[str, Literal["Tanh", "Relu", "Gelu"], str]

_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}


@dataclass(frozen=True, slots=True)
class Family:
    """How a family of encoders names its tensors, and where it differs from BERT."""

    prefix: str
    head: Head = ("classifier.dense", "Tanh", "classifier.out_proj")
    layer: str = "encoder.layer"
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attended: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    inner: str = "intermediate.dense"
    outer: str = "output.dense"
    norm: str = "output.LayerNorm"
    has_types: bool = True
    #: Positions are counted from the row after the one for padding.
    counts_from_padding: bool = False
    #: Attention depends on the distance of two tokens, too.
    has_distances: bool = False


# The pooler belongs to the body, so its name has the body's prefix.
BERT = Family("bert.", ("bert.pooler.dense", "Tanh", "classifier"))
_ROBERTA = Family("roberta.", counts_from_padding=True)
_FAMILIES: Mapping[str, Family] = {
    "bert": BERT,
    "electra": Family("electra.", ("classifier.dense", "Gelu", "classifier.out_proj")),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "distilbert": Family(
        "distilbert.",
        ("pre_classifier", "Relu", "classifier"),
        layer="transformer.layer",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        attended="attention.out_lin",
        attention_norm="sa_layer_norm",
        inner="ffn.lin1",
        outer="ffn.lin2",
        norm="output_layer_norm",
        has_types=False,
    ),
    "mpnet": Family(
        "mpnet.",
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        attended="attention.attn.o",
        attention_norm="attention.LayerNorm",
        has_types=False,
        counts_from_padding=True,
        has_distances=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """The sizes of an encoder: H hidden units, A heads, L layers."""

    family: Family
    hidden: int
    layers: int
    heads: int
    activation: str
    epsilon: float
    #: the row of the position table for the first token
    first_position: int
    #: the number of tokens that the position table is made for
    positions: int
    #: the number of buckets of distances between tokens
    buckets: int

    @classmethod
    def of(cls, folder: ModelFolder) -> Architecture:
        """Read config.json.

        :raises ConfigurationError: the file is invalid, or the architecture is not supported
        """
        # The bundled model, which most commands load, needs neither.
        from pydantic import ValidationError

        from rag.embedding.models.config import Config

        table = folder.table("config.json")
        if not is_supported(table):
            raise ConfigurationError(
                f"{folder.path}: the architecture {table.get('model_type')!r} is not supported; choose a model of "
                f"{', '.join(_FAMILIES)}, or one with onnx/model.onnx."
            )
        try:
            config = Config.model_validate(table)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise ConfigurationError(
                f"{folder.path / 'config.json'}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}."
            ) from error
        return cls._checked(folder, config)

    @classmethod
    def _checked(cls, folder: ModelFolder, config: Config) -> Architecture:
        for is_wrong, what in (
            (config.position_embedding_type not in (None, "absolute"), f"{config.position_embedding_type} positions"),
            (config.activation not in _ACTIVATIONS, f"the activation {config.activation!r}"),
            (config.hidden % config.heads, f"{config.hidden} hidden units in {config.heads} heads"),
        ):
            if is_wrong:
                raise ConfigurationError(f"{folder.path / 'config.json'}: {what} cannot be computed.")
        family = _FAMILIES[config.model_type]
        padding = 1 if config.padding is None else config.padding
        first = padding + 1 if family.counts_from_padding else 0
        return cls(
            family=family,
            hidden=config.hidden,
            layers=config.layers,
            heads=config.heads,
            activation=_ACTIVATIONS[config.activation],
            epsilon=config.epsilon,
            first_position=first,
            positions=config.positions - first,
            buckets=config.buckets,
        )


def is_supported(config: Mapping[str, Any]) -> bool:
    """Return whether a graph can be built for the architecture of a config.json."""
    return config.get("model_type") in _FAMILIES
