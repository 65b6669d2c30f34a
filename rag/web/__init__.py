"""The web page: a question box, the answer and its sources; and the same as JSON.

`create_app(engine)` is an ASGI application to mount anywhere; `python -m rag.web` serves it.
"""

from rag.web.app import create_app

__all__ = ["create_app"]
