"""What each framework knows and offers, counted in the packages installed here.

Nothing is imported to be counted: TensorFlow's list is read as text, because a student who only
wants a number should not wait for 800 MB of libraries.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
from pathlib import Path

from course_utils import env


def count_operations():
    """Return the operations of TensorFlow and of the `.tflite` format, as installed.

    {"TensorFlow 2.21.0": 1462, ...}: framework and version -> number of operations.
    Raises ModuleNotFoundError, naming the package, if one of them is not installed.
    """
    return {
        f"TensorFlow {importlib.metadata.version('tensorflow')}": count_raw_operations(),
        f"LiteRT {importlib.metadata.version('ai-edge-litert')}": count_builtin_operators(),
    }


def count_raw_operations():
    """Return how many operations `tf.raw_ops` offers: the names that its module lists."""
    listing = package_folder("tensorflow") / "_api" / "v2" / "raw_ops" / "__init__.py"
    imports = [
        node
        for node in ast.parse(listing.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
    ]
    return sum(len(node.names) for node in imports)


def count_builtin_operators():
    """Return how many built-in operators the `.tflite` schema numbers.

    CUSTOM, PLACEHOLDER_FOR_GREATER_OP_CODES and DELEGATE are numbers of the schema too, but no
    operations: they stand for something that is described elsewhere in the file.
    """
    schema = package_folder("ai_edge_litert") / "schema_py_generated.py"
    operators = next(
        node
        for node in ast.parse(schema.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == "BuiltinOperator"
    )
    names = {node.targets[0].id for node in operators.body if isinstance(node, ast.Assign)}
    return len(names - {"CUSTOM", "PLACEHOLDER_FOR_GREATER_OP_CODES", "DELEGATE"})


def package_folder(name):
    """Return the folder of an installed package without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"{name} is not installed: `python lab.py` repairs the lab.")
    return Path(spec.submodule_search_locations[0])


def package_bytes(name):
    """Return the bytes of an installed package's files."""
    return sum(path.stat().st_size for path in package_folder(name).rglob("*") if path.is_file())


def facilities():
    """Return what each installed framework offers: can it take gradients, does it convert?

    {"TensorFlow": {"gradients": True, "converter": True}, "LiteRT": ..., "TFLM": ...}, found in
    the public names of the packages. Without tflite-micro there is no "TFLM".
    """
    from ai_edge_litert import interpreter as litert

    tf = env.tensorflow()
    names = {
        "TensorFlow": {*dir(tf), *dir(tf.lite)},
        "LiteRT": {*dir(litert), *dir(litert.Interpreter)},
    }
    if importlib.util.find_spec("tflite_micro"):
        from tflite_micro.python.tflite_micro import runtime as tflm

        names["TFLM"] = {*dir(tflm), *dir(tflm.Interpreter)}
    return {
        framework: {"gradients": "GradientTape" in has, "converter": "TFLiteConverter" in has}
        for framework, has in names.items()
    }
