"""A page with enough chunks that a sync sends them to other processes.

Each section is just too long to be merged with the next one. The chunks stand on one page, because a slow machine reads
many pages in several batches, and each of these may be too small to be sent.
"""

from __future__ import annotations

from pathlib import Path

_PARTS = 250


def write_handbook(folder: Path) -> Path:
    """Write the Markdown file of the handbook to a new folder."""
    folder.mkdir()
    parts = (f"## Part {n}\n\n" + f"Setting {n} decides what a backup holds. " * 6 for n in range(_PARTS))
    (folder / "page.md").write_text("# Settings\n\n" + "\n\n".join(parts))
    return folder
