"""Hosts: the name in a Host header, and the names and addresses of this machine."""

from __future__ import annotations

import ipaddress
import re

__all__ = ["LOOPBACK", "host_name", "is_loopback"]

#: The names and addresses of this machine.
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(r"(?:\[(?P<address>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::\d*)?")


def host_name(host: str) -> str:
    """Return the name in a Host header: without the port, in lower case, an IPv6 address without brackets.

    It is empty if the header is no name with a port.
    """
    found = _HOST.fullmatch(host.strip().lower())
    return found["address"] or found["name"] if found else ""


def is_loopback(address: str) -> bool:
    """Return whether an address or name is one of this machine's own."""
    if address in LOOPBACK:
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
