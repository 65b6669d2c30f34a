import re
from pathlib import Path

import numpy as np
import pytest

from rag.embedding.pairs import open_pair_scorer
from rag.errors import ConfigurationError
from tests.unit.embedding.model_folders import CONFIGS, Weights, write_cross_encoder, write_json, write_model
from tests.unit.embedding.reference import score, token_vectors

QUESTION = "w5 w6"
PASSAGES = ["w9", "w10 w11 w12 w13 w14 w15", "w20 w21", *(f"w{number} w3" for number in range(30, 40))]


def expected(family: str, weights: Weights, passage: str) -> float:
    def ids(text: str) -> list[int]:
        return [int(word[1:]) for word in text.split()]

    asked, answer = [0, *ids(QUESTION), 2], [*ids(passage), 2]
    types = [0] * len(asked) + [int(family in ("bert", "electra"))] * len(answer)
    prefix = {"xlm-roberta": "roberta."}.get(family, f"{family}.")
    bare = {name.removeprefix(prefix): value for name, value in weights.items()}
    return score(family, weights, token_vectors(family, bare, asked + answer, types))


@pytest.mark.parametrize("family", CONFIGS)
def test_scores_are_those_of_the_published_architecture(tmp_path: Path, family: str) -> None:
    weights = write_cross_encoder(tmp_path / "model", family)

    scores = open_pair_scorer(f"local:{tmp_path / 'model'}", tmp_path / "home").scores(QUESTION, PASSAGES)

    np.testing.assert_allclose(scores, [expected(family, weights, passage) for passage in PASSAGES], atol=5e-5)


def test_a_long_passage_is_cut_and_the_question_is_kept(tmp_path: Path) -> None:
    weights = write_cross_encoder(tmp_path / "model")
    fits = 66 - 2 - 3

    scorer = open_pair_scorer(f"local:{tmp_path / 'model'}", tmp_path / "home")
    (long,) = scorer.scores(QUESTION, [" ".join(["w9"] * 200)])

    assert long == pytest.approx(expected("bert", weights, " ".join(["w9"] * fits)), abs=5e-5)


def test_an_embedding_model_is_no_cross_encoder(tmp_path: Path) -> None:
    write_model(tmp_path / "model", architectures=["BertModel"])

    with pytest.raises(ConfigurationError, match="contains no cross-encoder: its architecture is BertModel"):
        open_pair_scorer(f"local:{tmp_path / 'model'}", tmp_path)


def test_a_classifier_of_several_classes_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_cross_encoder(folder)
    labels = {"id2label": {"0": "no", "1": "yes", "2": "maybe"}, "architectures": ["BertForSequenceClassification"]}
    write_json(folder / "config.json", {"model_type": "bert", **CONFIGS["bert"], **labels})

    with pytest.raises(ConfigurationError, match="a classifier with 3 outputs"):
        open_pair_scorer(f"local:{folder}", tmp_path)


@pytest.mark.parametrize(("name", "says"), [("local:/none/here", "there is no such folder"), ("hf:../x", "a name on the hub is like")])  # fmt: skip
def test_a_missing_model_is_an_error(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(says)):
        open_pair_scorer(name, tmp_path)
