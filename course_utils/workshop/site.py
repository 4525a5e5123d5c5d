"""The lab as a static site that runs in the browser: `python lab.py site --pyodide FILE`.

JupyterLite is the page, Pyodide the Python in it. FILE is Pyodide's distribution, which is
downloaded once (docs/site.md: address and checksums). Into the site go the few packages of it that
NumPy's notebooks need, ipywidgets as it is installed here, and `course_utils/` with `data/` as one
wheel. Nothing is fetched when the site is built, and nothing from elsewhere when it is used.

No notebook has a second version: what needs TensorFlow, LiteRT or TFLM shows its recorded result.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

from course_utils import env
from course_utils.views import in_browser

VERSION = "0.27.7"  # of Pyodide: the one that jupyterlite-pyodide-kernel 0.6 drives
# SHA-256 of the distribution's own files; those of its packages stand in its lock file.
CORE = {
    "pyodide-lock.json": "9c45b916001a750f4102fc287494f3eab215909c7535c626a20db80fd6333e2c",
    "pyodide.js": "b4cb23a53aba19c221659b9fb40a2f18281d685691dc06647fb0afd0681baf98",
    "pyodide.asm.js": "6b4c90de5b7172873f04f21884d0e9d2274e305fe32116558fe3e4fbe3618d51",
    "pyodide.asm.wasm": "a50dd1843f805a0b7c45b61037ee0d7b26dfe85efe0e18ef95a34ad24e401f5f",
    "python_stdlib.zip": "16611534726e5d8ac2bd8f926410b2dcb8d6f49aa24913463533b457a2115c16",
}
# What a kernel loads before its first cell. The kernel's own are named, so that it asks no index.
OF_PYODIDE = ("micropip", "ssl", "sqlite3", "jedi", "ipython", "numpy", "matplotlib")
OF_KERNEL = ("piplite", "ipykernel", "pyodide_kernel", "widgetsnbextension")
OF_LAB = ("comm", "ipywidgets")
KERNEL = "@jupyterlite/pyodide-kernel-extension"


def build(archive: Path, output: Path) -> None:
    """Write the site into a folder that is new, empty, or held an earlier site.

    Raises:
        FileNotFoundError, ValueError: the archive is missing, or not Pyodide's `VERSION` unaltered.
        RuntimeError: JupyterLite did not build the site; what it said is in the message.
    """
    with tempfile.TemporaryDirectory(prefix="lab-site-") as folder:
        lite = Path(folder) / "lite"
        pyodide = lite / "static" / "pyodide"
        pyodide.mkdir(parents=True)
        lock = unpack(archive, pyodide)
        names = [*OF_PYODIDE, *add_wheels(lock, pyodide)]
        (pyodide / "pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")
        copy_notebooks(lite / "files")
        write_settings(lite, names)
        built = Path(folder) / "site"
        jupyter_lite(lite, built)
        replace(built, output)


# --- Pyodide --------------------------------------------------------------------------------------


def unpack(archive: Path, folder: Path) -> dict:
    """Put what the lab needs of Pyodide's distribution into a folder. -> its lock, reduced to that.

    Every file is compared with its SHA-256: the core's stand above, the packages' in the lock.
    """
    with tempfile.TemporaryDirectory(prefix="pyodide-") as scratch:
        whole = Path(scratch)
        try:  # in the archive's order: to go back in a compressed file is to read it again
            with tarfile.open(archive) as tar:
                for member in tar:
                    folders, _, name = member.name.rpartition("/")
                    if member.isfile() and folders == "pyodide":
                        with (whole / name).open("wb") as file:
                            shutil.copyfileobj(tar.extractfile(member), file)
        except (tarfile.TarError, EOFError, OSError) as error:
            if getattr(error, "errno", None):  # there is no such file, the disk is full, ...
                raise
            raise ValueError(
                f"{archive} is no whole archive: download it again ({error})."
            ) from None
        lock = json.loads(take(whole, "pyodide-lock.json", CORE["pyodide-lock.json"]))
        for name in CORE.keys() - {"pyodide-lock.json"}:
            (folder / name).write_bytes(take(whole, name, CORE[name]))
        kept = with_dependencies(lock["packages"], OF_PYODIDE)
        for entry in kept.values():
            content = take(whole, entry["file_name"], entry["sha256"])
            (folder / entry["file_name"]).write_bytes(content)
    return {**lock, "packages": kept}


def take(whole: Path, name: str, digest: str) -> bytes:
    """The content of a file of the distribution, if it has this SHA-256."""
    path = whole / name
    if not path.exists():
        raise ValueError(
            f"The archive has no pyodide/{name}: it should be pyodide-{VERSION}.tar.bz2, "
            "the whole distribution (not pyodide-core)."
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"pyodide/{name} in the archive is not that of Pyodide {VERSION}.")
    return content


def with_dependencies(packages: dict, names) -> dict:
    """The entries of these packages and of all that they need, by name."""
    kept: dict = {}
    waiting = list(names)
    while waiting:
        name = normalized(waiting.pop())
        if name not in kept:
            kept[name] = packages[name]
            waiting += packages[name]["depends"]
    return dict(sorted(kept.items()))


def normalized(name: str) -> str:
    """A package's name as locks and indexes spell it."""
    return re.sub("[-_.]+", "-", name).lower()


# --- wheels ---------------------------------------------------------------------------------------


def add_wheels(lock: dict, folder: Path) -> list[str]:
    """Put the kernel's, ipywidgets' and the lab's wheels beside Pyodide's. -> their names"""
    wheels = list((lab_extension(KERNEL) / "static" / "pypi").glob("*.whl"))
    found = {wheel.name.split("-")[0]: wheel for wheel in sorted(wheels)}  # the newest of two
    for name in OF_KERNEL:
        shutil.copy(found[name], folder)
    made = [folder / found[name].name for name in OF_KERNEL]
    made += [write_wheel(folder, name, metadata.version(name), installed(name)) for name in OF_LAB]
    made.append(write_wheel(folder, "course_utils", metadata.version("course-utils"), of_the_lab()))
    for wheel in made:
        name, version = wheel.name.split("-")[:2]
        lock["packages"][normalized(name)] = {
            "name": name,
            "version": version,
            "file_name": wheel.name,
            "install_dir": "site",
            "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
            "package_type": "package",
            "imports": [name],
            "depends": [],
            "unvendored_tests": False,
        }
    return [wheel.name.split("-")[0] for wheel in made]


def installed(name: str) -> dict[str, bytes]:
    """The files of an installed package, {its name in a wheel: its content}."""
    files = metadata.files(name) or ()
    return {
        file.as_posix(): Path(file.locate()).read_bytes()
        for file in files
        if ".." not in file.parts and "__pycache__" not in file.parts and file.name != "RECORD"
    }


def of_the_lab() -> dict[str, bytes]:
    """`course_utils/` and the data that its manifest lists, beside each other as they are here.

    With them goes what the notebooks' cells show, for those that cannot run in a browser.
    """
    listed = json.loads((env.ROOT / "data" / "manifest.json").read_text(encoding="utf-8"))["files"]
    paths = [env.ROOT / "data" / name for name in ("manifest.json", *listed)]
    # An exported project gets a copy of these.
    paths += [env.ROOT / "LICENSE", *(env.ROOT / "data" / "licenses").iterdir()]
    paths += (env.ROOT / "course_utils").rglob("*")
    contents = {
        path.relative_to(env.ROOT).as_posix(): path.read_bytes()
        for path in sorted(paths)
        if path.is_file() and "__pycache__" not in path.parts
    }
    solved = env.ROOT / "notebooks" / "solutions"
    notebooks = [*sorted(solved.glob("*.ipynb")), *sorted((env.ROOT / "notebooks").glob("*.ipynb"))]
    recorded = in_browser.record(json.loads(n.read_text(encoding="utf-8")) for n in notebooks)
    contents[in_browser.FILE.relative_to(env.ROOT).as_posix()] = json.dumps(recorded).encode()
    return contents


def write_wheel(folder: Path, name: str, version: str, files: dict[str, bytes]) -> Path:
    """Pack files, {name: content}, as a wheel of pure Python; the same bytes for the same files."""
    info = f"{name}-{version}.dist-info"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    contents = {f"{info}/METADATA": about.encode(), **files}
    contents[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = "".join(
        f"{n},sha256={checksum(content)},{len(content)}\n" for n, content in contents.items()
    )
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, content in contents.items():
            wheel.writestr(zipfile.ZipInfo(member), content, zipfile.ZIP_DEFLATED)
    return path


def checksum(content: bytes) -> str:
    digest = hashlib.sha256(content).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


# --- the page -------------------------------------------------------------------------------------


def copy_notebooks(folder: Path) -> None:
    """The student notebooks, as they are."""
    folder.mkdir(parents=True)
    for path in sorted((env.ROOT / "notebooks").glob("*.ipynb")):
        shutil.copy(path, folder)


def write_settings(lite: Path, packages: list[str]) -> None:
    """Tell JupyterLite where its kernel is and what that loads; and the page, what ours says."""
    kernel = {
        "disablePyPIFallback": True,
        "loadPyodideOptions": {
            "packages": packages,
            "lockFileURL": "./static/pyodide/pyodide-lock.json",
        },
    }
    page = {
        "jupyter-lite-schema-version": 0,
        "jupyter-config-data": {
            "appName": "Model optimization lab",
            "exposeAppInBrowser": True,
            "litePluginSettings": {f"{KERNEL}:kernel": kernel},
            "disabledExtensions": ["@jupyterlite/javascript-kernel-extension"],
        },
    }
    (lite / "jupyter-lite.json").write_text(json.dumps(page, indent=2), encoding="utf-8")


def lab_extension(name: str) -> Path:
    """The folder of an extension of the page: the site's tools', an installed one or ours."""
    own = env.ROOT / "course_utils" / "views" / "labextension"
    places = [Path(folder) for folder in (env.SITE_TOOLS, sys.prefix)]
    there = [place / "share" / "jupyter" / "labextensions" / name for place in places]
    return next(path for path in (*there, own) if path.is_dir())


def jupyter_lite(lite: Path, output: Path) -> None:
    """Build the site with JupyterLite's own command."""
    settings = {
        "LiteBuildConfig": {
            "ignore_sys_prefix": ["federated_extensions"],
            "federated_extensions": [
                str(lab_extension(name))
                for name in (KERNEL, "@jupyter-widgets/jupyterlab-manager", "lab-pictures")
            ],
            "no_sourcemaps": True,
            "no_unused_shared_packages": True,
            "contents": [str(lite / "files")],
        }
    }
    (lite / "jupyter_lite_config.json").write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "jupyterlite_core", "build"]
    command += ["--lite-dir", str(lite), "--output-dir", str(output)]
    variables = {**os.environ, "PYTHONPATH": str(env.SITE_TOOLS)}
    done = subprocess.run(command, cwd=lite, capture_output=True, text=True, env=variables)
    if done.returncode:
        said = (done.stdout + done.stderr)[-3000:]
        raise RuntimeError(f"JupyterLite did not build the site:\n{said}")


def replace(built: Path, output: Path) -> None:
    """Put the finished site in its place, and the one before away."""
    if output.exists() and any(output.iterdir()) and not (output / "jupyter-lite.json").exists():
        raise ValueError(f"{output} holds something else than a site: name a new folder.")
    shutil.rmtree(output, ignore_errors=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(built, output)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="lab.py site", description="The lab as a static site.")
    parser.add_argument("--pyodide", metavar="FILE", type=Path, required=True,
                        help=f"pyodide-{VERSION}.tar.bz2, see docs/site.md")  # fmt: skip
    parser.add_argument("--output", metavar="FOLDER", type=Path, default=env.ROOT / "site",
                        help="where to write it (default: site/ in the repository)")  # fmt: skip
    options = parser.parse_args(arguments)
    here = Path(os.environ.get("LAB_CALLED_FROM", "."))
    archive, output = here / options.pyodide, here / options.output
    print("Reading Pyodide's archive, which takes a minute, and building the site ...", flush=True)
    try:
        build(archive, output)
    except (OSError, RuntimeError, ValueError) as error:
        print(f"lab.py site: {error}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    print(
        f"{output}: {size / 1e6:.0f} MB. To try it: python -m http.server --directory "
        f'"{output}", then open http://localhost:8000'
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
