"""Take data out of packages made by others without letting anything of theirs run.

A package is downloaded but never installed. A pickle is a program that may call any function;
`unpickle` lets it name only what the caller lists by hand, and everything else is an error
before it runs.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, allowed, persistent):
        super().__init__(file)
        self._allowed, self._persistent = allowed, persistent

    def find_class(self, module, name):
        try:
            return self._allowed[f"{module}.{name}"]
        except KeyError:
            raise pickle.UnpicklingError(
                f"The file asks for {module}.{name}, which data has no need of. It was not run."
            ) from None

    def persistent_load(self, pid):
        if self._persistent is None:
            raise pickle.UnpicklingError("The file refers to objects outside itself.")
        return self._persistent(pid)


def unpickle(
    file: BinaryIO,
    allowed: Mapping[str, Callable] | None = None,
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """Read one pickle from `file`; `allowed` maps "module.name" to what stands for it.

    `persistent` answers references to outside objects. Raises pickle.UnpicklingError if the
    file asks for anything else, is cut short or is not a pickle.
    """
    try:
        return _Unpickler(file, allowed or {}, persistent).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a broken pickle can raise nearly anything
        raise pickle.UnpicklingError(f"Not a whole pickle: {error}") from None


def download(package: str, folder: Path) -> Path:
    """Download one wheel or source archive from PyPI into `folder`, with pip."""
    print(f"Downloading {package} from PyPI", flush=True)
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(folder), package]
    if subprocess.run(pip).returncode != 0:
        raise OSError(
            f"pip could not download {package}. Download it elsewhere and give it with --file."
        )
    (path,) = folder.iterdir()
    return path
