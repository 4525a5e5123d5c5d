"""Where a project may be written, and writing all of it or nothing."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

SUMS = "SHA256SUMS"  # the list of an export's files, by which a later one knows them
EVERYWHERE = {"README.md", "CMakeLists.txt", "main.cpp"}  # in every export
BUILDS = ("build/", ".pio/")  # what CMake and PlatformIO leave; they make it again


def check_directory(directory: Path, overwrite: bool) -> None:
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise NotADirectoryError(
            f"{directory} is a file or a link, no directory: choose another name."
        )
    if directory.resolve() == Path.cwd():
        raise ValueError(f"{directory} is the folder this runs in: name a new one inside it.")
    if not directory.exists() or not any(directory.iterdir()):
        return
    if not overwrite:
        raise FileExistsError(
            f"{directory} is not empty: choose another directory, or pass overwrite=True to "
            "replace an earlier export."
        )
    exported = _exported(directory)
    for path in sorted(directory.rglob("*")):  # does not follow links
        if path.is_dir() and not path.is_symlink():
            continue
        inside = path.relative_to(directory).as_posix()
        if exported and inside not in exported and inside.startswith(BUILDS):
            continue
        if exported.get(inside) != _sha256(path):
            raise FileExistsError(
                f"{directory} holds {inside}, which is not of an earlier export, or was changed "
                "since: move it away, or choose another directory. Nothing was changed."
            )


def _exported(directory: Path) -> dict[str, str]:
    """The checksums of an earlier export's files, by their paths; empty if there was none."""
    sums = directory / SUMS
    if sums.is_symlink() or not sums.is_file():
        return {}
    text = sums.read_text(encoding="utf-8", errors="replace")
    known = {line[66:]: line[:64] for line in text.splitlines()}
    return known | {SUMS: _sha256(sums)} if known.keys() >= EVERYWHERE else {}


def _sha256(path: Path) -> str:
    """The checksum of a file; "" for a link, a pipe and the like."""
    if path.is_symlink() or not path.is_file():
        return ""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(files: Mapping[str, bytes], directory: Path) -> list[Path]:
    """Write all files or none: beside the directory first, then one rename."""
    place = directory.absolute()
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as workplace:
        new, old = Path(workplace) / "new", Path(workplace) / "old"
        for path, content in files.items():
            target = new / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        try:
            if directory.exists():
                os.rename(directory, old)
            os.rename(new, directory)
        except BaseException:  # Ctrl+C, too
            if old.exists() and not directory.exists():
                os.rename(old, directory)
            raise
    return sorted(directory / path for path in files)
