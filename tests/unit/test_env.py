"""env.py: the variables before TensorFlow, seeds, the kernel's check and the preflight."""

import hashlib
import json
import os
import random
import shutil
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
    monkeypatch.setattr(
        env, "locked_versions", lambda lock=env.LOCK: {"numpy": "2.0", "tflite-micro": "1"}
    )
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


# --- on Google Colab ------------------------------------------------------------------------


@pytest.fixture
def colab(monkeypatch):
    """A kernel of Colab with NumPy; returns the commands that it ran."""
    pretend_installed(monkeypatch, {"numpy": "2.1"})
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    commands = []

    def run(command, **_):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(env.subprocess, "run", run)
    return commands


def test_colab_gets_what_a_notebook_needs_and_it_lacks(colab, capsys):
    env.check_kernel("numpy", "tflite-micro", "not-made-for-this-platform")
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    assert colab == [[*pip, "tflite-micro==1"]]
    assert capsys.readouterr().out.startswith("Kernel ready, with Colab's packages: ")


def test_colab_is_left_alone_by_a_notebook_that_needs_no_more(colab):
    env.check_kernel()
    env.check_kernel("numpy")
    assert colab == []


def test_colab_without_the_package_index_is_told_so(colab, monkeypatch):
    answer = subprocess.CompletedProcess([], 1, "", "WARNING: retrying\nERROR: no network\n")
    monkeypatch.setattr(env.subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(RuntimeError, match=r"tflite-micro \(ERROR: no network\)\. Run this cell"):
        env.check_kernel("tflite-micro")


def test_what_a_notebook_needs_on_colab_is_installed_nowhere_else(monkeypatch):
    pretend_installed(monkeypatch, {"numpy": "2.0"})
    monkeypatch.setattr(env.subprocess, "run", lambda *_, **__: pytest.fail("it ran something"))
    env.check_kernel("tflite-micro")


def test_the_lock_is_read_for_this_python():
    locked = env.locked_versions()
    assert {"numpy", "tensorflow", "jupyterlab", "packaging"} <= set(locked)
    assert ("appnope" in locked) == (sys.platform == "darwin")
    assert locked["packaging"] == env.installed_version("packaging")


def test_the_tests_lock_is_the_lock_and_the_developers_tools():
    def lines(name):
        text = (ROOT / name).read_text(encoding="utf-8").splitlines()
        return {line for line in text if line and not line.strip().startswith("#")}

    more = lines(env.TEST_LOCK) - lines(env.LOCK)
    assert not lines(env.LOCK) - lines(env.TEST_LOCK)
    assert {"playwright", "pytest", "ruff", "hypothesis"} <= {line.split("==")[0] for line in more}
    assert env.damage(env.LOCK) == env.damage(env.TEST_LOCK) == env.damage("pyproject.toml") == ""


def test_a_kernel_beside_a_damaged_lock_says_so_in_one_sentence(root):
    (root / env.LOCK).write_text("numpy==2.0\n=======\n")
    with pytest.raises(RuntimeError, match=r"^requirements\.txt has the marks of a merge"):
        env.check_kernel()


# --- places ---------------------------------------------------------------------------------


@pytest.fixture
def nowhere(monkeypatch):
    for variables in env._PLACES.values():
        for name in variables:
            monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "here", "words"),
    [
        ({}, "", "this machine"),
        ({"COLAB_RELEASE_TAG": "release-colab"}, "Google Colab", "first cell of each fetches"),
        ({"BINDER_SERVICE_HOST": "1", "JUPYTERHUB_USER": "a"}, "Binder", "nothing is kept"),
        ({"JUPYTERHUB_USER": "a"}, "a JupyterHub", "open the notebooks in its JupyterLab"),
        ({"VSCODE_CWD": "/x"}, "VS Code", "choose .venv as the notebook's kernel"),
    ],
)
def test_doctor_knows_the_place(nowhere, monkeypatch, variables, here, words):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(env, "_hub_knows_venv", lambda: True)
    assert env.place() == here
    check = env._check_place()
    assert check.ok
    assert words in check.detail
    names = {check.name for check in env.preflight()}
    own = here in env.OWN_PYTHON
    assert ("environment" in names) != own  # no .venv is asked for where there is none
    assert ("port" in names) != own


def test_colab_is_known_in_its_kernel_and_a_browser_by_its_platform(nowhere, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", None)
    assert env.place() == "Google Colab"
    monkeypatch.setattr(env, "IN_BROWSER", True)
    assert env.place() == "a browser tab"


def test_what_a_place_with_its_own_python_lacks_is_named(nowhere, monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "x")
    assert env._check_modules().ok
    monkeypatch.setattr(env.importlib.util, "find_spec", lambda name: None if "i" in name else 1)
    check = env._check_modules()
    assert (check.ok, check.fix) == (False, "%pip install scipy matplotlib ipywidgets")


def test_a_hub_that_does_not_know_the_kernel_gets_the_command(nowhere, root, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_USER", "a")
    monkeypatch.setenv("HOME", str(root))
    monkeypatch.setattr(sys, "prefix", str(env.VENV))
    check = env._check_place()
    assert (check.ok, check.required) == (False, False)
    assert "-m ipykernel install --user --name lab" in check.fix
    (root / ".local/share/jupyter/kernels/lab").mkdir(parents=True)
    assert env._check_place().ok


# --- preflight ------------------------------------------------------------------------------


def test_the_preflight_names_all_and_every_fix_is_a_command():
    checks = env.preflight()
    assert [check.name for check in checks] == [
        "Python",
        "platform",
        "place",
        "installer",
        "lock",
        "environment",
        "packages",
        "tflite-micro",
        "data",
        "write access",
        "home folder",
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
def test_the_exit_code_says_whether_installing_again_repairs_it(monkeypatch, capsys, checks, code):
    monkeypatch.setattr(env, "preflight", lambda files: checks)
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
    monkeypatch.setattr(env, "HOME", tmp_path / ".venv" / "home")
    monkeypatch.setattr(env, "STAMP", tmp_path / ".venv" / "lab-stamp")
    return tmp_path


def find(name):
    return next(check for check in env.preflight() if check.name == name)


def test_data_by_checksum(root):
    manifest = write_data(root)
    assert env.wrong_data_files(manifest) == {}
    file = root / "data" / "results" / "a.npz"
    file.write_bytes(b"conten")
    assert env.wrong_data_files(manifest) == {"data/results/a.npz": "was altered or cut short"}
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


def git(folder, *arguments):
    """Run git as a user without settings of their own would; returns what it says."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
        cwd=folder,
        env={**clean, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


needs_git = pytest.mark.skipif(not shutil.which("git"), reason="2026-11-30: git is not installed")
TEXTS = ("a.json", "results/b.json")


def write_texts(folder):
    """data/ with two JSON files, a binary file and the manifest of all three."""
    files = {}
    for path in (*TEXTS, "c.npz"):
        content = b'{\n "a": 1\n}\n' if path in TEXTS else b"\0a\r\nb\n"
        file = folder / "data" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        files[path] = {"sha256": hashlib.sha256(content).hexdigest()}
    (folder / "data" / "manifest.json").write_bytes(json.dumps({"files": files}).encode())


def commit_all(folder):
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "-m", "x")


@pytest.fixture
def origin(tmp_path):
    """A repository with data and without .gitattributes, as the lab's was once."""
    folder = tmp_path / "origin"
    folder.mkdir()
    write_texts(folder)
    git(folder, "init", "-q")
    commit_all(folder)
    return folder


def clone_as_on_windows(origin, monkeypatch):
    clone = origin.with_name("clone")
    crlf = ("-c", "core.autocrlf=true")
    git(origin.parent, *crlf, "clone", "-q", *crlf, str(origin), str(clone))
    for path in TEXTS:  # older than the index, as on the day after: git looks at times first
        os.utime(clone / "data" / path, (10**9, 10**9))
    git(clone, "update-index", "--refresh")
    monkeypatch.setattr(env, "ROOT", clone)
    return clone


def run_fix(folder, check):
    for command in check.fix.splitlines():
        assert command.startswith("git ")
        git(folder, *command.split()[1:])


@needs_git
@pytest.mark.parametrize("attributes", [False, True])
def test_line_ends_that_git_for_windows_made_are_named_and_the_fix_works(
    origin, monkeypatch, attributes
):
    clone = clone_as_on_windows(origin, monkeypatch)
    if attributes:  # which a later `git pull` brought
        shutil.copy(ROOT / ".gitattributes", origin)
        commit_all(origin)
        git(clone, "pull", "-q")
    check = env._check_data()
    assert check.detail.count("has the line ends of Windows") == len(TEXTS)
    run_fix(clone, check)
    assert env._check_data().ok
    assert git(clone, "status", "--porcelain") == ""


@needs_git
def test_what_git_can_do_about_line_ends_is_less_than_the_fix(origin, monkeypatch):
    clone = clone_as_on_windows(origin, monkeypatch)
    git(clone, "-c", "core.autocrlf=false", "checkout", "HEAD", "--", "data")
    assert not env._check_data().ok  # so the plain command is not what the check may advise


@needs_git
@pytest.mark.parametrize("harm", ["alter", "remove", "remove from the index"])
def test_altered_data_is_restored_by_git_where_there_is_git(origin, monkeypatch, harm):
    monkeypatch.setattr(env, "ROOT", origin)
    file = origin / "data" / "c.npz"
    if harm == "alter":
        file.write_bytes(b"other")
    elif harm == "remove":
        file.unlink()
    else:
        git(origin, "rm", "-q", "data/c.npz")
    check = env._check_data()
    assert check.fix == "git checkout HEAD -- data/c.npz"
    run_fix(origin, check)
    assert env._check_data().ok


@needs_git
def test_git_is_not_advised_where_it_has_not_the_file(origin, monkeypatch):
    monkeypatch.setattr(env, "ROOT", origin)
    (origin / "data" / "c.npz").write_bytes(b"other")
    commit_all(origin)  # the altered one
    assert env._check_data().fix.startswith("download the repository again")


def test_git_is_not_advised_in_a_copy_without_it(root, monkeypatch):
    write_texts(root)
    (root / "data" / "c.npz").unlink()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(root.parent))
    assert env._check_data().fix.startswith("download the repository again")
    monkeypatch.setenv("PATH", "")
    assert env._check_data().fix.startswith("download the repository again")


@needs_git
def test_a_copy_in_another_repository_is_restored_from_that_one(tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    write_texts(copy)
    git(tmp_path, "init", "-q")
    monkeypatch.setattr(env, "ROOT", copy)
    (copy / "data" / "a.json").unlink()
    assert env._check_data().fix.startswith("download the repository again")  # no commit yet
    write_texts(copy)
    commit_all(tmp_path)
    (copy / "data" / "a.json").unlink()
    run_fix(copy, env._check_data())
    assert env._check_data().ok


@needs_git
def test_git_keeps_the_bytes_of_every_file_of_the_manifest():
    if not (ROOT / ".git").exists():
        pytest.skip("2026-11-30: a copy without its repository")
    paths = json.loads((ROOT / "data" / "manifest.json").read_text(encoding="utf-8"))["files"]
    asked = ["check-attr", "-z", "text", "eol", "--", *(f"data/{path}" for path in paths)]
    fields = git(ROOT, *asked).split("\0")[:-1]
    found = {}
    for path, name, value in zip(fields[::3], fields[1::3], fields[2::3], strict=True):
        found.setdefault(path, {})[name] = value
    assert len(found) == len(paths)
    for path, attributes in found.items():
        content = (ROOT / path).read_bytes()
        if b"\0" in content:
            assert attributes["text"] == "unset", path
        else:
            assert (attributes["text"], attributes["eol"]) == ("set", "lf"), path
            assert b"\r" not in content, path


# --- the home folder ------------------------------------------------------------------------


def test_a_home_folder_that_can_be_written_stays_as_it_is(root, monkeypatch):
    monkeypatch.setenv("HOME", str(root))
    monkeypatch.setenv("USERPROFILE", str(root))
    env.VENV.mkdir()
    (env.VENV / "pyvenv.cfg").touch()
    assert env.home_variables(dict(os.environ)) == {}
    assert not env.HOME.exists()
    assert env._check_home().detail == str(root)


@pytest.mark.parametrize("place", ["", ".local/share/jupyter/runtime"])  # which a sudo made root's
def test_a_home_that_cannot_be_written_is_replaced_by_one_in_the_venv(root, monkeypatch, place):
    home = root / "home"
    (home / place).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setattr(env.os, "access", lambda path, mode: Path(path) != home / place)
    assert env.home_variables({}) == {}  # there is no .venv yet to put it in
    env.VENV.mkdir()
    (env.VENV / "pyvenv.cfg").touch()
    names = env.home_variables({"XDG_CACHE_HOME": str(home / ".cache")})
    assert names == {
        "HOME": str(env.HOME),
        "USERPROFILE": str(env.HOME),
        "XDG_CACHE_HOME": str(env.HOME / ".cache"),
    }
    assert env.HOME.is_dir()
    check = env._check_home()
    assert (check.ok, check.required) == (False, False)
    assert f"cannot write {home / place}" in check.detail
    assert f"{env.HOME} takes its place" in check.detail
    assert check.fix.endswith(f'sudo chown -R "$USER" "{home / place}"')


def test_a_folder_that_may_not_be_entered_counts_as_one_that_cannot_be_written(root, monkeypatch):
    """Path.exists raises there, and every command of lab.py asks."""
    home, closed = root / "home", root / "home" / ".local" / "share"
    closed.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    stat = os.stat

    def refused(path, *args, **kwargs):
        if closed in Path(str(path)).parents:
            raise PermissionError(13, "Permission denied")
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(env.os, "access", lambda path, mode: Path(path) != closed)
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", refused)
        writable = env.home_is_writable()
    assert not writable


def test_a_home_folder_that_is_not_there_cannot_be_written(root, monkeypatch):
    monkeypatch.setenv("HOME", str(root / "nobody"))
    monkeypatch.setenv("USERPROFILE", str(root / "nobody"))
    assert not env.home_is_writable()


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
    monkeypatch.setattr(env.sysconfig, "get_platform", lambda: f"win-{machine.lower()}")
    monkeypatch.setattr(env, "_c_library", lambda: (2, 36))
    check = env.check_platform()
    assert check.ok == ok
    assert bool(check.fix) != ok


def test_an_x64_python_on_an_arm_windows_is_one_that_tensorflow_knows(monkeypatch):
    monkeypatch.setattr(env.sys, "platform", "win32")
    monkeypatch.setattr(env.platform, "machine", lambda: "ARM64")  # the machine's, not Python's
    monkeypatch.setattr(env.sysconfig, "get_platform", lambda: "win-amd64")
    assert env.check_platform().ok


@pytest.mark.parametrize(
    ("version", "ok", "found"),
    [((2, 28), True, ""), ((2, 27), False, "glibc 2.27"), ((), False, "no glibc (such as Alpine)")],
)
def test_the_c_library_that_the_packages_need(monkeypatch, version, ok, found):
    monkeypatch.setattr(env.sys, "platform", "linux")
    monkeypatch.setattr(env.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(env, "_c_library", lambda: version)
    check = env.check_platform()
    assert check.ok == ok
    assert found in check.detail


@pytest.mark.parametrize(
    ("answer", "version"), [("glibc 2.36", (2, 36)), ("", ()), (None, ()), ("musl 1.2", ())]
)
def test_the_c_library_is_read_from_the_system(monkeypatch, answer, version):
    monkeypatch.setattr(env.os, "confstr", lambda name: answer, raising=False)
    assert env._c_library() == version


def test_commands_fit_the_platform(monkeypatch):
    fixes = {}
    for system in ("linux", "darwin", "win32"):
        monkeypatch.setattr(env.sys, "platform", system)
        fixes[system] = env.python_fix()
    assert fixes["linux"].startswith("sudo apt-get")
    assert fixes["darwin"].startswith("brew")
    assert fixes["win32"].startswith("winget")


def test_a_taken_port_is_not_free_and_the_next_one_is_found():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not env.port_is_free(port)
        assert env.free_port(port, tries=1) is None
        assert env.free_port(port) > port
    assert env.port_is_free(port)
