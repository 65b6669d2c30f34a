"""The keys of a model's config.json that its graph depends on."""

from __future__ import annotations

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

__all__ = ["Config"]


class Config(BaseModel):
    """The sizes of an encoder; DistilBERT has names of its own."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    model_type: str
    hidden: int = Field(gt=0, validation_alias=AliasChoices("hidden_size", "dim"))
    layers: int = Field(gt=0, validation_alias=AliasChoices("num_hidden_layers", "n_layers"))
    heads: int = Field(gt=0, validation_alias=AliasChoices("num_attention_heads", "n_heads"))
    activation: str = Field("gelu", validation_alias=AliasChoices("hidden_act", "activation"))
    epsilon: float = Field(1e-12, validation_alias="layer_norm_eps")
    positions: int = Field(512, gt=0, validation_alias="max_position_embeddings")
    padding: int | None = Field(None, validation_alias="pad_token_id")
    position_embedding_type: str | None = "absolute"
    buckets: int = Field(32, gt=3, validation_alias="relative_attention_num_buckets")
