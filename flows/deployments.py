"""`python -m flows.deployments`: write prefect.yaml for a work pool."""

from __future__ import annotations

from flows.deploy.deployments import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
