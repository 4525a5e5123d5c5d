"""Imports only go down: what a fresh interpreter has loaded after importing one module."""

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import course_utils

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
VIEW_FLOOR = {
    "checks",
    "exercises",
    "explorers",
    "figures",
    "gallery",
    "notebook_builder",
    "scenes",
    "standalone",
    "style",
    "widgets",
}
EVERY = [
    module.name.removeprefix("course_utils.")
    for module in pkgutil.walk_packages(course_utils.__path__, "course_utils.")
    if not module.name.endswith("__main__")
]


def loaded_by(*modules):
    """The top-level packages that importing these modules of course_utils loads."""
    imports = "; ".join(f"import course_utils.{module}" for module in modules)
    code = f"import sys; {imports}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
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


def test_the_lists_of_modules_are_not_stale():
    assert set(NUMBERS) <= set(EVERY)
    assert set(EVERY) >= VIEW_FLOOR


@pytest.mark.parametrize("module", NUMBERS)
def test_the_floor_of_numbers_is_numpy_only(module):
    packages = loaded_by(module)
    assert not packages & (HEAVY | VIEWS)
    extra = third_party(packages) - {"numpy", "flatbuffers"}
    extra = {name for name in extra if not name.startswith("_")}  # editable-install finders
    assert not extra


def test_importing_does_not_import_tensorflow():
    assert not loaded_by(*EVERY) & HEAVY


def test_machines_do_not_import_views():
    machines = [name for name in EVERY if name.split(".")[0] not in VIEW_FLOOR]
    assert {"data", "fine_tuning", "micro.project", "experiments.sparsity"} <= set(machines)
    assert not loaded_by(*machines) & (HEAVY | VIEWS)


def test_env_imports_the_standard_library_only():
    assert {name for name in third_party(loaded_by("env")) if not name.startswith("_")} == set()
