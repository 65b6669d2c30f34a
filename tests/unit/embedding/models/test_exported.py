from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from rag.embedding import open_encoder
from rag.embedding.local import GraphEncoder
from rag.embedding.models.graph import PAIR_INPUTS, TEXT_INPUTS
from rag.embedding.models.named import ModelName
from rag.embedding.models.nodes import Nodes
from rag.embedding.models.sentence_model import SentenceModel
from rag.embedding.pairs import open_pair_scorer
from rag.errors import ConfigurationError
from tests.unit.embedding.model_folders import HIDDEN, WORDS, write_cross_encoder, write_json, write_model

TABLE = np.random.default_rng(7).normal(size=(WORDS, HIDDEN)).astype(np.float32)


def write_export(
    path: Path, output: str = "last_hidden_state", *, inputs: tuple[str, ...] = tuple(PAIR_INPUTS), opset: int = 14
) -> None:
    """Write a graph of the opset of common exports: the rows of TABLE, to which the number of the type is added."""
    nodes = Nodes()
    rows = nodes.add("Gather", nodes.constant("table", TABLE), "input_ids")
    if "token_type_ids" in inputs:
        rows = nodes.add("Add", rows, nodes.reshape(nodes.number("token_type_ids"), 0, -1, 1))
    scored = nodes.add("ReduceSum", rows, nodes.constant("axes", [1, 2]), keepdims=0)
    nodes.add("Identity", nodes.reshape(scored, 0, 1) if output == "logits" else rows, output=output)
    given = [helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "t"]) for name in inputs]
    shape = ["b", 1] if output == "logits" else ["b", "t", HIDDEN]
    graph = helper.make_graph(
        nodes.nodes,
        "exported",
        given,
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        list(nodes.constants.values()),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path)


def opened(folder: Path) -> GraphEncoder:
    files = SentenceModel.read(ModelName.parse(f"local:{folder}").folder())
    return GraphEncoder("any", files, folder.parent / "home", precision="fp32")


@pytest.mark.parametrize("inputs", [tuple(PAIR_INPUTS), tuple(TEXT_INPUTS)], ids=len)
@pytest.mark.parametrize("pooling", ["cls_token", "max_tokens", "mean_tokens", "weightedmean_tokens", "lasttoken"])
def test_an_exported_graph_is_pooled_as_the_model_says(tmp_path: Path, inputs: tuple[str, ...], pooling: str) -> None:
    folder = tmp_path / "model"
    write_model(folder, pooling=pooling)
    (folder / "model.safetensors").unlink()
    write_export(folder / "onnx" / "model.onnx", inputs=inputs)
    rows = TABLE[[0, 9, 20, 21, 2]]
    wanted = {
        "cls_token": rows[0],
        "max_tokens": rows.max(axis=0),
        "mean_tokens": rows.mean(axis=0),
        "weightedmean_tokens": np.arange(1, 6) @ rows,
        "lasttoken": rows[-1],
    }[pooling]

    encoder = opened(folder)

    wanted = wanted / np.linalg.norm(wanted)
    np.testing.assert_allclose(encoder.encode(["w9 w20 w21", "w3"])[0], wanted, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_query("w9 w20 w21"), wanted, atol=1e-5)


def test_an_architecture_of_which_no_graph_is_built_works_as_onnx(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_model(folder)
    write_json(folder / "config.json", {"model_type": "modernbert", "hidden_size": HIDDEN})
    write_export(folder / "onnx" / "model.onnx")

    assert opened(folder).encode_query("w9").shape == (HIDDEN,)


def test_an_exported_cross_encoder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_cross_encoder(folder)
    (folder / "model.safetensors").unlink()
    write_export(folder / "model.onnx", "logits")

    (score,) = open_pair_scorer(f"local:{folder}", tmp_path / "home").scores("w5", ["w9 w10"])

    # The passage and its end mark have the type 1.
    assert score == pytest.approx(TABLE[[0, 5, 2, 9, 10, 2]].sum() + 3 * HIDDEN, abs=1e-3)


@pytest.mark.parametrize(
    ("output", "inputs", "says"),
    [
        ("logits", tuple(PAIR_INPUTS), "has the outputs logits; an embedding model needs last_hidden_state"),
        ("last_hidden_state", (*TEXT_INPUTS, "pixel_values"), "has the inputs input_ids, attention_mask, pixel_values"),
    ],
)
def test_a_graph_of_another_kind_is_refused(tmp_path: Path, output: str, inputs: tuple[str, ...], says: str) -> None:
    folder = tmp_path / "model"
    write_model(folder)
    (folder / "model.safetensors").unlink()
    write_export(folder / "model.onnx", output, inputs=inputs)

    with pytest.raises(ConfigurationError, match=says):
        open_encoder(f"local:{folder}", home=tmp_path / "home").encode_query("w3")


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_model(folder)
    (folder / "model.safetensors").rename(folder / "model.onnx")

    with pytest.raises(ConfigurationError, match=r"model\.onnx cannot be read as ONNX"):
        open_encoder(f"local:{folder}", home=tmp_path / "home").encode_query("w3")
