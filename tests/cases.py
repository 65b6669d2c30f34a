"""Small texts in one file, each with what must and what must not be made of it.

A case begins with `=== NAME`. Lines `+ "TEXT"` say what must be in the result, lines `- "TEXT"` what must not; in TEXT,
\\n is a newline, and everything else is itself. The other lines are the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Case", "cases"]

_START = re.compile(r"^=== (?![\"=])", re.MULTILINE)


@dataclass
class Case:
    name: str
    text: str = ""
    wanted: list[str] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)

    def faults(self, result: str) -> list[str]:
        """Return what is missing in a result, and what should not be there."""
        assert self.wanted or self.unwanted
        missing = [f"missing: {part}" for part in self.wanted if part not in result]
        return missing + [f"unwanted: {part}" for part in self.unwanted if part in result]


def cases(path: Path) -> Iterator[Case]:
    """Yield the cases of a file."""
    for block in _START.split(path.read_text(encoding="utf-8"))[1:]:
        name, _, rest = block.partition("\n")
        case = Case(f"{path.stem}: {name}")
        for line in rest.splitlines(keepends=True):
            if line.startswith('+ "'):
                case.wanted.append(_value(line))
            elif line.startswith('- "'):
                case.unwanted.append(_value(line))
            else:
                case.text += line
        yield case


def _value(line: str) -> str:
    return line.strip()[3:-1].replace("\\n", "\n")
