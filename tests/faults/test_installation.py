"""Faults of an installation, injected one by one: each gets a sentence with what to do.

lab.py and env.py are the real ones. The .venv they find is a real environment whose packages are
empty modules, the installer is a script that does nothing, and JupyterLab prints what it was told.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from course_utils import env

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="2026-12-01: the stand-ins are scripts")
NOBODY = 65534  # a user without rights, where the tests run as root
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
STUBS = [name for name in env.IMPORTED if name not in sys.stdlib_module_names]
LOCKED = sorted({name.split(".")[0] for name in STUBS})
JUPYTER = "import os, sys; print('SERVES', os.getcwd(), *sys.argv[1:])"


def run(command, folder, user=None, **variables):
    """Run a command in a folder. -> (exit code, all that it said)"""
    clean = {n: v for n, v in os.environ.items() if not n.startswith(("GIT_", "PYTHON", "LAB_"))}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**clean, "GIT_CEILING_DIRECTORIES": str(folder.parent), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        **({"user": user, "group": user, "extra_groups": []} if user else {}),
    )
    return done.returncode, done.stdout


def python_for_everybody():
    """A Python that the lab knows and that a user without rights may start."""
    for python in (sys.executable, sys._base_executable, "/usr/bin/python3"):
        version = "import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))"
        try:
            if run([python, "-c", version], Path("/"), NOBODY if IS_ROOT else None)[0] == 0:
                return os.path.realpath(python)
        except OSError:
            continue
    return None


PYTHON = python_for_everybody() if os.name == "posix" else None


@pytest.fixture(scope="module")
def whole():
    """A repository with a whole installation, in a folder that every user may read."""
    python = PYTHON or os.path.realpath(sys.executable)
    top = Path(tempfile.mkdtemp(prefix="lab-faults-"))
    top.chmod(0o755)
    folder = top / "lab"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "notebooks" / "00_start_here.ipynb").write_text("first version")
    views = Path("course_utils", "views")  # JupyterLab's settings lie there
    shutil.copytree(ROOT / views, folder / views, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("lab.py", "course_utils/__init__.py", "course_utils/env.py"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "data").mkdir()
    (folder / "data" / "manifest.json").write_text('{"files": {}}')
    (folder / "pyproject.toml").write_text("[project]\n")
    lock = "".join(f"{name}==1.0\n" for name in LOCKED)
    (folder / env.LOCK).write_text(lock)
    (folder / env.TEST_LOCK).write_text(lock + "ruff==1.0\n")
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder / ".venv")], check=True)
    add_packages(folder)
    (top / "bin").mkdir()
    (top / "bin" / "uv").write_text("#!/bin/sh\nexit 0\n")
    (top / "bin" / "uv").chmod(0o755)
    code, said = run([python, "-B", "lab.py", "install"], folder, PATH=f"{top}/bin:/usr/bin:/bin")
    assert code == 0, said
    yield SimpleNamespace(top=top, folder=folder, python=python)
    shutil.rmtree(top)


def add_packages(folder):
    """Empty modules for all that is imported, and the one package that reads the lock."""
    site = next((folder / ".venv").glob("lib/python*/site-packages"))
    files = {f"{name.replace('.', '/')}.py": "" for name in STUBS if "." in name}
    files |= {f"{name}/__init__.py": "" for name in LOCKED}
    files["jupyterlab/__main__.py"] = JUPYTER
    for name, text in files.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text(f"# whole\n{text}")
    for name in LOCKED:
        dist_info = site / f"{name}-1.0.dist-info"
        dist_info.mkdir()
        (dist_info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        own = [path for path in files if path.startswith(f"{name}/")]
        rows = [f"{path},,{(site / path).stat().st_size}" for path in own]
        (dist_info / "RECORD").write_text("\n".join(rows))
    import packaging

    shutil.copytree(Path(packaging.__file__).parent, site / "packaging")
    (site / "course_utils.pth").write_text(str(folder))


@pytest.fixture
def lab(whole):
    """That repository, to be damaged: it is put back in its place afterwards, since .venv says it.

    `lab.run(*arguments)` runs lab.py there; `lab.other(*arguments)` as a user who may not write.
    """
    spare = whole.top / "spare"
    shutil.copytree(whole.folder, spare, symlinks=True)
    home = whole.top / "home"
    home.mkdir()
    if IS_ROOT:
        os.chown(home, NOBODY, NOBODY)
    path = f"{whole.top}/bin:/usr/bin:/bin"
    command = [whole.python, "-B", "lab.py"]

    def as_self(*arguments, **variables):
        return run([*command, *arguments], whole.folder, **{"PATH": path, **variables})

    def as_other(*arguments, **variables):
        user = NOBODY if IS_ROOT else None
        variables = {"PATH": path, "HOME": str(home), **variables}
        return run([*command, *arguments], whole.folder, user, **variables)

    folder, site = whole.folder, next(whole.folder.glob(".venv/lib/python*/site-packages"))
    yield SimpleNamespace(
        folder=folder, venv=folder / ".venv", site=site, home=home, run=as_self, other=as_other
    )
    for path in (whole.folder, home):
        open_up(path)
        shutil.rmtree(path)
    spare.rename(whole.folder)


def open_up(folder):
    for path in (folder, *(p for p in folder.rglob("*") if p.is_dir() and not p.is_symlink())):
        path.chmod(0o755)


def close(*paths):
    """Take the right to write from who is not root (root's tests run as somebody else)."""
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)


def one_sentence(said):
    """The last line, which is lab.py's own."""
    assert "Traceback" not in said, said
    return said.strip().splitlines()[-1]


needs_other = pytest.mark.skipif(not PYTHON, reason="2026-12-01: no Python that nobody may start")

# --- a whole installation -------------------------------------------------------------------


def test_nothing_is_wrong_with_the_stand_in_itself(lab):
    code, said = lab.run("doctor", HOME=str(lab.folder))
    assert code == 0, said
    assert "OK  packages: all whole" in said
    assert "OK  imports: what the notebooks import starts" in said
    code, said = lab.run("--no-browser")
    assert code == 0
    assert f"SERVES {lab.folder}" in said


# --- what says what to install --------------------------------------------------------------

DOWNLOAD = "download the repository again and copy its {} over this one"
TEXTS = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\n", "is empty"),
    "zeros": (b"\0" * 4096, "is no text"),
    "garbage": (bytes(range(128, 256)), "is no text"),
    "a merge conflict": (
        b"<<<<<<< HEAD\nnumpy==1.0\n=======\nnumpy==2.0\n>>>>>>> theirs\n",
        "has the marks of a merge conflict",
    ),
    "missing": (None, "is missing"),
}
CUT = {env.LOCK: (b"ipykernel==1.0\nnum", "has no package and version in line 2")}
CUT["pyproject.toml"] = (b"[build-sys", "has no [project]")


@pytest.mark.parametrize("name", [env.LOCK, "pyproject.toml"])
@pytest.mark.parametrize("fault", [*TEXTS, "cut off"])
def test_a_damaged_lock_or_pyproject(lab, name, fault):
    content, why = CUT[name] if fault == "cut off" else TEXTS[fault]
    if content is None:
        (lab.folder / name).unlink()
    else:
        (lab.folder / name).write_bytes(content)
    sentence = f"lab.py: {name} {why}: {DOWNLOAD.format(name)}"
    for command in ("install", "open"):
        code, said = lab.run(command)
        assert (code, one_sentence(said)) == (1, sentence)
    code, said = lab.run("doctor")
    assert code == 1
    assert f"FIX lock: {name} {why}\n      {DOWNLOAD.format(name)}" in said
    one_sentence(said)


def git(folder, *arguments):
    words = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    code, said = run(words, folder)
    assert code == 0, said


@pytest.mark.skipif(not shutil.which("git"), reason="2026-12-01: git is not installed")
def test_git_brings_a_file_back_only_where_it_is_the_labs(lab):
    git(lab.folder, "init", "-q")
    (lab.folder / env.LOCK).rename(lab.folder / "aside")
    (lab.folder / env.LOCK).write_text("this is the list of another project\n")
    git(lab.folder, "add", env.LOCK)
    git(lab.folder, "commit", "-q", "-m", "of another project")
    (lab.folder / env.LOCK).unlink()
    assert DOWNLOAD.format(env.LOCK) in lab.run("install")[1]
    shutil.copy(lab.folder / "aside", lab.folder / env.LOCK)
    git(lab.folder, "commit", "-q", "-a", "-m", "the lab's")
    (lab.folder / env.LOCK).write_bytes(b"")
    code, said = lab.run("install")
    assert (code, one_sentence(said)) == (
        1,
        f"lab.py: {env.LOCK} is empty: git checkout HEAD -- {env.LOCK}",
    )
    git(lab.folder, *one_sentence(said).split("git ")[1].split())
    assert lab.run("install")[0] == 0


@pytest.mark.skipif(not shutil.which("git"), reason="2026-12-01: git is not installed")
def test_a_record_names_no_commit_of_another_repository(tmp_path, monkeypatch):
    from course_utils.machines import data, recording

    inside = tmp_path / "downloads" / "data"
    inside.mkdir(parents=True)
    (inside / "a").write_text("a")
    monkeypatch.setattr(data, "DIRECTORY", inside)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert recording.git_revision() == "unknown"
    for folder, known in ((tmp_path, False), (tmp_path / "downloads", True)):
        git(folder, "init", "-q")
        git(folder, "add", "--all")
        git(folder, "commit", "-q", "-m", "x")
        assert (recording.git_revision() != "unknown") == known


# --- .venv ----------------------------------------------------------------------------------


def replace(path, by):
    """Put bytes, a link to nowhere (None) or a folder ("folder") in the place of a path."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
    if by is None:
        path.symlink_to("/nowhere/at/all")
    elif by == "folder":
        path.mkdir()
    else:
        path.write_bytes(by)


REPAIRED = {
    ".venv is a file": (".venv", b"x", "Removing .venv, which has no Python that works"),
    ".venv leads nowhere": (".venv", None, "Removing .venv, which has no Python that works"),
    "its Python is another machine's": (".venv/bin/python", None, "Removing .venv"),
    "its Python is garbage": (".venv/bin/python", b"\x7fELF\0\0", "Removing .venv"),
    "its settings are garbage": (".venv/pyvenv.cfg", b"\xff\xfe\0=\0", "Removing .venv"),
    "the stamp is garbage": (".venv/lab-stamp", b"\xff\xfe", "Bringing .venv up to"),
    "the stamp is a folder": (".venv/lab-stamp", "folder", "Bringing .venv up to"),
    "the stamp leads nowhere": (".venv/lab-stamp", None, "Bringing .venv up to"),
}


@pytest.mark.parametrize("fault", REPAIRED)
def test_a_venv_that_cannot_be_used_is_named_by_doctor_and_made_anew(lab, fault):
    path, by, word = REPAIRED[fault]
    replace(lab.folder / path, by)
    code, said = lab.run("doctor")
    assert code == 1
    assert "FIX environment: " in said
    one_sentence(said)
    code, said = lab.run("open")  # the stand-in installs nothing: opening, which looks less, works
    assert word in said
    assert "Installed in" in said
    one_sentence(said.replace("No module named jupyterlab", ""))


def test_a_lock_file_that_is_a_folder(lab):
    replace(lab.folder / ".lab-lock", "folder")
    (lab.venv / "lab-stamp").unlink()
    code, said = lab.run("open")
    assert code == 1
    assert re.search(r"lab\.py: .*\.lab-lock: Is a directory\. .* lab\.py doctor", said)
    one_sentence(said)


@needs_other
@pytest.mark.parametrize("path", [".lab-lock", ".venv", ".venv/lab-stamp", ".venv/bin"])
def test_what_a_sudo_left_behind(lab, path):
    (lab.folder / ".lab-lock").touch()
    if IS_ROOT:
        os.chown(lab.folder, NOBODY, NOBODY)
        for each in lab.folder.rglob("*"):
            os.chown(each, NOBODY, NOBODY, follow_symlinks=False)
        os.chown(lab.folder / path, 0, 0)
    close(lab.folder / path)
    code, said = lab.other("open")
    sentence = one_sentence(said)
    assert code == 1
    assert sentence.startswith(f"lab.py: You may not write {lab.folder / path}, perhaps because")
    assert sentence.endswith(f'run lab.py again: sudo chown -R "$USER" "{lab.folder}"')


# --- packages -------------------------------------------------------------------------------


def same_size(path, text):
    """Other content of the same length, which no list of sizes can show."""
    path.write_text(text.ljust(path.stat().st_size, "#")[: path.stat().st_size])


PACKAGES = {
    "a folder is gone": (lambda site: shutil.rmtree(site / "numpy"), "packages: numpy-1.0 lacks"),
    "a file is gone": (
        lambda site: (site / "scipy/stats.py").unlink(),
        "packages: scipy-1.0 lacks",
    ),
    "a file is cut off": (lambda site: (site / "PIL/Image.py").write_text("#"), "PIL-1.0 lacks"),
    "a package is gone with its list": (
        lambda site: [shutil.rmtree(path) for path in site.glob("numpy*")],
        "packages: numpy is missing",
    ),
    "another version": (
        lambda site: (
            (site / "numpy-1.0.dist-info").rename(site / "numpy-2.0.dist-info")
            and (site / "numpy-2.0.dist-info" / "METADATA").write_text(
                "Name: numpy\nVersion: 2.0\n"
            )
        ),
        "packages: numpy 2.0 instead of 1.0",
    ),
    "a file has other content": (
        lambda site: same_size(site / "numpy" / "__init__.py", "1 +"),
        r"imports: numpy does not start \(SyntaxError",
    ),
    "what a package needs is gone": (
        lambda site: same_size(site / "matplotlib" / "figure.py", "import q"),
        r"imports: matplotlib.figure does not start \(ModuleNotFoundError: No module named 'q'\)",
    ),
    "a package ends Python": (
        lambda site: (site / "numpy" / "__init__.py").write_text("import os\nos.abort()\n"),
        r"imports: numpy ends Python \(exit code -6\)",
    ),
    "this package is not installed": (
        lambda site: (site / "course_utils.pth").unlink(),
        r"imports: course_utils.env does not start \(ModuleNotFoundError",
    ),
}


@pytest.mark.parametrize("fault", PACKAGES)
def test_doctor_finds_what_is_wrong_with_a_package(lab, fault):
    inject, found = PACKAGES[fault]
    inject(lab.site)
    code, said = lab.run("doctor")
    assert code == 1
    line, following = re.search(f"(FIX .*{found}.*)\n(.*)", said).groups()
    assert following == "      python3 lab.py" + (" install" if "FIX imports" in line else "")
    one_sentence(said)


def test_install_ends_red_where_it_could_not_repair(lab):
    same_size(lab.site / "numpy" / "__init__.py", "1 +")
    code, said = lab.run("install")  # the stand-in repairs nothing
    assert code == 1
    assert said.count("FIX imports: numpy does not start") == 2  # before and after its attempt
    assert "Bringing .venv up to" in said


# --- the home folder ------------------------------------------------------------------------


@needs_other
def test_a_home_folder_that_cannot_be_written(lab):
    closed = lab.home / ".local" / "share"
    closed.mkdir(parents=True)
    close(closed)
    code, said = lab.other("doctor")
    assert f"FIX home folder (optional): cannot write {closed}" in said
    assert f'sudo chown -R "$USER" "{closed}"' in said
    assert code == 0  # the lab has a way round it


def test_a_home_folder_that_is_not_there(lab):
    code, said = lab.run("doctor", HOME=str(lab.home / "no"))
    assert code == 0
    assert f"FIX home folder (optional): {lab.home / 'no'} is not there" in said
    assert f"{lab.venv / 'home'} takes its place for the lab" in said
    one_sentence(said)


# --- a shared installation ------------------------------------------------------------------


@pytest.fixture
def shared(lab):
    """The same installation, which its user may read only."""
    if not PYTHON:
        pytest.skip("2026-12-01: no Python that nobody may start")
    close(lab.folder, lab.folder / "notebooks")
    return lab


def snapshot(folder):
    return {
        str(path): (path.lstat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_shared_installation_opens_on_notebooks_of_the_users_own(shared):
    before = snapshot(shared.folder)
    code, said = shared.other("open")
    own = shared.home / "model-optimization-lab"
    assert code == 0, said
    assert f"A shared installation: your notebooks and your ledger are in {own}." in said
    assert f"--ServerApp.root_dir={own}" in said
    assert "--LabApp.default_url=/lab/tree/00_start_here.ipynb" in said
    assert f"--LabApp.workspaces_dir={own}/.jupyter" in said
    assert (own / "00_start_here.ipynb").read_text() == "first version"
    assert snapshot(shared.folder) == before
    code, said = shared.other("doctor")
    assert code == 0, said
    assert (
        f"OK  write access: a shared installation; your notebooks and ledger are in {own}" in said
    )


@pytest.mark.parametrize("command", ["install", "update", "test", "build", "figures"])
def test_what_writes_in_a_shared_installation_says_who_can(shared, command):
    code, said = shared.other(command)
    assert code == 1
    assert one_sentence(said).startswith(
        f"lab.py: `{command}` writes in {shared.folder}, which you"
    )


def test_a_shared_installation_that_is_not_complete(shared):
    (shared.folder / env.LOCK).write_text("numpy==3.0\n")
    code, said = shared.other("open")
    assert code == 1
    assert (
        "is not complete: ask whoever looks after it to run there: python3 lab.py install" in said
    )


def test_a_shared_installation_whose_python_is_for_its_owner_alone(shared):
    replace(shared.venv / "bin" / "python", b"#!/bin/sh\nexit 0\n")
    (shared.venv / "bin" / "python").chmod(0o644)
    code, said = shared.other("open")
    assert code == 1
    assert "has a Python that you may not start: ask" in one_sentence(said)
    assert said.strip().endswith("rm -r .venv && /usr/bin/python3 lab.py install")


def test_a_folder_of_ones_own_that_cannot_be_written(shared):
    close(shared.home)
    if IS_ROOT:
        os.chown(shared.home, 0, 0)
    code, said = shared.other("open")
    assert code == 1
    assert "set LAB_FOLDER to a folder that you may write" in one_sentence(said)
    elsewhere = shared.home.parent / "elsewhere"
    elsewhere.mkdir()
    if IS_ROOT:
        os.chown(elsewhere, NOBODY, NOBODY)
    code, said = shared.other("open", LAB_FOLDER=str(elsewhere))
    assert code == 0, said
    assert (elsewhere / "00_start_here.ipynb").exists()
    shutil.rmtree(elsewhere)


def test_ones_own_folder_is_no_copy_of_the_lab(shared):
    code, said = shared.other("open", LAB_FOLDER=str(shared.folder))
    assert code == 1
    assert "is a copy of the lab itself" in one_sentence(said)


# --- notebooks of a student's own, in a shared installation or on a hub ----------------------


@pytest.fixture
def course(tmp_path):
    source = tmp_path / "course"
    source.mkdir()
    (source / "01.ipynb").write_text("one")
    (source / "02.ipynb").write_text("two")
    own = tmp_path / "own"
    assert env.bring_notebooks(source, own) == (["01.ipynb", "02.ipynb"], [])
    return source, own


def test_notebooks_are_brought_once_and_stay_as_the_student_left_them(course):
    source, own = course
    (own / "01.ipynb").write_text("mine")
    assert env.bring_notebooks(source, own) == ([], [])
    assert (own / "01.ipynb").read_text() == "mine"
    assert not (own / "kept").exists()


def test_a_new_version_takes_the_place_of_the_old_one_and_keeps_what_was_done(course):
    source, own = course
    for name in ("01.ipynb", "02.ipynb"):
        (source / name).write_text(f"new {name}")
    (own / "01.ipynb").write_text("mine")
    assert env.bring_notebooks(source, own) == (["01.ipynb", "02.ipynb"], ["01.ipynb"])
    assert (own / "01.ipynb").read_text() == "new 01.ipynb"
    assert (own / "kept" / "01.ipynb").read_text() == "mine"
    assert [path.name for path in (own / "kept").iterdir()] == ["01.ipynb"]
    assert env.bring_notebooks(source, own) == ([], [])


def test_a_notebook_that_was_deleted_comes_back(course):
    source, own = course
    (own / "02.ipynb").unlink()
    assert env.bring_notebooks(source, own) == (["02.ipynb"], [])


@pytest.mark.parametrize("text", [None, "", "[1]", "\0"])
def test_a_folder_from_before_or_with_a_damaged_record_stays_the_students(course, text):
    source, own = course
    record = own / ".lab-notebooks.json"
    record.unlink() if text is None else record.write_text(text)
    (own / "01.ipynb").write_text("mine")
    assert env.bring_notebooks(source, own) == ([], [])
    assert (own / "01.ipynb").read_text() == "mine"
    assert set(json.loads(record.read_text())) == {"01.ipynb", "02.ipynb"}


def test_a_disk_that_is_full_leaves_no_half_notebook(course, monkeypatch):
    source, own = course
    (own / "01.ipynb").unlink()

    def full(path, content):
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        env.bring_notebooks(source, own)
    assert sorted(path.name for path in own.iterdir()) == [".lab-notebooks.json", "02.ipynb"]


# --- two labs at once -----------------------------------------------------------------------


def test_two_labs_started_together_listen_on_two_ports(tmp_path):
    """The real JupyterLab, as lab.py starts it; how long it takes plays no part."""
    code = "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import lab\n"
    code += "serve = lambda _: lab.serve(sys.executable, False, None, Path('.').resolve(), 'no')\n"
    code += "lab.main = serve; sys.exit(lab.start())"  # which ends JupyterLab when it is ended
    variables = {**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path)}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(ROOT)],
            stderr=subprocess.PIPE, text=True, env=variables, cwd=tmp_path,
        )
        for _ in range(2)
    ]  # fmt: skip
    ports = {}

    def read(process):
        for line in process.stderr:
            address = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
            if address:
                ports[process.pid] = int(address.group(1))  # the last one that it told

    for process in both:
        threading.Thread(target=read, args=(process,), daemon=True).start()
    try:
        while len(set(ports.values())) < 2:
            assert all(process.poll() is None for process in both), "one has ended"
            time.sleep(0.1)
    finally:
        for process in both:
            process.terminate()
        for process in both:
            process.wait()
