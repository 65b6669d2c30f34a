import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rag.embedding import LocalEncoder
from rag.embedding.runtimes import has_fast_bf16
from rag.errors import ConfigurationError, EmbeddingError
from tests.unit.embedding.conftest import Reference

QUESTION = "How do I set the maximum number of connections in a pool?"
needs_bf16 = pytest.mark.skipif(not has_fast_bf16(), reason="this CPU has neither AMX nor AVX512-BF16")


def test_a_corpus_gets_the_vectors_of_sentence_transformers_of_unit_length(fp32: LocalEncoder, reference: Reference):
    vectors = fp32.encode(reference.texts)

    assert vectors.shape == (len(reference.texts), 384)
    assert vectors.dtype == np.float32
    assert reference.cosines(vectors).min() > 0.99999
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5


def test_questions_get_the_vectors_of_sentence_transformers(fp32: LocalEncoder, reference: Reference):
    one_by_one = np.stack([fp32.encode_query(text) for text in reference.texts])

    assert reference.cosines(one_by_one).min() > 0.99999
    assert reference.cosines(fp32.encode_queries(reference.texts)).min() > 0.99999


@needs_bf16
def test_bf16_vectors_are_nearly_identical(model_home: Path, reference: Reference):
    vectors = LocalEncoder(model_home, precision="bf16").encode(reference.texts)
    cosines = reference.cosines(vectors)

    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5
    assert cosines.mean() > 0.9995
    assert cosines.min() > 0.999


def test_bf16_is_refused_on_a_cpu_without_fast_bf16(model_home: Path):
    if has_fast_bf16():
        pytest.skip("this CPU is fast at bf16")
    with pytest.raises(EmbeddingError, match="neither AMX nor AVX512-BF16"):
        LocalEncoder(model_home, precision="bf16").encode(["text"])


def test_a_prepared_encoder_reads_no_files_for_a_question(model_home: Path, tmp_path: Path):
    LocalEncoder(model_home).encode_query(QUESTION)
    shutil.copytree(model_home / "models", tmp_path / "models")
    encoder = LocalEncoder(tmp_path)

    with encoder.preparing():
        pass
    shutil.rmtree(tmp_path / "models")

    assert encoder.encode_query(QUESTION).shape == (384,)


def test_preparing_does_not_build_a_missing_graph(tmp_path: Path):
    with LocalEncoder(tmp_path).preparing():
        pass

    assert not list(tmp_path.iterdir())


def test_the_model_reads_256_tokens_and_no_more(fp32: LocalEncoder):
    just_fits = "pool " * 254
    also_read = "pool " * 253 + "banana"
    never_read = just_fits + "banana " * 50

    for encode in (fp32.encode, fp32.encode_queries):
        fits, last, beyond = encode([just_fits, also_read, never_read])
        assert fits @ beyond > 0.999999
        assert fits @ last < 0.9999


def test_padding_and_batch_mates_change_nothing(fp32: LocalEncoder, reference: Reference):
    long = "A connection pool keeps a number of connections open. " * 20
    alone = fp32.encode([QUESTION])[0]

    for mates in ([], [long] * 7, ["a"] * 40, reference.texts):
        for encode in (fp32.encode, fp32.encode_queries):
            assert np.abs(encode([*mates, QUESTION])[-1] - alone).max() < 1e-5


def test_order_is_kept(fp32: LocalEncoder):
    texts = [
        f"{word} " * count for count in (1, 200, 3, 90, 7) for word in ("key", "tin", "sky", "oak", "fog", "car", "pie")
    ]
    texts += [str(number) for number in range(70)]
    alone = np.stack([fp32.encode_query(text) for text in texts])

    assert (fp32.encode(texts) * alone).sum(axis=1).min() > 0.9999


def test_an_empty_list_gives_an_empty_array(fp32: LocalEncoder):
    assert fp32.encode([]).shape == (0, 384)
    assert fp32.encode_queries([]).shape == (0, 384)


def test_tokens_are_counted_beyond_the_limit_of_the_model(fp32: LocalEncoder):
    assert fp32.count_tokens("") == 0
    assert fp32.count_tokens("connection pools") == 2
    assert fp32.count_tokens("word " * 1000) == 1000


def test_several_threads_can_share_an_encoder(model_home: Path, fp32: LocalEncoder, reference: Reference):
    encoder = LocalEncoder(model_home)

    with ThreadPoolExecutor(8) as threads:
        corpora = [threads.submit(encoder.encode, reference.texts) for _ in range(2)]
        questions = list(threads.map(encoder.encode_query, reference.texts))
        counts = list(threads.map(encoder.count_tokens, reference.texts))

    for corpus in corpora:
        assert reference.cosines(corpus.result()).min() > 0.999
    assert reference.cosines(np.stack(questions)).min() > 0.99999
    assert counts == [fp32.count_tokens(text) for text in reference.texts]


def test_an_encoder_can_be_pickled(fp32: LocalEncoder):
    copy = pickle.loads(pickle.dumps(fp32))

    assert np.array_equal(copy.encode_query(QUESTION), fp32.encode_query(QUESTION))


def test_an_unknown_precision_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="Unknown precision 'int4'; choose from auto, fp32, bf16"):
        LocalEncoder(tmp_path, precision="int4")


HEAVY = ("llama_index", "openvino", "onnx", "onnxruntime", "tokenizers", "safetensors", "openai")


def test_a_process_loads_only_the_packages_it_uses(model_home: Path, fp32: LocalEncoder):
    fp32.encode_query("the graph is there")
    steps = {
        "import": f"encoder = rag.embedding.LocalEncoder(Path({str(model_home)!r}))",
        "tokenizer": "encoder.count_tokens('a')",
        "question": "encoder.encode_query('a')",
    }
    code = "import sys; from pathlib import Path; import rag.embedding\n" + "".join(
        f"{statement}\nprint({name!r}, *[name for name in {HEAVY} if name in sys.modules])\n"
        for name, statement in steps.items()
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert [set(line.split()) for line in result.stdout.splitlines()] == [
        {"import"},
        {"tokenizer", "tokenizers"},
        {"question", "tokenizers", "onnxruntime"},
    ]
    assert result.stderr == ""


def test_no_runtime_sends_telemetry(model_home: Path, tmp_path: Path):
    # Telemetry of the runtimes writes an identifier to the home folder; no file means that they sent nothing.
    code = (
        "from pathlib import Path; from rag.embedding import LocalEncoder\n"
        f"encoder = LocalEncoder(Path({str(model_home)!r})); encoder.encode_query('x'); encoder.encode(['x'])"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_"))}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)

    assert list(tmp_path.rglob("*")) == []
