"""Browser tests need a Chromium: without one they are skipped, or fail if LAB_REQUIRE_TOOLS=1."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import jupyter_page  # noqa: E402


def _missing() -> str:
    if jupyter_page.chromium() is None:
        return "no Chromium on the PATH (install Debian's `chromium`)"
    try:
        import playwright  # noqa: F401
    except ModuleNotFoundError:
        return "Playwright is not installed (pip install playwright)"
    return ""


@pytest.fixture(scope="session")
def chrome():
    missing = _missing()
    if missing and os.environ.get("LAB_REQUIRE_TOOLS") == "1":
        pytest.fail(f"LAB_REQUIRE_TOOLS=1, but there is {missing}")
    if missing:
        pytest.skip(f"2026-11-22: a browser test, and there is {missing}")
    with jupyter_page.browser() as chrome:
        yield chrome


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A copy of the notebooks, so that running them changes nothing in the repository."""
    copy = tmp_path_factory.mktemp("notebooks")
    shutil.copytree(
        jupyter_page.ROOT / "notebooks",
        copy,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("source", ".ipynb_checkpoints"),
    )
    return copy


@pytest.fixture(scope="session")
def server(chrome, folder, tmp_path_factory):
    with jupyter_page.serve(folder, tmp_path_factory.mktemp("jupyter")) as server:
        yield server


@pytest.fixture
def screenshot():
    """Save a picture of the page where LAB_SCREENSHOTS says, for people to look at."""

    def save(notebook, name):
        target = os.environ.get("LAB_SCREENSHOTS")
        if target:
            Path(target).mkdir(parents=True, exist_ok=True)
            notebook.page.screenshot(path=Path(target) / f"{name}.png")

    return save
