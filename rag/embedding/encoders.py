"""The encoders of one process: each embedding model is loaded once, when it is first used."""

from __future__ import annotations

import threading

from rag.embedding.encoder import Encoder, open_encoder
from rag.settings import Settings

__all__ = ["Encoders"]


class Encoders:
    """The encoders of the models that an index or a setting names.

    :param encoder: an encoder that is loaded already, used for its model
    """

    def __init__(self, settings: Settings, encoder: Encoder | None = None) -> None:
        self._settings = settings
        self._encoders = {encoder.model: encoder} if encoder else {}
        self._lock = threading.Lock()

    def of(self, model: str) -> Encoder:
        """Return the encoder of a model.

        :raises ConfigurationError: the model is unknown, or its key is missing
        """
        with self._lock:
            if model not in self._encoders:
                self._encoders[model] = open_encoder(
                    model,
                    home=self._settings.home,
                    api_key=self._settings.openai_key,
                    base_url=self._settings.openai_base_url,
                )
            return self._encoders[model]
