"""env.py: the variables before TensorFlow, seeds, the kernel's check and the preflight."""

import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils import env

ROOT = Path(__file__).resolve().parents[2]

FAKE_TENSORFLOW = """
import os, json
os.write(2, b"noise from C++")
settings = {name: os.environ.get(name) for name in (
    "TF_USE_LEGACY_KERAS", "TF_ENABLE_ONEDNN_OPTS", "TF_CPP_MIN_LOG_LEVEL", "CUDA_VISIBLE_DEVICES"
)}
"""


def python(code, *, path=ROOT, **variables):
    """Run code in a fresh interpreter; returns the finished process."""
    clean = {n: value for n, value in os.environ.items() if not n.startswith(("TF_", "CUDA_"))}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**clean, "PYTHONPATH": f"{path}{os.pathsep}{ROOT}", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def fake_tensorflow(tmp_path):
    (tmp_path / "tensorflow.py").write_text(FAKE_TENSORFLOW)
    (tmp_path / "tf_keras.py").write_text("import tensorflow\n")
    return tmp_path


# --- TensorFlow -----------------------------------------------------------------------------


def test_the_variables_are_set_before_tensorflow_is_imported(fake_tensorflow):
    done = python(
        "from course_utils import env; print(env.tensorflow().settings)",
        path=fake_tensorflow,
        TF_ENABLE_ONEDNN_OPTS="1",  # a user's own value would give other numbers
        TF_CPP_MIN_LOG_LEVEL="0",  # but the amount of messages is the user's choice
    )
    assert done.stdout.strip() == str(
        {
            "TF_USE_LEGACY_KERAS": "1",
            "TF_ENABLE_ONEDNN_OPTS": "0",
            "TF_CPP_MIN_LOG_LEVEL": "0",
            "CUDA_VISIBLE_DEVICES": "-1",
        }
    )
    assert done.stderr == ""


def test_tensorflow_imported_too_early_is_an_error_that_says_what_to_do(fake_tensorflow):
    done = python(
        "import tensorflow; from course_utils import env; env.keras()", path=fake_tensorflow
    )
    assert "RuntimeError: TensorFlow was imported before TF_USE_LEGACY_KERAS=1" in done.stderr
    assert "restart the kernel" in done.stderr


def test_asking_twice_gives_the_same_module(fake_tensorflow):
    done = python(
        "from course_utils import env; a = env.keras(); b = env.keras(); assert a is b",
        path=fake_tensorflow,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_missing_tensorflow_is_one_sentence(monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)

    def refuse(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(env.importlib, "import_module", refuse)
    with pytest.raises(ModuleNotFoundError, match=r"not installed in .*: run `python lab\.py`"):
        env.tensorflow()


def test_a_tensorflow_that_does_not_start_tells_what_it_said(tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "import os; os.write(2, b'needs AVX'); raise ImportError('DLL load failed')"
    )
    done = python("from course_utils import env; env.tensorflow()", path=tmp_path)
    assert "does not start (DLL load failed): run `python lab.py doctor`" in done.stderr
    assert "needs AVX" in done.stderr


def test_the_real_tensorflow_starts_silently_with_keras_2_on_the_cpu():
    done = python(
        "from course_utils import env; k = env.keras(); tf = env.tensorflow();"
        "print(k.__version__[:2], tf.keras.Model is k.Model, end=' ');"
        "print(tf.config.list_physical_devices('GPU')); tf.constant(1.0) + 1"
    )
    assert done.stderr == ""
    assert done.stdout.strip() == "2. True []"


def test_captured_stderr_gives_the_descriptor_back_after_an_error(capfd):
    def fail():
        os.write(2, b"within")
        raise KeyError

    with pytest.raises(KeyError), env.captured_stderr() as captured:
        fail()
    os.write(2, b"after")
    assert captured.text == "within"
    assert capfd.readouterr().err == "after"


# --- seeds ----------------------------------------------------------------------------------


def test_a_seed_repeats_python_and_numpy():
    import numpy as np

    def draw():
        env.seed(11)
        return random.random(), np.random.random()  # noqa: NPY002  (what env.seed seeds)

    assert draw() == draw()


def test_a_seed_reaches_a_loaded_tensorflow_and_loads_none(monkeypatch):
    seen = []
    fake = type("tf", (), {"random": type("r", (), {"set_seed": staticmethod(seen.append)})})
    monkeypatch.setitem(sys.modules, "tensorflow", fake)
    env.seed(5)
    assert seen == [5]
    loaded = python(
        "import sys; from course_utils import env; env.seed(1);"
        "print({'numpy', 'tensorflow'} & set(sys.modules))"
    )
    assert loaded.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("n", "error"), [("1", TypeError), (1.5, TypeError), (True, TypeError), (None, TypeError)]
)
def test_a_seed_of_the_wrong_type(n, error):
    with pytest.raises(error, match="A seed is an integer"):
        env.seed(n)


@pytest.mark.parametrize("n", [-1, 2**32])
def test_a_seed_out_of_range(n):
    with pytest.raises(ValueError, match=r"between 0 and 2\*\*32 - 1"):
        env.seed(n)


# --- the kernel -----------------------------------------------------------------------------


def pretend_installed(monkeypatch, versions):
    monkeypatch.setattr(env, "locked_versions", lambda: {"numpy": "2.0", "tflite-micro": "1"})
    monkeypatch.setattr(env, "installed_version", versions.get)


def test_the_right_kernel_says_so_in_one_line(monkeypatch, capsys):
    pretend_installed(monkeypatch, {"numpy": "2.0", "tflite-micro": "1"})
    assert env.check_kernel() is None
    assert capsys.readouterr().out == "Kernel ready.\n"


def test_an_optional_package_may_lack(monkeypatch, capsys):
    pretend_installed(monkeypatch, {"numpy": "2.0"})
    env.check_kernel()
    assert capsys.readouterr().out == "Kernel ready.\n"


def test_other_versions_are_named(monkeypatch, capsys):
    pretend_installed(monkeypatch, {"numpy": "2.1", "tflite-micro": "1"})
    env.check_kernel()
    assert "numpy 2.1 instead of 2.0" in capsys.readouterr().out


def test_a_kernel_without_the_packages(monkeypatch):
    pretend_installed(monkeypatch, {})
    with pytest.raises(RuntimeError, match=r"^This kernel lacks numpy\. .*run `python lab\.py`"):
        env.check_kernel()


def test_a_kernel_of_another_python(monkeypatch):
    monkeypatch.setattr(env, "python_is_supported", lambda: False)
    with pytest.raises(RuntimeError, match=r"needs 3\.10 to 3\.13\. .*run `python lab\.py`"):
        env.check_kernel()


def test_the_lock_is_read_for_this_python():
    locked = env.locked_versions()
    assert {"numpy", "tensorflow", "jupyterlab", "packaging"} <= set(locked)
    assert ("appnope" in locked) == (sys.platform == "darwin")
    assert locked["packaging"] == env.installed_version("packaging")


# --- preflight ------------------------------------------------------------------------------


def test_the_preflight_names_all_and_every_fix_is_a_command():
    checks = env.preflight()
    assert [check.name for check in checks] == [
        "Python",
        "platform",
        "installer",
        "environment",
        "packages",
        "tflite-micro",
        "data",
        "write access",
        "disk",
        "port",
        "Chromium",
    ]
    for check in checks:
        assert check.detail
        assert check.ok or check.fix
        assert str(check).startswith("OK  " if check.ok else "FIX ")


def one_check(ok, required=True, name="x"):
    return env.Check(name, ok, "found", "" if ok else "do this\nthen that", required)


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ([one_check(True)], 0),
        ([one_check(True), one_check(False, required=False)], 0),
        ([one_check(True), one_check(False)], 1),
        ([one_check(False), one_check(False, name="packages")], env.REINSTALL),
    ],
)
def test_the_exit_code_is_true(monkeypatch, capsys, checks, code):
    monkeypatch.setattr(env, "preflight", lambda: checks)
    assert env.main([]) == code
    assert len(capsys.readouterr().out.splitlines()) >= len(checks)
    env.main(["--quiet"])
    lines = capsys.readouterr().out.splitlines()
    assert bool(lines) == bool(code)
    assert not any(line.startswith("OK") or "(optional)" in line for line in lines)


def test_each_command_of_a_fix_has_its_own_line():
    assert str(one_check(False)) == "FIX x: found\n      do this\n      then that"
    assert str(one_check(True, required=False)) == "OK  x (optional): found"


def write_data(root, content=b"content"):
    (root / "data" / "results").mkdir(parents=True)
    (root / "data" / "results" / "a.npz").write_bytes(content)
    digest = env.hashlib.sha256(b"content").hexdigest()
    return {"files": {"results/a.npz": {"sha256": digest, "bytes": 7}}}


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(env, "ROOT", tmp_path)
    monkeypatch.setattr(env, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(env, "STAMP", tmp_path / ".venv" / "lab-stamp")
    return tmp_path


def find(name):
    return next(check for check in env.preflight() if check.name == name)


def test_data_by_checksum(root):
    manifest = write_data(root)
    assert env.wrong_data_files(manifest) == {}
    file = root / "data" / "results" / "a.npz"
    file.write_bytes(b"conten")
    assert env.wrong_data_files(manifest) == {"data/results/a.npz": "has been altered"}
    file.unlink()
    assert env.wrong_data_files(manifest) == {"data/results/a.npz": "is missing"}


@pytest.mark.parametrize("text", [None, "{", "[]", '{"files": 3}', '{"files": {"a": {}}}'])
def test_a_manifest_that_cannot_be_used(root, text):
    (root / "data").mkdir()
    (root / "data" / "a").touch()
    if text is not None:
        (root / "data" / "manifest.json").write_text(text)
    check = env._check_data()
    assert not check.ok
    assert "data/manifest.json cannot be read" in check.detail


def test_altered_data_is_restored_by_git_where_there_is_git(root):
    import json

    manifest = write_data(root, b"other")
    (root / "data" / "manifest.json").write_text(json.dumps(manifest))
    (root / ".git").mkdir()
    assert env._check_data().fix == "git checkout -- data/results/a.npz"


def test_the_environment_before_during_and_after_the_installation(root, monkeypatch):
    (root / "requirements.txt").write_text("a==1\n")
    (root / "pyproject.toml").write_text("")
    assert env._check_venv().detail == ".venv is not made yet"
    env.VENV.mkdir()
    assert env._check_venv().detail == ".venv is not finished"
    env.STAMP.write_text(env.fingerprint(env.python_version()))
    assert "not the lab's .venv" in env._check_venv().detail
    monkeypatch.setattr(sys, "prefix", str(env.VENV))
    assert env._check_venv().ok
    (root / "requirements.txt").write_text("a==2\n")
    assert env._check_venv().detail == ".venv is older than requirements.txt"


def test_no_write_access(monkeypatch):
    def refuse(**keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(env.tempfile, "NamedTemporaryFile", refuse)
    check = env._check_write_access()
    assert (check.ok, check.required) == (False, True)
    assert "Permission denied" in check.detail


@pytest.mark.parametrize(
    ("system", "machine", "ok"),
    [
        ("linux", "x86_64", True),
        ("linux", "aarch64", True),
        ("linux", "riscv64", False),
        ("darwin", "arm64", True),
        ("darwin", "x86_64", False),
        ("win32", "AMD64", True),
        ("win32", "ARM64", False),
    ],
)
def test_where_tensorflow_has_packages(monkeypatch, system, machine, ok):
    monkeypatch.setattr(env.sys, "platform", system)
    monkeypatch.setattr(env.platform, "machine", lambda: machine)
    check = env._check_platform()
    assert check.ok == ok
    assert bool(check.fix) != ok


def test_commands_fit_the_platform(monkeypatch):
    fixes = {}
    for system in ("linux", "darwin", "win32"):
        monkeypatch.setattr(env.sys, "platform", system)
        fixes[system] = env.python_fix()
    assert fixes["linux"].startswith("sudo apt-get")
    assert fixes["darwin"].startswith("brew")
    assert fixes["win32"].startswith("winget")


def test_ports():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not env.port_is_free(port)
        assert env.free_port(port, tries=1) is None
        assert env.free_port(port) > port
    assert env.port_is_free(port)
