"""The tokenizer of a model in a folder, and the number of tokens that the model reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.embedding.models.architecture import Architecture
from rag.embedding.models.folder import ModelFolder
from rag.errors import ConfigurationError

if TYPE_CHECKING:
    import tokenizers

__all__ = ["TokenizerFile", "check_vocabulary", "read_max_tokens"]

_FILE = "tokenizer.json"
_OTHERS = ("vocab.txt", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model", "vocab.json")
# What models of this family read if none of their files says it.
_USUAL_MAX_TOKENS = 512
# A chunk needs room for a sentence and its headings.
_FEWEST_TOKENS = 32


@dataclass(frozen=True, slots=True)
class TokenizerFile:
    """A tokenizer.json.

    :param lower: whether texts are lowercased first
    """

    path: Path
    lower: bool = False

    @classmethod
    def of(cls, folder: ModelFolder, *, lower: bool = False) -> TokenizerFile:
        """Return the tokenizer of a model.

        :raises ConfigurationError: the file is missing
        """
        path = folder.path / _FILE
        if path.is_file():
            return cls(path, lower)
        other = next((name for name in _OTHERS if (folder.path / name).is_file()), None)
        raise ConfigurationError(
            f"{folder.path} has no tokenizer.json"
            + (f", and its {other} alone is not enough" if other else "")
            + ': write one with transformers, AutoTokenizer.from_pretrained("FOLDER").save_pretrained("FOLDER").'
        )

    def load(self) -> tokenizers.Tokenizer:
        """Return the tokenizer, without truncation and padding.

        :raises ConfigurationError: the file is invalid
        """
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(self.path))
        except Exception as error:  # tokenizers raises no other class
            raise ConfigurationError(f"{self.path} cannot be read: {str(error).splitlines()[0][:200]}") from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer


def check_vocabulary(file: TokenizerFile, words: int) -> None:
    """Check that a model has a row for each token.

    :param words: the rows of its word table
    :raises ConfigurationError: it has fewer, which a runtime may not notice
    """
    tokens = file.load().get_vocab_size()
    if tokens > words:
        raise ConfigurationError(
            f"{file.path} has {tokens} tokens and the model {words}: they belong to different models."
        )


def read_max_tokens(folder: ModelFolder, architecture: Architecture | None, wanted: object = None) -> int:
    """Return how many tokens a model reads, special tokens included.

    :param wanted: the number in the file of its Transformer module, if there is one
    :raises ConfigurationError: the number is too small
    """
    tokenizer = folder.table("tokenizer_config.json").get("model_max_length")
    config = folder.table("config.json").get("max_position_embeddings")
    positions = architecture.positions if architecture else config
    stated = [number for number in (wanted or tokenizer, positions) if isinstance(number, int | float)]
    most = int(min(stated, default=_USUAL_MAX_TOKENS))
    if most < _FEWEST_TOKENS:
        raise ConfigurationError(
            f"{folder.path}: the model reads {most} tokens only; it must read at least {_FEWEST_TOKENS}."
        )
    return most
