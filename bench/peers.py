"""Separate virtual environments for the projects to compare with, which are not dependencies of this project."""

from __future__ import annotations

import subprocess
import sys
import venv

from bench.paths import CACHE

__all__ = ["python"]


def python(name: str, packages: tuple[str, ...]) -> str:
    """Return the Python executable of an environment with these packages. The first call creates the environment.

    :param packages: requirements in pip's syntax; the environment is created again if they change
    :raises subprocess.CalledProcessError: a package cannot be installed
    """
    folder = CACHE / name
    executable = folder / "bin" / "python"
    stamp = folder / "packages.txt"
    if not stamp.exists() or stamp.read_text().split() != list(packages):
        print(f"installing {', '.join(packages)} …", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        install = [str(executable), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # The pip bundled with Python may be years old and fail to resolve some extras.
        subprocess.run([*install, "--upgrade", "pip"], check=True)
        subprocess.run([*install, *packages], check=True)
        stamp.write_text("\n".join(packages))
    return str(executable)
