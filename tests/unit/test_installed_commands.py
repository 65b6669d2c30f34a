"""The commands that an installed package has."""

from __future__ import annotations

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPTS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["scripts"]


@pytest.mark.parametrize(("name", "target"), SCRIPTS.items())
def test_an_installed_command_is_that_of_its_module(name: str, target: str) -> None:
    module, _, function = target.partition(":")
    spec = find_spec(module)
    assert spec
    assert spec.origin
    assert name == "rag-" + module.removesuffix(".__main__").rpartition(".")[2]
    assert f"def {function}(" in Path(spec.origin).read_text() or f'"{function}"' in Path(spec.origin).read_text()


def test_the_handbook_names_each_installed_command() -> None:
    page = (Path(__file__).parents[2] / "docs/install.md").read_text()
    assert set(re.findall(r"`(rag-[a-z]+)`", page)) == SCRIPTS.keys()
