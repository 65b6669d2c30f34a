"""The web page, with a question box, the answer and its sources; and a JSON API for the same.

`create_app(engine)` returns an ASGI application; `python -m rag.web` serves it.
"""

from rag.web.app import create_app

__all__ = ["create_app"]
