"""Imports only go down: what a fresh interpreter has loaded after importing one module."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

HEAVY = {"tensorflow", "tf_keras", "keras", "tensorflow_model_optimization"}
VIEWS = {"matplotlib", "ipywidgets", "IPython"}
NUMBERS = [
    "floats",
    "soft_float",
    "quantization",
    "simulated_quantization",
    "pruning",
    "coding",
    "float_engine",
    "integer_engine",
    "intervals",
    "distributions",
]
NO_TENSORFLOW = ["data", "models", "env", "style", "figures", "widgets", "explorers", "checks"]


def existing(names):
    return [name for name in names if importlib.util.find_spec(f"course_utils.{name}")]


def loaded_by(module):
    """The top-level packages that importing course_utils.MODULE loads."""
    code = (
        f"import sys; import course_utils.{module};"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def third_party(packages):
    return packages - set(sys.stdlib_module_names) - {"course_utils", "__main__", "__mp_main__"}


def test_the_list_of_modules_is_not_stale():
    assert {"pruning", "coding"} <= set(existing(NUMBERS))
    assert "data" in existing(NO_TENSORFLOW)


@pytest.mark.parametrize("module", existing(NUMBERS))
def test_the_floor_of_numbers_is_numpy_only(module):
    packages = loaded_by(module)
    assert not packages & (HEAVY | VIEWS)
    extra = third_party(packages) - {"numpy", "flatbuffers"}
    extra = {name for name in extra if not name.startswith("_")}  # editable-install finders
    assert not extra


@pytest.mark.parametrize("module", existing(NO_TENSORFLOW))
def test_importing_does_not_import_tensorflow(module):
    assert not loaded_by(module) & HEAVY


def test_env_imports_the_standard_library_only():
    assert {name for name in third_party(loaded_by("env")) if not name.startswith("_")} == set()
