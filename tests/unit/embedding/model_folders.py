"""Small models with random weights, as sentence-transformers and transformers save them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

HIDDEN, HEADS, LAYERS, INNER, WORDS, POSITIONS = 32, 4, 2, 48, 60, 66

SIZES = {
    "hidden_size": HIDDEN,
    "num_attention_heads": HEADS,
    "num_hidden_layers": LAYERS,
    "max_position_embeddings": POSITIONS,
    "hidden_act": "gelu",
}
DISTILBERT_SIZES = {
    "dim": HIDDEN,
    "n_heads": HEADS,
    "n_layers": LAYERS,
    "max_position_embeddings": POSITIONS,
    "activation": "gelu",
}
CONFIGS: Mapping[str, dict[str, object]] = {
    "bert": {**SIZES, "layer_norm_eps": 1e-12, "pad_token_id": 0},
    "electra": {**SIZES, "layer_norm_eps": 1e-12, "embedding_size": 16},
    "roberta": {**SIZES, "layer_norm_eps": 1e-5, "pad_token_id": 1},
    "xlm-roberta": {**SIZES, "layer_norm_eps": 1e-5, "pad_token_id": 1},
    "distilbert": DISTILBERT_SIZES,
    "mpnet": {**SIZES, "layer_norm_eps": 1e-5, "pad_token_id": 1, "relative_attention_num_buckets": 8},
}

Weights = dict[str, NDArray[np.float32]]

_BERT_LAYER = {
    "attention.self.query": (HIDDEN, HIDDEN),
    "attention.self.key": (HIDDEN, HIDDEN),
    "attention.self.value": (HIDDEN, HIDDEN),
    "attention.output.dense": (HIDDEN, HIDDEN),
    "attention.output.LayerNorm": (HIDDEN,),
    "intermediate.dense": (INNER, HIDDEN),
    "output.dense": (HIDDEN, INNER),
    "output.LayerNorm": (HIDDEN,),
}
_RENAMED = {
    "distilbert": {
        "encoder.layer": "transformer.layer",
        "attention.self.query": "attention.q_lin",
        "attention.self.key": "attention.k_lin",
        "attention.self.value": "attention.v_lin",
        "attention.output.dense": "attention.out_lin",
        "attention.output.LayerNorm": "sa_layer_norm",
        "intermediate.dense": "ffn.lin1",
        "output.dense": "ffn.lin2",
        "output.LayerNorm": "output_layer_norm",
    },
    "mpnet": {
        "attention.self.query": "attention.attn.q",
        "attention.self.key": "attention.attn.k",
        "attention.self.value": "attention.attn.v",
        "attention.output.dense": "attention.attn.o",
        "attention.output.LayerNorm": "attention.LayerNorm",
    },
}
_HEADS = {
    "bert": ("bert.pooler.dense", "classifier"),
    "distilbert": ("pre_classifier", "classifier"),
}


def renamed(family: str, name: str) -> str:
    """Return the family's name for BERT's name of a tensor."""
    for bert, own in _RENAMED.get(family, {}).items():
        name = name.replace(bert, own)
    return name


def body(family: str, seed: int = 0) -> Weights:
    """Return random weights of an encoder, under the family's names."""
    random = np.random.default_rng(seed)
    width = 16 if family == "electra" else HIDDEN
    tables = {"word": WORDS, "position": POSITIONS, "token_type": 1 if "roberta" in family else 2}
    if family in ("distilbert", "mpnet"):
        del tables["token_type"]
    weights = {f"embeddings.{name}_embeddings.weight": random.normal(size=(n, width)) for name, n in tables.items()}
    layers = {"embeddings.LayerNorm": (width,)}
    layers |= {f"encoder.layer.{n}.{name}": shape for n in range(LAYERS) for name, shape in _BERT_LAYER.items()}
    if family == "electra":
        layers["embeddings_project"] = (HIDDEN, width)
    for name, shape in layers.items():
        weights |= _layer(random, renamed(family, name), shape)
    if family == "mpnet":
        weights["encoder.relative_attention_bias.weight"] = random.normal(size=(8, HEADS))
    return {name: value.astype(np.float32) for name, value in weights.items()}


def head(family: str, seed: int = 1) -> Weights:
    """Return random weights of a classifier with one output."""
    random = np.random.default_rng(seed)
    first, second = _HEADS.get(family, ("classifier.dense", "classifier.out_proj"))
    weights = _layer(random, first, (HIDDEN, HIDDEN)) | _layer(random, second, (1, HIDDEN))
    return {name: value.astype(np.float32) for name, value in weights.items()}


def _layer(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> Weights:
    weight = random.normal(size=shape) * (0.3 if len(shape) > 1 else 1)
    return {f"{name}.weight": weight, f"{name}.bias": random.normal(size=shape[:1]) * 0.1}


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_tokenizer(path: Path, words: int = WORDS) -> None:
    """Write a tokenizer of the words w3, w4 …, with the marks <s> and </s>."""
    ids = {"<s>": 0, "<pad>": 1, "</s>": 2} | {f"w{number}": number for number in range(3, words)}
    tokenizer = Tokenizer(WordLevel(ids, unk_token="w3"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>"])
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.enable_padding()
    tokenizer.enable_truncation(8)
    tokenizer.save(str(path))


def write_model(
    folder: Path, family: str = "bert", *, pooling: str = "mean_tokens", prefix: str = "", **config: object
) -> Weights:
    """Write a sentence-transformers model, and return its weights."""
    weights = body(family)
    folder.mkdir(parents=True, exist_ok=True)
    save_file({prefix + name: value for name, value in weights.items()}, folder / "model.safetensors")
    write_json(folder / "config.json", {"model_type": family, **CONFIGS[family], **config})
    write_tokenizer(folder / "tokenizer.json")
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": False})
    write_json(folder / "1_Pooling" / "config.json", {f"pooling_mode_{pooling}": True, "pooling_mode_x": False})
    write_modules(folder, "Pooling")
    return weights


def write_modules(folder: Path, *kinds: str) -> None:
    """Write modules.json: a Transformer, then modules of these kinds."""
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    for number, kind in enumerate(kinds, start=1):
        modules.append(
            {
                "idx": number,
                "name": str(number),
                "path": f"{number}_{kind}",
                "type": f"sentence_transformers.models.{kind}",
            }
        )
    write_json(folder / "modules.json", modules)


def write_cross_encoder(folder: Path, family: str = "bert") -> Weights:
    """Write a cross-encoder as transformers saves it, and return its weights; the body's have their prefix."""
    prefix = {"xlm-roberta": "roberta."}.get(family, f"{family}.")
    weights = {prefix + name: value for name, value in body(family).items()} | head(family)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    kind = {"architectures": ["AnyForSequenceClassification"], "id2label": {"0": "LABEL_0"}}
    write_json(folder / "config.json", {"model_type": family, **CONFIGS[family], **kind})
    write_tokenizer(folder / "tokenizer.json")
    return weights
