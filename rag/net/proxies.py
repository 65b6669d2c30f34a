"""Proxies of the environment, which must not get what is meant for this machine."""

from __future__ import annotations

import os

from rag.net.hosts import LOOPBACK

__all__ = ["keep_loopback_from_proxies"]

_VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy"})


def keep_loopback_from_proxies() -> None:
    """Make this process and those it starts connect to this machine without a proxy of the environment.

    Clients of HTTP send a request for 127.0.0.1 to the proxy too, unless NO_PROXY names the address. There it leads to
    the machine of the proxy, and not to the Prefect server or the Ollama of this one.
    """
    if _VARIABLES.isdisjoint(map(str.lower, os.environ)):
        return  # those of the system are used only where the environment names none at all
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    names = [name.strip() for name in given.split(",") if name.strip()]
    if "*" not in names:
        # Some programs read the one, some the other.
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(dict.fromkeys([*names, *LOOPBACK]))
