"""The environment of the lab: variables before TensorFlow, seeds, and the preflight.

This module imports the standard library only, so that `lab.py` can use it before anything
is installed. Whoever needs TensorFlow asks here for it:

    tf = env.tensorflow()
    tf_keras = env.keras()
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
import platform
import random
import shutil
import socket
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "lab-stamp"  # written last by lab.py: its presence says "the install is complete"
PYTHONS = ((3, 10), (3, 13))  # oldest and newest supported
FIRST_PORT = 8888  # JupyterLab's own
REINSTALL = 3  # exit code of the preflight: `python lab.py` repairs this
OPTIONAL_PACKAGES = {"tflite-micro"}  # the notebooks go on with LiteRT without it

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


def fingerprint(python_version):
    """The hash that says "this .venv belongs to this lock": a hexadecimal sha256.

    The place of the repository is part of it: the editable install points there, so a
    moved repository is installed again (which is quick: the packages are all there).

    Args:
        python_version: of the .venv's Python, such as "3.12".
    """
    digest = hashlib.sha256()
    for part in (
        (ROOT / "requirements.txt").read_bytes(),
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


def locked_versions():
    """The lock's packages for this Python and platform, a dict name -> version.

    Raises:
        ImportError: `packaging`, itself in the lock, is not installed.
    """
    from packaging.requirements import Requirement

    versions = {}
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        line = line.split("#", 1)[0].strip()
        if line:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate():
                versions[requirement.name] = next(iter(requirement.specifier)).version
    return versions


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


def check_kernel():
    """The first line of each notebook: is this the lab's Python, with the lab's packages?

    Prints one line. The same on every machine whose installation is the lock's.

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
    missing, different = _compare_with_lock()
    if missing:
        raise RuntimeError(f"This kernel lacks {_some(missing)}. {remedy}")
    if different:
        print(
            f"Kernel ready, but with other versions than the lock's ({_some(different)}): "
            "numbers may differ in their last digits."
        )
    else:
        print("Kernel ready.")


def _compare_with_lock():
    """(missing, different): lists of words, optional packages left out."""
    try:
        locked = locked_versions()
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


def preflight():
    """Look at everything the lab needs, in the running Python. Changes nothing, takes under 1 s.

    Returns:
        list of `Check`, in the order in which to fix them.
    """
    return [
        _check_python(),
        _check_platform(),
        _check_installer(),
        _check_venv(),
        _check_packages(),
        _check_tflite_micro(),
        _check_data(),
        _check_write_access(),
        _check_disk(),
        _check_port(),
        _check_chromium(),
    ]


def main(arguments=None):
    """`python -m course_utils.env [--quiet]`: print the preflight (or what failed of it).

    Returns the exit code: 0 if all that is required is well, `REINSTALL` if lab.py can
    repair it by installing again, else 1.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    checks = preflight()
    failed = [check for check in checks if check.required and not check.ok]
    for check in failed if "--quiet" in arguments else checks:
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


def _check_platform():
    """TensorFlow's wheels exist for these; 32-bit Pythons have none."""
    bits = 64 if sys.maxsize > 2**32 else 32
    machine = platform.machine().lower()
    here = f"{platform.system()} {platform.machine()}, {bits}-bit Python"
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


def _check_installer():
    uv = shutil.which("uv")
    if uv:
        return Check("installer", True, "uv", required=False)
    if importlib.util.find_spec("pip") or importlib.util.find_spec("ensurepip"):
        return Check("installer", True, "pip", required=False)
    fix = _on("sudo apt-get install python3-venv", "brew install uv", "winget install astral-sh.uv")
    return Check("installer", False, "neither uv nor pip is here", fix, required=False)


def _check_venv():
    try:
        stamp = STAMP.read_text(encoding="utf-8").strip()
    except OSError:
        stamp = None
    if stamp is None:
        state = "not finished" if VENV.exists() else "not made yet"
        return Check("environment", False, f".venv is {state}", _lab())
    if Path(sys.prefix).resolve() != VENV.resolve():
        return Check("environment", False, f"this is {sys.prefix}, not the lab's .venv", _lab())
    if stamp != fingerprint(python_version()):
        return Check("environment", False, ".venv is older than requirements.txt", _lab())
    return Check("environment", True, ".venv is complete and belongs to requirements.txt")


def _check_packages():
    if not STAMP.exists() and installed_version("packaging") is None:
        return Check("packages", False, "not installed yet", _lab())
    missing, different = _compare_with_lock()
    if not missing and not different:
        return Check("packages", True, "all at the versions of requirements.txt")
    found = [f"{name} is missing" for name in missing] + different
    return Check("packages", False, _some(found), _lab())


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
    if (ROOT / ".git").exists():
        fix = "git checkout -- " + " ".join(wrong)
    else:
        fix = "download the repository again and copy its data/ folder over this one"
    return Check("data", False, detail, fix)


def wrong_data_files(manifest):
    """Which files of the manifest are not as they were: dict path -> why, best empty.

    Args:
        manifest: the parsed data/manifest.json: {"files": {path below data/: {"sha256": ...}}}.
    """
    wrong = {}
    for path, record in manifest["files"].items():
        try:
            digest = hashlib.sha256((ROOT / "data" / path).read_bytes()).hexdigest()
        except FileNotFoundError:
            wrong[f"data/{path}"] = "is missing"
        except OSError as error:
            wrong[f"data/{path}"] = f"cannot be read ({error.strerror})"
        else:
            if digest != record["sha256"]:
                wrong[f"data/{path}"] = "has been altered"
    return wrong


def _check_write_access():
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


def _check_disk(needed=1e9):
    free = shutil.disk_usage(ROOT).free
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
