"""The names of models in files: local:FOLDER and hf:NAME, with the fingerprint of the files in an index.

An index stores the name with the fingerprint, `local:/models/bge#0123456789ab`: if another model is put into the
folder, its vectors are not mixed with those of the old one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rag.embedding.models.folder import ModelFolder
from rag.errors import ConfigurationError

__all__ = ["ModelName", "pinned_model"]

_NAME = re.compile(r"(local|hf):(.+?)(?:#([0-9a-f]{12}))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model in files."""

    #: local or hf
    kind: str
    #: a folder, or a name on the hub
    place: str
    #: of the files that are wanted, None for any
    fingerprint: str | None

    @classmethod
    def parse(cls, name: str) -> ModelName | None:
        """Return the parts of local:FOLDER or hf:NAME, None for another name. A folder becomes absolute."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        kind, place, fingerprint = match.groups()
        if kind == "local":
            place = str(Path(place).expanduser().absolute())
        return cls(kind, place, fingerprint)

    def folder(self) -> ModelFolder:
        """Return the folder of the model; hf:NAME is downloaded if it is not on this disk.

        :raises ConfigurationError: there is no such model
        """
        if self.kind == "hf":
            from rag.embedding.models.hub import snapshot

            return snapshot(self.place)
        folder = Path(self.place)
        if not folder.is_dir():
            raise ConfigurationError(f"{self.kind}:{self.place}: there is no such folder.")
        return ModelFolder(folder)

    def checked(self, fingerprint: str) -> str:
        """Return the name with the fingerprint of the files that are there.

        :raises ConfigurationError: it is not the wanted one
        """
        if self.fingerprint not in (None, fingerprint):
            raise ConfigurationError(
                f"The files of {self.kind}:{self.place} have changed since the index was built ({self.fingerprint}, "
                f"now {fingerprint}). Put them back, or build an index for them: python -m flows.reindex."
            )
        return f"{self.kind}:{self.place}#{fingerprint}"


def pinned_model(model: str) -> str:
    """Return the name under which an index stores a model; the name of a model in files ends in their fingerprint.

    :raises ConfigurationError: the files are missing, are not a model, or do not have the fingerprint in the name
    """
    named = ModelName.parse(model)
    if named is None:
        return model
    from rag.embedding.models.sentence_model import SentenceModel

    return named.checked(SentenceModel.read(named.folder()).fingerprint)
