"""A page of so many chunks that a sync has other processes embed them, each just too long to be merged.

Of many pages, a slow machine makes several batches, which may all be too small for other processes.
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
