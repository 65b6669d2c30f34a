"""Folders for their owner only: they hold texts of private repositories, questions and answers."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["make_private"]

_OWNER_ONLY = 0o700


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can read, or take an existing one from the others.

    :raises OSError: it cannot be made
    """
    for missing in reversed([parent for parent in folder.parents if not parent.exists()]):
        missing.mkdir(mode=_OWNER_ONLY, exist_ok=True)
    folder.mkdir(mode=_OWNER_ONLY, exist_ok=True)
    about = folder.stat()
    if about.st_mode & 0o077 and about.st_uid == os.geteuid():
        folder.chmod(_OWNER_ONLY)
