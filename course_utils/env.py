"""The environment of the lab: variables before TensorFlow, seeds, and the preflight.

This module imports the standard library only, so that `lab.py` can use it before anything
is installed. Whoever needs TensorFlow asks here for it:

    tf = env.tensorflow()
    tf_keras = env.keras()
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import importlib
import importlib.util
import json
import os
import platform
import random
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "lab-stamp"  # written last by lab.py: its presence says "the install is complete"
PYTHONS = ((3, 10), (3, 13))  # oldest and newest supported
GLIBC = (2, 28)  # the newest that a package of the lock asks for
SITE_TOOLS = VENV / "lab-site"  # JupyterLite, which builds the lab's site
HOME = VENV / "home"  # for what Jupyter, Matplotlib, ... keep, where the user's can't be written
FIRST_PORT = 8888  # JupyterLab's own
REINSTALL = 3  # exit code of the preflight: `python lab.py` repairs this
IN_BROWSER = sys.platform == "emscripten"  # a tab: no TensorFlow, no threads, no processes
OPTIONAL_PACKAGES = {"tflite-micro"}  # the notebooks go on with LiteRT without it
LOCK = "requirements.txt"
TEST_LOCK = "requirements-test.txt"  # the same, and what only `lab.py test` needs
IMPORTED = (  # what the notebooks start with; TensorFlow takes seconds, its files are compared
    "ctypes", "sqlite3", "ssl", "zlib", "numpy", "scipy.stats", "matplotlib.figure", "PIL.Image",
    "ipywidgets", "ipykernel.kernelapp", "jupyterlab.labapp", "ai_edge_litert.interpreter",
)  # fmt: skip
_IMPORTER = """
import importlib, sys
for name in sys.argv[1:]:
    print(name, end=" ", flush=True)
    try:
        importlib.import_module(name)
        print()
    except BaseException as error:
        print(type(error).__name__ + ":", *str(error).split())
"""


class NotInBrowser(RuntimeError):
    """What a browser tab does not do; the message names it, to be read after "has no"."""


# --------------------------------------------------------------------------------------
# TensorFlow
# --------------------------------------------------------------------------------------

# Set whatever the user's shell says: other values give other objects or other numbers.
_REQUIRED_VARIABLES = {
    "TF_USE_LEGACY_KERAS": "1",  # the model optimization toolkit works on Keras 2 objects only
    "TF_ENABLE_ONEDNN_OPTS": "0",  # oneDNN rounds otherwise from one processor to the next
}
# Set unless the user chose: quiet, and on the CPU so that everybody gets the same numbers.
# "-1" hides every GPU; an empty string would do, but Windows can't keep an empty variable.
_DEFAULT_VARIABLES = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


class CapturedText:
    """What was written to the C-level stderr; `text` is filled when the block ends."""

    text = ""


@contextlib.contextmanager
def captured_stderr():
    """Catch all that is written to file descriptor 2 meanwhile, also by C and C++ code.

    Yields a `CapturedText`. TensorFlow and the microcontroller interpreter write there past
    Python's `sys.stderr`, and in a notebook it would end in the cell's output.

    >>> import os
    >>> with captured_stderr() as captured:
    ...     _ = os.write(2, b"from C")
    >>> captured.text
    'from C'
    """
    captured = CapturedText()
    with tempfile.TemporaryFile() as file:
        sys.stderr.flush()
        saved = os.dup(2)
        try:
            os.dup2(file.fileno(), 2)
            yield captured
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            file.seek(0)
            captured.text = file.read().decode("utf-8", "replace")


def tensorflow():
    """Import TensorFlow with the lab's settings and return the module.

    Raises:
        ImportError: TensorFlow is not installed, or does not start.
        RuntimeError: something imported TensorFlow first, with other settings.
    """
    if "tensorflow" in sys.modules:
        wrong = [
            f"{name}={value}"
            for name, value in _REQUIRED_VARIABLES.items()
            if os.environ.get(name) != value
        ]
        if wrong:
            raise RuntimeError(
                f"TensorFlow was imported before {' and '.join(wrong)} could be set: "
                "restart the kernel and use env.tensorflow() instead of `import tensorflow`."
            )
    os.environ.update(_REQUIRED_VARIABLES)
    for name, value in _DEFAULT_VARIABLES.items():
        os.environ.setdefault(name, value)
    return _import_quietly("tensorflow")


def keras():
    """Import Keras 2 (`tf_keras`), the one that the optimization toolkit knows.

    Raises as `tensorflow()` does.
    """
    tensorflow()
    return _import_quietly("tf_keras")


def _import_quietly(name):
    """Import a module without its messages on stderr; they are in the error if it fails."""
    if name in sys.modules:
        return sys.modules[name]
    with captured_stderr() as captured:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            failure = error
    if isinstance(failure, ModuleNotFoundError) and failure.name == name:
        raise ModuleNotFoundError(
            f"{name} is not installed in {sys.executable}: "
            "run `python lab.py`, which installs it, and choose the lab's kernel.",
            name=name,
        ) from None
    said = captured.text.strip()
    raise ImportError(
        f"{name} is installed but does not start ({failure}): run `python lab.py doctor`."
        + (f"\nIt said:\n{said}" if said else ""),
        name=name,
    ) from failure


def seed(n):
    """Seed Python's generator, and NumPy's, TensorFlow's and tf_keras's where they are loaded.

    Args:
        n: integer, 0 <= n < 2**32.

    Raises:
        TypeError: n is not an integer.
        ValueError: n is out of range.

    >>> import random
    >>> seed(7); a = random.random(); seed(7); a == random.random()
    True
    """
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"A seed is an integer, not {n!r}.")
    n = n.__index__()
    if not 0 <= n < 2**32:
        raise ValueError(f"A seed is between 0 and 2**32 - 1, not {n}.")
    random.seed(n)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(n)
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].random.set_seed(n)
    if "tf_keras" in sys.modules:  # its initializers may have a generator of their own
        sys.modules["tf_keras"].utils.set_random_seed(n)


# --------------------------------------------------------------------------------------
# The installation: what is locked, what is there
# --------------------------------------------------------------------------------------


def fingerprint(python_version, lock=LOCK):
    """The hash that says "this .venv belongs to this lock": a hexadecimal sha256.

    The place of the repository is part of it: the editable install points there, so a
    moved repository is installed again (which is quick: the packages are all there).

    Args:
        python_version: of the .venv's Python, such as "3.12".
        lock: the file that was installed, LOCK or TEST_LOCK.
    """
    digest = hashlib.sha256()
    for part in (
        (ROOT / lock).read_bytes(),
        (ROOT / "pyproject.toml").read_bytes(),
        python_version.encode(),
        str(ROOT).encode("utf-8", "surrogateescape"),
    ):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def python_version():
    """The running Python as "3.12"."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def python_is_supported(version=None):
    """Whether `version` (major, minor; the running one by default) is one the lab knows."""
    return PYTHONS[0] <= tuple(version or sys.version_info)[:2] <= PYTHONS[1]


def supported_pythons():
    """For messages: "3.10 to 3.13"."""
    return " to ".join(".".join(map(str, version)) for version in PYTHONS)


def installed_lock(python_version):
    """The lock that .venv belongs to, LOCK or TEST_LOCK; None where it is not finished or older."""
    try:
        stamp = STAMP.read_bytes()
    except OSError:
        return None
    for lock in (LOCK, TEST_LOCK):
        with contextlib.suppress(OSError):
            if stamp == fingerprint(python_version, lock).encode():
                return lock
    return None


def locked_versions(lock=LOCK):
    """The lock's packages for this Python and platform, a dict name -> version.

    Raises:
        ImportError: `packaging`, itself in the lock, is not installed.
        ValueError: the lock is damaged; the sentence says what to do.
    """
    from packaging.requirements import Requirement

    why = damage(lock)
    if why:
        raise ValueError(f"{lock} {why}: {restoring_file(lock)}")
    versions = {}
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        line = line.split("#", 1)[0].strip()
        if line:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate():
                versions[requirement.name] = next(iter(requirement.specifier)).version
    return versions


def damage(name, content=None):
    """Why requirements.txt or pyproject.toml is not what it was: a few words, "" where it can be.

    Args:
        content: its bytes; those of the file in the repository unless given.

    >>> damage("requirements.txt", b"numpy==2.0\\n<<<<<<< HEAD\\n")
    'has the marks of a merge conflict'
    """
    if content is None:
        try:
            content = (ROOT / name).read_bytes()
        except FileNotFoundError:
            return "is missing"
        except OSError as error:
            return f"cannot be read ({error.strerror})"
    lines = content.decode("utf-8", "replace").splitlines()
    if b"\0" in content or "\ufffd" in "".join(lines):
        return "is no text"
    if any(re.match("(<{7}|>{7}|={7})( |$)", line) for line in lines):
        return "has the marks of a merge conflict"
    if not content.strip():
        return "is empty"
    if name == "pyproject.toml":
        return "" if "[project]" in lines else "has no [project]"
    pinned = re.compile(r"(#.*|[\w.-]+==[\w.]+( ; .+)?)?$")
    wrong = (number for number, line in enumerate(lines, 1) if not pinned.match(line.strip()))
    return next((f"has no package and version in line {number}" for number in wrong), "")


def restoring_file(name):
    """What brings requirements.txt or pyproject.toml back: a command, or what to do without Git."""
    at_head = _at_head([name]).get(name)
    if at_head is None or damage(name, at_head):  # another repository has none, or another one
        return f"download the repository again and copy its {name} over this one"
    return f"git checkout HEAD -- {name}"


def installed_version(name):
    """The installed version of a package (its import is not tried), or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def chromium():
    """The path of a Chromium or Chrome for the browser tests, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        path = shutil.which(name)
        if path:
            return path
    places = [
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ]
    for variable in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
        if variable in os.environ:
            programs = os.environ[variable]
            places.append(os.path.join(programs, "Google", "Chrome", "Application", "chrome.exe"))
    return next((place for place in places if os.path.exists(place)), None)


# Where Jupyter, IPython, Matplotlib and the installers write below the home folder.
_IN_HOME = (
    ".jupyter", ".ipython", ".local/share/jupyter", ".local/share/jupyter/runtime",
    ".config/matplotlib", ".cache", ".cache/matplotlib", ".cache/pip", ".cache/uv",
    "Library/Jupyter", "Library/Jupyter/runtime", "Library/Caches", ".matplotlib", ".keras",
)  # fmt: skip


def home_is_writable():
    """Whether the user's home folder can be written, and what a `sudo` may have left in it."""
    return _closed_at_home() is None


def _closed_at_home():
    """The home folder, or the first folder in it, that the lab needs and cannot write; or None."""
    home = Path(os.path.expanduser("~"))
    if not os.path.exists(home):
        return home
    places = map(_nearest, (home, *(home / name for name in _IN_HOME)))
    return next((place for place in places if not os.access(place, os.W_OK | os.X_OK)), None)


def _nearest(folder):
    """The folder, or, where there is none, the one in which to make it.

    os.path.exists counts as not there what lies in a folder that may not be entered, where
    Path.exists raises; that folder then answers.
    """
    return next(filter(os.path.exists, (folder, *folder.parents)), folder)


def home_variables(names):
    """What makes `HOME` the home folder where the user's own can't be written, else nothing.

    Args:
        names: the environment variables so far.
    """
    if home_is_writable() or not os.path.exists(VENV / "pyvenv.cfg"):
        return {}
    home = own_folder() / ".home" if is_shared() else HOME
    try:
        home.mkdir(exist_ok=True)
    except OSError:  # nothing can be written: what needs a home folder will say so
        return {}
    folders = {"XDG_CONFIG_HOME": ".config", "XDG_CACHE_HOME": ".cache"}
    folders["XDG_DATA_HOME"] = ".local/share"
    moved = {name: str(home / folder) for name, folder in folders.items() if name in names}
    return {"HOME": str(home), "USERPROFILE": str(home), **moved}


# --------------------------------------------------------------------------------------
# A shared installation: one folder that students read, and a folder of each student's own
# --------------------------------------------------------------------------------------


def is_shared():
    """Whether the lab is installed and this user may not write to it."""
    return os.path.isfile(STAMP) and not os.access(ROOT, os.W_OK)


def own_folder():
    """Where the notebooks and the ledger of this user are if the installation is shared."""
    return Path(os.environ.get("LAB_FOLDER") or "~/model-optimization-lab").expanduser()


def bring_notebooks(source, folder):
    """Copy the notebooks of an installation that are new into a student's own folder.

    What is there stays as it is. Where an update changed a notebook, the new one takes the old
    one's place, and what the student did in it goes to `kept/` first; `.lab-notebooks.json` says
    which version was copied.

    Returns:
        (new, kept): names of the notebooks written, and of the student's in `kept/`.

    Raises:
        OSError: the folder cannot be written, or the disk is full; no file is left half-written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / ".lab-notebooks.json"
    given, new, kept = _digests(record), [], []
    before = dict(given)
    for notebook in sorted(source.glob("*.ipynb")):
        content, target = notebook.read_bytes(), folder / notebook.name
        digest = hashlib.sha256(content).hexdigest()
        there = os.path.lexists(target)
        if not there or given.get(target.name, digest) != digest:
            if there and _sha256(target) not in (digest, given[target.name]):
                kept.append(put_aside(target, folder).name)
            write_whole(target, content)
            new.append(target.name)
        given[target.name] = digest
    if given != before:
        write_whole(record, json.dumps(given, indent=1).encode())
    return new, kept


def _digests(path):
    """What a JSON file of strings by name says, {} where there is none that can be used."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def write_whole(path, content):
    """Write a whole file (bytes) or leave the old one: a temporary name, then a rename."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        half.write_bytes(content)
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)


def put_aside(path, folder):
    """Copy a notebook that someone worked in to `kept/` in a folder. -> the copy, a free name"""
    kept = folder / "kept" / path.name
    kept.parent.mkdir(exist_ok=True)
    count = 1
    while kept.exists():
        count += 1
        kept = kept.with_name(f"{path.stem}-{count}{path.suffix}")
    shutil.copy2(path, kept)
    return kept


def port_is_free(port):
    """Whether a server could listen on 127.0.0.1:port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name == "posix":  # as the server does; on Windows it would share a taken port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def free_port(first=FIRST_PORT, tries=50):
    """The first free port from `first` on, or None if `tries` in a row are taken."""
    return next((p for p in range(first, min(first + tries, 65536)) if port_is_free(p)), None)


def check_kernel(*needs):
    """The last line of each notebook's first code cell.

    Is this the lab's Python, with the lab's packages?

    Prints one line. The same on every machine whose installation is the lock's.

    Args:
        needs: what this notebook needs that Colab's image lacks. There, what of it is missing is
            installed, and the rest of the image left as it is.

    Raises:
        RuntimeError: one sentence: what is wrong with the kernel and what to do.
    """
    remedy = (
        "Close this notebook, run `python lab.py` in the repository, "
        "and open the notebook there with the kernel 'Python 3 (ipykernel)'."
    )
    if not python_is_supported():
        raise RuntimeError(
            f"This kernel runs Python {python_version()}; "
            f"the lab needs {supported_pythons()}. {remedy}"
        )
    if IN_BROWSER:
        print("Kernel ready, in this browser: nothing is installed, and nothing leaves the page.")
        return
    if on_colab():
        _install_what_lacks(needs)
        print("Kernel ready, with Colab's packages: numbers may differ in their last digits.")
        return
    try:
        missing, different = _compare_with_lock()
    except ValueError as error:
        raise RuntimeError(str(error)) from None
    if missing:
        raise RuntimeError(f"This kernel lacks {_some(missing)}. {remedy}")
    if different:
        print(
            f"Kernel ready, but with other versions than the lock's ({_some(different)}): "
            "numbers may differ in their last digits."
        )
    else:
        print("Kernel ready.")


def on_colab():
    """Whether this is a notebook's kernel on Google Colab, which loads its own package first."""
    return "google.colab" in sys.modules


def _install_what_lacks(names):
    """Install the packages that are missing, in the lock's versions, beside what there is."""
    locked = locked_versions(LOCK)  # for this platform: tflite-micro is not made for each
    missing = [name for name in names if name in locked and installed_version(name) is None]
    if not missing:
        return
    pinned = [f"{name}=={locked[name]}" for name in missing]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *pinned]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or "it did not say why").splitlines()[-1]
        raise RuntimeError(
            f"pip could not install {' and '.join(missing)} ({said}). Run this cell again."
        )
    importlib.invalidate_caches()


def _compare_with_lock(lock=LOCK):
    """(missing, different): lists of words, optional packages left out."""
    try:
        locked = locked_versions(lock)
    except ImportError:
        return ["packaging"], []
    missing, different = [], []
    for name, version in locked.items():
        found = installed_version(name)
        if found is None:
            if name not in OPTIONAL_PACKAGES:
                missing.append(name)
        elif found != version:
            different.append(f"{name} {found} instead of {version}")
    return missing, different


def _some(words, most=3):
    """'a, b, c and 4 more'"""
    words = list(words)
    rest = len(words) - most
    return ", ".join(words[:most]) + (f" and {rest} more" if rest > 0 else "")


# --------------------------------------------------------------------------------------
# Preflight
# --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """One line of the preflight.

    Attributes:
        name: what was looked at.
        ok: whether it is as it should be.
        detail: what was found.
        fix: the command to copy where it is not ok (a line each if there are two), else "".
        required: whether the lab needs it; what is optional never makes the preflight fail.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""
    required: bool = True

    def __str__(self):
        word = "OK " if self.ok else "FIX"
        note = "" if self.required else " (optional)"
        line = f"{word} {self.name}{note}: {self.detail}"
        return line if self.ok else line + "".join(f"\n      {c}" for c in self.fix.splitlines())


def preflight(files=True):
    """Look at everything the lab needs, in the running Python. Changes nothing.

    Args:
        files: compare every package's files with its list, too. It takes most of a second, which
            not every start should pay.

    Returns:
        list of `Check`, in the order in which to fix them.
    """
    if place() in OWN_PYTHON:
        return [_check_python(), _check_place(), _check_modules(), _check_data()]
    return [
        _check_python(),
        check_platform(),
        _check_place(),
        _check_installer(),
        _check_lock(),
        _check_venv(),
        _check_packages(files),
        _check_tflite_micro(),
        _check_data(),
        _check_write_access(),
        _check_home(),
        _check_disk(),
        _check_port(),
        _check_chromium(),
    ]


def main(arguments=None):
    """`python -m course_utils.env`: print the preflight, with what the notebooks import imported.

    With --quiet, as lab.py opens, only what failed is printed, nothing is imported and packages'
    files are not looked at; with --imports nothing else is looked at.

    Returns the exit code: 0 if all that is required is well, `REINSTALL` if lab.py can
    repair it by installing again, else 1.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    checks = [] if "--imports" in arguments else preflight("--quiet" not in arguments)
    if "--quiet" not in arguments and STAMP.exists():
        checks.append(check_imports())
    failed = [check for check in checks if check.required and not check.ok]
    for check in failed if arguments else checks:
        print(check)
    if {"environment", "packages"} & {check.name for check in failed}:
        return REINSTALL
    return 1 if failed else 0


def _on(linux, macos, windows):
    """The one of three commands that fits this platform."""
    return {"darwin": macos, "win32": windows}.get(sys.platform, linux)


def _lab(command=""):
    """How to call lab.py here."""
    return _on("python3 lab.py", "python3 lab.py", "py lab.py") + (f" {command}" if command else "")


def python_fix():
    """How to get a supported Python here and start the lab with it."""
    return _on(
        "sudo apt-get install python3.12 python3.12-venv\npython3.12 lab.py",
        "brew install python@3.12\npython3.12 lab.py",
        "winget install Python.Python.3.12\npy -3.12 lab.py",
    )


def _check_python():
    version = platform.python_version()
    if python_is_supported():
        return Check("Python", True, version)
    return Check("Python", False, f"{version}; the lab needs {supported_pythons()}", python_fix())


def _python_machine():
    """The processor that this Python was made for: on Windows it may differ from the machine's."""
    if sys.platform == "win32":
        return sysconfig.get_platform().split("-")[-1]
    return platform.machine()


def _c_library():
    """glibc's version on Linux, such as (2, 36), or () where there is none, as on Alpine."""
    try:
        name, version = os.confstr("CS_GNU_LIBC_VERSION").split()
        return tuple(map(int, version.split(".")[:2])) if name == "glibc" else ()
    except (AttributeError, ValueError, OSError):  # not POSIX, not glibc, nothing said
        return ()


def check_platform():
    """TensorFlow's wheels exist for these; 32-bit Pythons have none."""
    bits = 64 if sys.maxsize > 2**32 else 32
    machine = _python_machine().lower()
    here = f"{platform.system()} {_python_machine()}, {bits}-bit Python"
    if sys.platform == "linux" and _c_library() < GLIBC:
        found = ".".join(map(str, _c_library()))
        return Check(
            "platform",
            False,
            f"{here} with {'glibc ' + found if found else 'no glibc (such as Alpine)'}; "
            f"the packages need glibc {'.'.join(map(str, GLIBC))} or newer",
            "docker run -it -v .:/lab -w /lab -p 127.0.0.1:8888:8888 python:3.12 bash",
        )
    wheels = {
        "linux": {"x86_64", "amd64", "aarch64", "arm64"},
        "darwin": {"arm64"},
        "win32": {"amd64", "x86_64"},
    }
    if bits == 64 and machine in wheels.get(sys.platform, set()):
        return Check("platform", True, here)
    return Check(
        "platform",
        False,
        f"{here}; TensorFlow has no package for it",
        _on(
            "conda env create -f environment.yml   # on a 64-bit Linux machine or a JupyterHub",
            "arch -arm64 python3 lab.py   # an Intel Mac needs a JupyterHub instead",
            "winget install Python.Python.3.12 --architecture x64\npy -3.12 lab.py",
        ),
    )


# Places with notebooks of their own, and the variables that tell them. Binder is a JupyterHub too.
_PLACES = {
    "Google Colab": ("COLAB_RELEASE_TAG",),
    "Binder": ("BINDER_SERVICE_HOST", "BINDER_LAUNCH_HOST", "BINDER_REPO_URL"),
    "a JupyterHub": ("JUPYTERHUB_USER",),
    "VS Code": ("VSCODE_PID", "VSCODE_CWD"),
}
OWN_PYTHON = {"Google Colab", "Binder", "a browser tab"}  # it runs the notebooks, there is no .venv


def place():
    """Where this runs, as words for a sentence; "" on a machine like any other."""
    if IN_BROWSER:
        return "a browser tab"
    if on_colab():  # its kernel; what that starts has the variable
        return "Google Colab"
    found = (name for name, variables in _PLACES.items() if any(map(os.environ.get, variables)))
    return next(found, "")


def _check_place():
    """What is different where the lab is not opened by lab.py."""
    here = place()
    words = {
        "": "this machine",
        "a browser tab": "its own Python runs the notebooks; nothing is installed",
        "Google Colab": "its own Python runs the notebooks; the first cell of each fetches what it "
        "lacks, and nothing is kept after the session: download your notebook",
        "Binder": "it installed environment.yml, and nothing is kept after the session: download "
        "your notebooks and the folder ledger",
        "VS Code": "choose .venv as the notebook's kernel",
        "a JupyterHub": "open the notebooks in its JupyterLab: another one cannot be reached",
    }[here]
    detail = f"{here}: {words}" if here else words
    if here != "a JupyterHub" or Path(sys.prefix).resolve() != VENV.resolve() or _hub_knows_venv():
        return Check("place", True, detail, required=False)
    fix = f'"{sys.executable}" -m ipykernel install --user --name lab --display-name "Lab"'
    detail = "a JupyterHub that does not know the lab's kernel; then choose the kernel Lab there"
    return Check("place", False, detail, fix, required=False)


def _hub_knows_venv():
    """Whether a JupyterHub's server runs in .venv itself, or lists its kernel for this user."""
    there = (
        "share/jupyter/kernels/lab",
        ".local/share/jupyter/kernels/lab",
        "Library/Jupyter/kernels/lab",
    )
    known = any((Path(os.path.expanduser("~")) / folder).exists() for folder in there)
    return known or importlib.util.find_spec("jupyterhub") is not None


def _check_modules():
    """Where the notebooks run in a Python that is not the lab's: are the packages there?"""
    needed = ("numpy", "scipy", "matplotlib", "ipywidgets")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if not missing:
        return Check("packages", True, "those of the NumPy notebooks are there")
    return Check(
        "packages", False, f"{_some(missing)} missing", "%pip install " + " ".join(missing)
    )


def _check_installer():
    uv = shutil.which("uv")
    if uv:
        return Check("installer", True, "uv", required=False)
    if importlib.util.find_spec("pip") or importlib.util.find_spec("ensurepip"):
        return Check("installer", True, "pip", required=False)
    fix = _on("sudo apt-get install python3-venv", "brew install uv", "winget install astral-sh.uv")
    return Check("installer", False, "neither uv nor pip is here", fix, required=False)


def _check_lock():
    for name in (LOCK, TEST_LOCK, "pyproject.toml"):
        why = damage(name)
        if why:
            return Check("lock", False, f"{name} {why}", restoring_file(name))
    return Check("lock", True, f"{LOCK} and pyproject.toml can be read")


def _check_venv():
    if not os.path.isfile(STAMP):
        if os.path.isdir(os.path.join(sys.prefix, "conda-meta")):
            return Check("environment", True, f"conda's, {sys.prefix}")
        state = "not finished" if os.path.lexists(VENV) else "not made yet"
        return Check("environment", False, f".venv is {state}", _lab())
    if Path(sys.prefix).resolve() != VENV.resolve():
        return Check("environment", False, f"this is {sys.prefix}, not the lab's .venv", _lab())
    lock = installed_lock(python_version())
    if lock is None:
        return Check("environment", False, f".venv is older than {LOCK}", _lab())
    return Check("environment", True, f".venv is complete and belongs to {lock}")


def _check_packages(files=True):
    if not os.path.isfile(STAMP) and installed_version("packaging") is None:
        return Check("packages", False, "not installed yet", _lab())
    try:
        lock = installed_lock(python_version()) or LOCK
        missing, different = _compare_with_lock(lock)
    except ValueError:
        return Check("packages", False, f"unknown, since {LOCK} is damaged", _lab())
    found = [f"{name} is missing" for name in missing] + different
    # A version is only what a file says: are the package's own files there?
    broken = unfinished_packages() if files else []
    names = [dist_info.name[: -len(".dist-info")] for dist_info in broken]
    found += [f"{name} lacks files" for name in names]
    if not found:
        return Check("packages", True, f"{'all whole, ' if files else ''}at the versions of {lock}")
    return Check("packages", False, _some(found), _lab())


def check_imports():
    """Import what the notebooks import, and this package from elsewhere, in a Python of its own."""
    names = [*IMPORTED, "course_utils.env"]
    done = subprocess.run(
        [sys.executable, "-I", "-c", _IMPORTER, *names],
        cwd=tempfile.gettempdir(),  # here course_utils is found even if it is not installed
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    said = dict(line.partition(" ")[::2] for line in lines if line.split(" ")[0] in names)
    failed = [f"{name} does not start ({why})" for name, why in said.items() if why]
    if done.returncode:  # the last one ended Python itself
        failed.append(f"{(list(said) or ['Python'])[-1]} ends Python (exit code {done.returncode})")
    if not failed:
        return Check("imports", True, "what the notebooks import starts")
    return Check("imports", False, _some(failed), _lab("install"))


def unfinished_packages():
    """The .dist-info folders of what in .venv lacks a file, or has one that is cut short."""
    unfinished = []
    for site in (*VENV.glob("lib/python*/site-packages"), *VENV.glob("Lib/site-packages")):
        for dist_info in sorted(site.glob("*.dist-info")):
            try:
                with open(str(dist_info / "RECORD"), newline="", encoding="utf-8") as file:
                    sizes = [(row[0], int(row[2])) for row in csv.reader(file) if row[2]]
                whole = sizes and all(os.stat(str(site / p)).st_size == n for p, n in sizes)
            except (OSError, ValueError, IndexError):
                whole = False
            if not whole:
                unfinished.append(dist_info)
    return list(dict.fromkeys(unfinished))  # Lib and lib are one on Windows and macOS


def _check_tflite_micro():
    name = "tflite-micro"
    version = installed_version(name)
    if version:
        return Check(name, True, version, required=False)
    if sys.platform == "linux" and platform.machine() == "x86_64":
        return Check(name, False, "not installed", _lab(), required=False)
    return Check(
        name,
        True,
        "exists for Linux x86-64 only; the notebooks go on with LiteRT",
        required=False,
    )


def _check_data():
    """Every file of the manifest against its sha256."""
    manifest = ROOT / "data" / "manifest.json"
    try:
        wrong = wrong_data_files(json.loads(manifest.read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        wrong = {"data/manifest.json": "cannot be read"}
    if not wrong:
        return Check("data", True, "every file has its checksum")
    detail = _some(f"{path} {why}" for path, why in wrong.items())
    return Check("data", False, detail, restoring([path[len("data/") :] for path in wrong]))


def wrong_data_files(manifest):
    """Which files of the manifest are not as they were: dict path -> why, best empty.

    Args:
        manifest: the parsed data/manifest.json: {"files": {path below data/: {"sha256": ...}}}.
    """
    wrong = {}
    for path, record in manifest["files"].items():
        try:
            content = (ROOT / "data" / path).read_bytes()
        except FileNotFoundError:
            wrong[f"data/{path}"] = "is missing"
        except OSError as error:
            wrong[f"data/{path}"] = f"cannot be read ({error.strerror})"
        else:
            why = what_is_wrong(content, record["sha256"])
            if why:
                wrong[f"data/{path}"] = why
    return wrong


def what_is_wrong(content, digest):
    """Why bytes have not this SHA-256 (hexadecimal): a few words, "" where they have it.

    >>> what_is_wrong(b"{}\\r\\n", hashlib.sha256(b"{}\\n").hexdigest())
    'has the line ends of Windows'
    """
    if hashlib.sha256(content).hexdigest() == digest:
        return ""
    if hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest() == digest:
        return "has the line ends of Windows"
    return "was altered or cut short"


def restoring(paths):
    """What brings these files below data/ back: commands for the repository's folder, a line each.

    Git is asked only where it has the very file that the manifest means, also in a copy that
    lies in another repository. It would not touch a file that has only other line ends, since
    it compares without them: such a file is taken out of the index first.
    """
    try:
        files = json.loads((ROOT / "data" / "manifest.json").read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, LookupError, TypeError):
        files = {}
    paths = list(paths)
    at_head = _at_head([f"data/{path}" for path in paths])
    for path in paths:
        record = files.get(path) if isinstance(files, dict) else None
        digest = record.get("sha256") if isinstance(record, dict) else None
        content = at_head.get(f"data/{path}")
        if content is None or (digest and what_is_wrong(content, digest)):
            return "download the repository again and copy its data/ folder over this one"
    names = " ".join(f"data/{path}" for path in paths)
    if any(_differs_in_line_ends(path, at_head[f"data/{path}"]) for path in paths):
        return f"git rm -q --cached -- {names}\ngit -c core.autocrlf=false checkout HEAD -- {names}"
    return f"git checkout HEAD -- {names}"


def _differs_in_line_ends(path, right):
    try:
        content = (ROOT / "data" / path).read_bytes()
    except OSError:
        return False
    return content != right and content.replace(b"\r\n", b"\n") == right


def _at_head(paths):
    """The repository's files in Git's last commit: dict path -> bytes, without those it lacks."""
    wanted = "".join(f"HEAD:./{path}\n" for path in paths)
    try:
        said = subprocess.run(
            ["git", "cat-file", "--batch"],
            cwd=ROOT,
            input=wanted.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}  # no Git here, no repository, or no commit in it
    found = {}
    for path in paths:  # an answer each: "ID blob SIZE", then so many bytes; or "NAME missing"
        head, said = said.split(b"\n", 1)
        if head.split()[1:2] == [b"blob"]:
            size = int(head.split()[2])
            found[path], said = said[:size], said[size + 1 :]
    return found


def _check_write_access():
    if is_shared():
        detail = f"a shared installation; your notebooks and ledger are in {own_folder()}"
        return Check("write access", True, detail)
    try:
        for directory in filter(Path.is_dir, (ROOT, ROOT / "notebooks")):
            with tempfile.NamedTemporaryFile(dir=directory, prefix=".write-test-"):
                pass
    except OSError as error:
        fix = _on(
            f'sudo chown -R "$USER" "{ROOT}"',
            f'sudo chown -R "$USER" "{ROOT}"',
            f'icacls "{ROOT}" /grant "%USERNAME%":(OI)(CI)F /T',
        )
        return Check("write access", False, f"cannot write in {directory}: {error.strerror}", fix)
    return Check("write access", True, "the repository can be written")


def _check_home():
    closed = _closed_at_home()
    if closed is None:
        return Check("home folder", True, os.path.expanduser("~"), required=False)
    detail = f"{closed} is not there" if not os.path.exists(closed) else f"cannot write {closed}"
    detail += ", where Jupyter, Matplotlib and pip keep what they know of you"
    if os.path.exists(VENV / "pyvenv.cfg") and not is_shared():
        detail += f"; {HOME} takes its place for the lab"
    mend = f'sudo mkdir -p "{closed}" && sudo chown -R "$USER" "{closed}"'
    fix = _on(mend, mend, f'icacls "{closed}" /grant "%USERNAME%":(OI)(CI)F /T')
    return Check("home folder", False, detail, fix, required=False)


def _check_disk(needed=1e9):
    folder = own_folder() if is_shared() else ROOT
    free = shutil.disk_usage(_nearest(folder)).free
    detail = f"{free / 1e9:.1f} GB free"
    if free >= needed:
        return Check("disk", True, detail)
    fix = _on("du -sh ~/.cache", "du -sh ~/Library/Caches", "cleanmgr")
    return Check("disk", False, f"{detail}; the lab needs {needed / 1e9:.0f} GB", fix)


def _check_port():
    port = free_port()
    if port:
        return Check("port", True, f"{port} is free")
    last = FIRST_PORT + 49
    return Check("port", False, f"{FIRST_PORT} to {last} are all in use", _lab("--port 9000"))


def _check_chromium():
    path = chromium()
    if path:
        return Check("Chromium", True, path, required=False)
    fix = _on(
        "sudo apt-get install chromium",
        "brew install --cask chromium",
        "winget install Google.Chrome",
    )
    detail = "not found; only the browser tests need it"
    return Check("Chromium", False, detail, fix, required=False)


if __name__ == "__main__":
    sys.exit(main())
