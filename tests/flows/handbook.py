"""A handbook of so many chunks that a sync has other processes embed them, each just too long to be merged."""

from __future__ import annotations

from pathlib import Path

PAGES, _PARTS = 25, 10


def write_handbook(folder: Path) -> Path:
    """Write the Markdown files of the handbook to a new folder."""
    folder.mkdir()
    for page in range(PAGES):
        parts = (f"## Part {n}\n\n" + f"Setting {page}.{n} decides what a backup holds. " * 6 for n in range(_PARTS))
        (folder / f"page{page:02}.md").write_text(f"# Page {page}\n\n" + "\n\n".join(parts))
    return folder
