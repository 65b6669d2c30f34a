"""Other people's programs to compare with: each in a virtual environment of its own, made once, never a dependency."""

from __future__ import annotations

import subprocess
import sys
import venv

from platformdirs import user_cache_path

__all__ = ["python"]


def python(name: str, packages: tuple[str, ...]) -> str:
    """Return the Python of an environment that holds some packages; it is made when it is first asked for.

    :param packages: requirements as pip takes them; others under the same name make the environment anew
    :raises subprocess.CalledProcessError: they cannot be installed
    """
    folder = user_cache_path("support-engine") / "bench" / name
    executable = folder / "bin" / "python"
    stamp = folder / "packages.txt"
    if not stamp.exists() or stamp.read_text().split() != list(packages):
        print(f"installing {', '.join(packages)} …", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        install = [str(executable), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # The pip that comes with Python may be years old, and stumbles over some packages' extras.
        subprocess.run([*install, "--upgrade", "pip"], check=True)
        subprocess.run([*install, *packages], check=True)
        stamp.write_text("\n".join(packages))
    return str(executable)
