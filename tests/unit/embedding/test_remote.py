import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rag.embedding import open_encoder
from rag.embedding.remote import Endpoint, RemoteEncoder
from rag.errors import ConfigurationError, EmbeddingError
from tests.servers.openai import OpenAIServer, Reply
from tests.unit.embedding.conftest import Reference

AT_ONCE = {"retry-after-ms": "1"}


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(dimension=8) as server:
        yield server


@pytest.fixture
def encoder(server: OpenAIServer) -> RemoteEncoder:
    return _open("openai/some-model", server)


def _open(model: str, server: OpenAIServer, *, key: str = OpenAIServer.key, timeout: float = 10.0) -> RemoteEncoder:
    return RemoteEncoder(Endpoint.of(model, api_key=key, base_url=server.url), timeout=timeout)


def test_texts_become_unit_vectors_in_order(server: OpenAIServer, encoder: RemoteEncoder):
    texts = [f"text {number}" for number in range(300)]

    vectors = encoder.encode(texts)

    assert vectors.dtype == np.float32
    assert np.allclose(vectors, [server.vector(text) for text in texts], atol=1e-6)
    assert np.allclose(encoder.encode_query("text 7"), vectors[7])


def test_a_corpus_is_sent_in_requests_within_openai_s_limits(server: OpenAIServer, encoder: RemoteEncoder):
    encoder.encode(["word"] * 200 + ["word " * 5000] * 40)

    sizes = [len(request.body["input"]) for request in server.requests]
    words = [sum(len(text.split()) for text in request.body["input"]) for request in server.requests]
    assert sum(sizes) == 240 + 1  # and the text that was sent to find the dimension
    assert max(sizes) <= 2048
    assert max(words) <= 300_000
    assert {request.body["model"] for request in server.requests} == {"some-model"}


def test_an_empty_text_can_be_encoded(encoder: RemoteEncoder):
    assert encoder.encode(["", "a"]).shape == (2, 8)
    assert encoder.encode([]).shape == (0, 8)


def test_the_dimension_of_an_unknown_model_is_requested_once(server: OpenAIServer, encoder: RemoteEncoder):
    assert [encoder.dimension, encoder.dimension] == [8, 8]
    assert len(server.requests) == 1


@pytest.mark.parametrize(("model", "dimension"), [("text-embedding-3-small", 1536), ("text-embedding-3-large", 3072)])
def test_the_dimension_of_openais_models_is_known(server: OpenAIServer, model: str, dimension: int):
    encoder = _open(f"openai/{model}", server)

    assert (encoder.dimension, encoder.max_tokens, encoder.model) == (dimension, 8191, f"openai/{model}")
    assert server.requests == []


def test_an_unexpected_dimension_is_an_error(server: OpenAIServer):
    with pytest.raises(
        EmbeddingError, match="returned vectors of 8 dimensions for openai/text-embedding-3-small, which has 1536"
    ):
        _open("openai/text-embedding-3-small", server).encode(["a"])


def test_transient_errors_are_retried(server: OpenAIServer, encoder: RemoteEncoder):
    server.fail_next(429, code="rate_limit_exceeded", headers=AT_ONCE)
    server.fail_next(503, headers=AT_ONCE)

    assert encoder.encode_query("text").shape == (8,)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (401, "invalid_api_key", "refused the key: check OPENAI_API_KEY"),
        (403, None, "refused the key: check OPENAI_API_KEY, and that it may use this model"),
        (404, "model_not_found", "does not know the model: check RAG_EMBEDDING_MODEL and OPENAI_BASE_URL"),
        (429, "rate_limit_exceeded", "over its rate limit.* try again later"),
        (429, "insufficient_quota", "quota is used up: add credit, or choose the local model"),
        (400, None, "answered 400: It failed as scripted."),
        (500, None, "answered 500: It failed as scripted."),
    ],
)
def test_an_error_message_is_one_line_with_a_remedy(
    server: OpenAIServer, encoder: RemoteEncoder, status: int, code: str | None, message: str
):
    server.fail_next(status, code=code, headers=AT_ONCE, times=10)

    with pytest.raises(EmbeddingError, match=message) as caught:
        encoder.encode(["text"])
    assert "\n" not in str(caught.value)
    assert server.url in str(caught.value)


def test_a_wrong_key_is_refused_at_once(server: OpenAIServer):
    with pytest.raises(EmbeddingError, match="refused the key"):
        _open("openai/some-model", server, key="sk-wrong").encode(["text"] * 1000)
    assert len(server.requests) <= 8


def test_the_error_for_an_unknown_ollama_model_says_how_to_pull_it():
    with OpenAIServer(models={"nomic-embed-text"}) as server:
        with pytest.raises(EmbeddingError, match="run `ollama pull mxbai-embed-large`"):
            _open("ollama/mxbai-embed-large", server).encode_query("text")
        assert _open("ollama/nomic-embed-text", server).encode_query("text").shape == (8,)


def test_a_server_that_does_not_answer_times_out(server: OpenAIServer):
    server.fail_next(500, delay=1.0, headers=AT_ONCE, times=10)

    with pytest.raises(EmbeddingError, match="did not answer in time"):
        _open("openai/some-model", server, timeout=0.05).encode_query("text")


@pytest.mark.parametrize(
    ("model", "hint"),
    [("ollama/nomic-embed-text", "ollama serve"), ("openai/m", "check the network and OPENAI_BASE_URL")],
)
def test_an_unreachable_server_is_a_one_line_error(model: str, hint: str):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(EmbeddingError, match=f"cannot be reached: .*{hint}"):
            RemoteEncoder(Endpoint.of(model, api_key="sk-test", base_url=url)).encode_query("text")


@pytest.mark.parametrize(
    "body",
    ["<html>Welcome</html>", "[]", {"hello": "world"}, {"data": []}, {"data": [{"index": 0, "embedding": "?"}]}],
    ids=str,
)
def test_a_server_without_the_api_is_recognised(server: OpenAIServer, encoder: RemoteEncoder, body: dict | str):
    server.reply_next(Reply(200, body))

    with pytest.raises(EmbeddingError, match="did not reply like OpenAI's embeddings API: check OPENAI_BASE_URL"):
        encoder.encode_queries(["one", "two"])


def test_token_estimates_are_never_too_low_and_need_no_download(encoder: RemoteEncoder, reference: Reference):
    import tiktoken
    from llama_index.core.utils import get_tokenizer

    get_tokenizer()  # makes tiktoken use the encoding in the LlamaIndex package
    exact = tiktoken.get_encoding("cl100k_base")
    for text in reference.texts:
        if set(text) <= {"x"}:
            continue  # tokenizers differ widely on a repeated letter
        assert encoder.count_tokens(text) >= len(exact.encode(text.strip(), disallowed_special=())), text


def test_tokens_are_estimated_from_letters_and_bytes(encoder: RemoteEncoder):
    assert encoder.count_tokens("def pool():") == len(["def", "poo", "l", "(", ")", ":"])
    assert encoder.count_tokens("連接") == 4


def test_settings_choose_the_server(tmp_path: Path):
    def url(model: str, **options: str | None) -> tuple[str, str]:
        endpoint = Endpoint.of(model, **({"api_key": None, "base_url": None} | options))
        return endpoint.base_url, endpoint.api_key

    assert url("openai/m", api_key="sk") == ("https://api.openai.com/v1", "sk")
    assert url("openai/m", api_key="sk", base_url="http://gpu:8000/v1") == ("http://gpu:8000/v1", "sk")
    assert url("ollama/m") == ("http://localhost:11434/v1", "ollama")
    assert url("ollama/m", api_key="sk") == ("http://localhost:11434/v1", "ollama")
    assert url("ollama/m", base_url="http://gpu:11434/v1") == ("http://gpu:11434/v1", "ollama")
    assert open_encoder("ollama/org/m:7b", home=tmp_path).model == "ollama/org/m:7b"


@pytest.mark.parametrize("model", ["", "local", "local/other", "openai", "openai/", "ollama/", "cohere/embed"])
def test_the_error_for_an_unknown_model_lists_the_choices(tmp_path: Path, model: str):
    with pytest.raises(ConfigurationError, match="choose from local/all-MiniLM-L6-v2, openai/NAME, ollama/NAME"):
        open_encoder(model, home=tmp_path, api_key="sk")


def test_openai_without_a_key_is_an_error_with_the_setting(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="set OPENAI_API_KEY, or choose the local model"):
        open_encoder("openai/text-embedding-3-small", home=tmp_path)


def reply_of(*rows: object, **fields: object) -> Reply:
    """A reply with these rows, which have no index as Gemini's have none, unless `fields` has one."""
    data = [{"object": "embedding", "embedding": row, **fields} for row in rows]
    return Reply(200, {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}})


UNIT = [0.6, 0.8] + [0.0] * 6
NO_VECTORS = [
    [0.0] * 8,
    [None] + [0.1] * 7,
    [float("nan")] * 8,
    [float("inf")] + [0.0] * 7,
    [0.5] * 3,
    [1e-30] * 8,
    [1e308] * 8,
]


@pytest.mark.parametrize("index", [{}, {"index": 0}, {"index": None}], ids=str)
def test_rows_without_their_place_keep_the_order_of_the_texts(
    server: OpenAIServer, encoder: RemoteEncoder, index: dict[str, object]
):
    assert encoder.dimension == 8
    server.reply_next(reply_of(UNIT, UNIT[::-1], **index))
    assert np.allclose(encoder.encode(["one", "two"]), [UNIT, UNIT[::-1]])


def test_base64_is_not_asked_for_but_read(server: OpenAIServer, encoder: RemoteEncoder):
    import base64

    assert encoder.dimension == 8
    server.reply_next(reply_of(base64.b64encode(np.array(UNIT, "<f4").tobytes()).decode()))
    assert np.allclose(encoder.encode_query("one"), UNIT)
    assert {request.body["encoding_format"] for request in server.requests} == {"float"}


def test_a_reply_that_the_client_cannot_convert_is_asked_for_in_parts(server: OpenAIServer, encoder: RemoteEncoder):
    assert encoder.dimension == 8
    server.reply_next(reply_of(UNIT, [10**400, *UNIT[1:]]))
    assert np.isfinite(encoder.encode(["one", "two"])).all()


@pytest.mark.parametrize("numbers", NO_VECTORS, ids=str)
def test_numbers_that_are_no_vector_cost_only_their_text(
    server: OpenAIServer, encoder: RemoteEncoder, numbers: list[float | None]
):
    assert encoder.dimension == 8
    server.reply_next(reply_of(UNIT, numbers, UNIT), reply_of(UNIT, numbers), reply_of(numbers))
    vectors = encoder.encode(["one", "two", "three"])
    assert np.isnan(vectors[1]).all()
    assert np.allclose(vectors[[0, 2]], UNIT)
    assert np.array_equal(encoder.encode_queries(["one", "two"])[1], np.zeros(8))
    with pytest.raises(EmbeddingError, match="vector"):
        encoder.encode_query("two")


def test_a_server_without_any_vector_is_an_error(server: OpenAIServer, encoder: RemoteEncoder):
    assert encoder.dimension == 8
    server.reply_next(reply_of([0.0] * 8, [0.0] * 8), reply_of([0.0] * 8))
    with pytest.raises(EmbeddingError, match="an invalid vector: check that it is an embedding model"):
        encoder.encode(["one", "two"])


class RefusingServer(OpenAIServer):
    """Refuses requests with a certain word, or texts that are too long."""

    def __init__(self, status: int, *, most: int = 10_000) -> None:
        super().__init__()
        self.status, self.most = status, most

    def handle(self, request):  # type: ignore[no-untyped-def]
        texts = request.body.get("input", [])
        if any("poison" in text for text in texts):
            self.requests.append(request)
            return Reply(self.status, {"error": {"message": "cannot be embedded"}}, AT_ONCE)
        if any(len(text) > self.most for text in texts):
            return Reply(self.status, {"error": "input length exceeds the context length"}, AT_ONCE)
        return super().handle(request)


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_a_refused_text_costs_only_itself(status: int):
    texts = [f"text {number}" for number in range(40)]
    texts[13] = "poison"
    with RefusingServer(status) as server:
        vectors = _open("openai/some-model", server).encode(texts)
        assert np.isnan(vectors).any(axis=1).nonzero()[0].tolist() == [13]
        assert np.allclose(vectors[39], server.vector("text 39"), atol=1e-6)
        assert np.isnan(_open("openai/some-model", server).encode(["poison"])).all()


@pytest.mark.parametrize("status", [400, 413, 500])
def test_of_a_text_that_is_too_long_the_beginning_is_read(status: int):
    with RefusingServer(status, most=100) as server:
        vectors = _open("openai/some-model", server).encode(["word " * 100, "short"])
        assert np.allclose(vectors[0], server.vector(("word " * 100)[:62]), atol=1e-6)
        assert _open("openai/some-model", server).encode_query("word " * 100).shape == (8,)
