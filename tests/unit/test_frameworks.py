import subprocess
import sys

import pytest

from course_utils.machines import frameworks


@pytest.mark.tensorflow
def test_the_text_of_raw_ops_lists_what_the_imported_module_offers():
    from course_utils import env

    offered = [name for name in dir(env.tensorflow().raw_ops) if not name.startswith("_")]
    assert frameworks.count_raw_operations() == len(offered)


def test_the_schema_text_numbers_what_the_imported_schema_numbers():
    from ai_edge_litert import schema_py_generated

    numbered = [n for n in vars(schema_py_generated.BuiltinOperator) if not n.startswith("_")]
    assert frameworks.count_builtin_operators() == len(numbered) - 3


def test_counting_imports_neither_framework():
    code = (
        "import sys; from course_utils.machines import frameworks; frameworks.count_operations();"
        "assert not {'tensorflow', 'ai_edge_litert'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_package_is_named():
    with pytest.raises(ModuleNotFoundError, match="nosuchpackage is not installed"):
        frameworks.package_folder("nosuchpackage")


def test_a_package_is_as_large_as_its_files_together(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "inner" / "b").write_bytes(b"45")
    monkeypatch.setattr(frameworks, "package_folder", lambda name: tmp_path)
    assert frameworks.package_bytes("any") == 5


@pytest.mark.tensorflow
def test_only_tensorflow_takes_gradients_and_converts():
    found = frameworks.facilities()
    assert found["TensorFlow"] == {"gradients": True, "converter": True}
    assert found["LiteRT"] == {"gradients": False, "converter": False}
    assert found.get("TFLM", found["LiteRT"]) == found["LiteRT"]
