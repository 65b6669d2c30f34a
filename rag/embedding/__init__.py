"""Texts to vectors: a local model by default, any server that speaks OpenAI's API by a setting.

`open_encoder` is what the engine uses. `rag.embedding.llamaindex` has the same models as LlamaIndex's
`BaseEmbedding`. Importing this package loads no model, no runtime and nothing of LlamaIndex.
"""

from rag.embedding.encoder import Encoder, open_encoder
from rag.embedding.local import LocalEncoder, Precision
from rag.embedding.remote import RemoteEncoder

__all__ = ["Encoder", "LocalEncoder", "Precision", "RemoteEncoder", "open_encoder"]
