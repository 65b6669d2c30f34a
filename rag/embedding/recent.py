"""Recent vectors: the passages of popular pages are embedded once, not for each question that finds them."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.embedding.encoder import Encoder, ForwardingEncoder

__all__ = ["RecentVectors"]

# The vectors that are kept: 13 MB of 384 dimensions.
_MOST = 8192


class RecentVectors(ForwardingEncoder):
    """An encoder that keeps the vectors of the texts last given to `encode_queries` in memory.

    :param encoder: embeds the texts whose vectors are not kept
    :param most: the number of vectors that are kept
    """

    def __init__(self, encoder: Encoder, *, most: int = _MOST) -> None:
        super().__init__(encoder)
        self._most = most
        self._vectors: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed the texts whose vectors are not kept: shape (len(texts), dimension), in the order of `texts`.

        :raises EmbeddingError: the model is not available
        """
        if not texts:
            return self._encoder.encode_queries(texts)
        keys = [hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest() for text in texts]
        with self._lock:
            known = {key: self._vectors[key] for key in keys if key in self._vectors}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            known |= zip(missing, self._encoder.encode_queries(list(missing.values())), strict=True)
        self._keep({key: known[key] for key in keys})
        return np.stack([known[key] for key in keys])

    def _keep(self, used: dict[bytes, NDArray[np.float32]]) -> None:
        with self._lock:
            self._vectors |= used
            for key in used:
                self._vectors.move_to_end(key)
            while len(self._vectors) > self._most:
                self._vectors.popitem(last=False)
