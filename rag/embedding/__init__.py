"""Embedding models: a local one by default, or any server that speaks OpenAI's API.

The engine uses `open_encoder`; `rag.embedding.llamaindex` wraps the same models as LlamaIndex's `BaseEmbedding`.
Importing this package imports no runtime and no LlamaIndex.
"""

from rag.embedding.encoder import Encoder, open_encoder
from rag.embedding.local import LocalEncoder, Precision

__all__ = ["Encoder", "LocalEncoder", "Precision", "open_encoder"]
