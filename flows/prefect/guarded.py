"""Prefect's server, which answers its own pages and programs only: `python -m flows.prefect.guarded server start …`."""

from __future__ import annotations

import runpy
from typing import Any

from fastapi import FastAPI
from prefect.server.api import server
from prefect.settings import PREFECT_SERVER_CORS_ALLOWED_ORIGINS

from flows.prefect.origins import OwnOrigins

__all__ = ["create_app"]

_create_app = server.create_app


def create_app(*arguments: Any, **options: Any) -> FastAPI:  # noqa: ANN401 - those of Prefect's function
    """Return Prefect's application behind the check of origins."""
    app = _create_app(*arguments, **options)
    app.add_middleware(OwnOrigins, origins=PREFECT_SERVER_CORS_ALLOWED_ORIGINS.value().split(","))
    return app


if __name__ == "__main__":
    server.create_app = create_app
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
