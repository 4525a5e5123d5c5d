"""Imports only go down: floors are folders, and a fresh interpreter loads what they may."""

import ast
import os
import pkgutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import course_utils
from course_utils import labs

PACKAGE = Path(course_utils.__file__).parent
FLOORS = (("numbers", "engines"), ("machines",), ("views",), ("labs",), ("workshop",))
RANK = {folder: rank for rank, folders in enumerate(FLOORS, 1) for folder in folders}
HEAVY = {"tensorflow", "tf_keras", "keras", "tensorflow_model_optimization"}
VIEWS = {"matplotlib", "ipywidgets", "IPython"}
EVERY = [
    module.name.removeprefix("course_utils.")
    for module in pkgutil.walk_packages(course_utils.__path__, "course_utils.")
    if not module.name.endswith("__main__")
]


def floor_of(module):
    """env, which everything may import, lies below all floors: 0."""
    return RANK.get(module.split(".")[0], 0)


def path_of(module):
    path = PACKAGE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imported_by(module):
    """The modules of this package that a module imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("course_utils"):
            base = node.module.removeprefix("course_utils").lstrip(".")
            names = {f"{base}.{alias.name}".lstrip(".") for alias in node.names}
            found |= names & set(EVERY) or {base}
        elif isinstance(node, ast.Import):
            names = {alias.name.removeprefix("course_utils.") for alias in node.names}
            found |= names & set(EVERY)
    return found - {"", module}


def loaded_by(*modules):
    """The top-level packages that importing these modules of course_utils loads."""
    imports = "; ".join(f"import course_utils.{module}" for module in modules)
    code = f"import sys; {imports}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE.parent,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def third_party(packages):
    found = packages - set(sys.stdlib_module_names) - {"course_utils", "__main__", "__mp_main__"}
    return {name for name in found if not name.startswith("_")}  # editable-install finders


def on(floor):
    return [module for module in EVERY if floor_of(module) == floor]


def test_every_folder_is_on_a_floor_and_beside_them_is_env_alone():
    assert {module.split(".")[0] for module in EVERY} == {*RANK, "env"}


@pytest.mark.parametrize("module", EVERY)
def test_imports_only_go_down(module):
    above = {name for name in imported_by(module) if floor_of(name) > floor_of(module)}
    assert not above, f"{module}, on floor {floor_of(module)}, imports {above}"


@pytest.mark.parametrize("lab", [lab.topic for lab in labs.found()])
def test_labs_do_not_import_each_other(lab):
    own = [module for module in EVERY if module.startswith(f"labs.{lab}")]
    reached = {name for module in own for name in imported_by(module)}
    assert not {name for name in reached if floor_of(name) == RANK["labs"]} - set(own)


def test_no_modules_import_each_other_in_a_circle():
    """A package's face imports what it shows, and those import each other, not the face."""
    TopologicalSorter({module: imported_by(module) for module in EVERY}).prepare()


@pytest.mark.parametrize("module", on(1))
def test_the_first_floor_is_numpy_only(module):
    packages = loaded_by(module)
    assert not packages & (HEAVY | VIEWS)
    assert third_party(packages) <= {"numpy", "flatbuffers"}


def test_importing_does_not_import_tensorflow():
    assert not loaded_by(*EVERY) & HEAVY


def test_machines_do_not_import_views():
    assert {"machines.data", "machines.micro.interpreter"} <= set(on(2))
    assert not loaded_by(*on(2)) & (HEAVY | VIEWS)


def test_env_imports_the_standard_library_only():
    assert not third_party(loaded_by("env"))


def test_a_lab_is_a_notebook():
    sources = (PACKAGE.parent / "notebooks" / "source").glob("*.py")
    assert [lab.notebook for lab in labs.found()] == sorted(source.stem for source in sources)
