"""Which tests run in one worker of pytest-xdist: those with the same mark `xdist_group`, and those of a module.

They share a service, or the fixtures of their module, which each worker would make anew. A slow test runs in any worker.

`--dist loadgroup` of pytest-xdist 3.8 appends the group to an attribute of test ids that pytest 9.2 does not have. There
each worker would start every service.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_FILE = "groups.json"


def write_groups(items: Sequence[pytest.Item], folder: Path, worker: str) -> None:
    """Leave the group of each test for the process that distributes the tests."""
    groups = {item.nodeid: _group(item) for item in items}
    written = folder / f"{_FILE}.{worker}"
    written.write_text(json.dumps(groups))
    written.replace(folder / _FILE)


def _group(item: pytest.Item) -> str:
    mark = item.get_closest_marker("xdist_group")
    if mark:
        return str(mark.args[0])
    return item.nodeid if item.get_closest_marker("slow") else str(item.path)


class Groups(LoadScopeScheduling):
    """Sends the tests of a group to one worker.

    :param folder: where the workers have written the groups
    """

    def __init__(self, config: pytest.Config, log: Any, folder: Path) -> None:
        super().__init__(config, log)
        self._folder = folder

    @cached_property
    def _groups(self) -> dict[str, str]:
        groups: dict[str, str] = json.loads((self._folder / _FILE).read_text())
        return groups

    def _split_scope(self, nodeid: str) -> str:
        return self._groups[nodeid]
