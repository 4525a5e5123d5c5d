"""From `python lab.py` to JupyterLab answering: installed already, and from nothing.

    python benchmarks/lab_start.py [rounds, 5 unless told]
    python benchmarks/lab_start.py --from-nothing [rounds, 2 unless told]

Installed already, the baseline, taking turns in the same run, starts JupyterLab alone. What lab.py
adds is the look at the lock's hash and the preflight.

From nothing, each round and each way has a copy of the repository without a .venv, and caches of
pip and uv that are empty; no uv is on the PATH. The baseline is the way before: pip, and
everything, the developers' tools too. The rounds take turns, so that both meet the same network.
What lab.py does after its installation, up to JupyterLab's answer, is in its time.
"""

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
IN_VENV = Path(".venv") / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
PATIENCE = 1800  # seconds; a slow network takes minutes


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/login", timeout=1).close()
    except urllib.error.HTTPError:
        return True  # it answers, and wants the token
    except OSError:
        return False
    return True


def seconds_to_answer(command, port, folder, names=None):
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=names,
        start_new_session=os.name != "nt",
    )  # fmt: skip
    try:
        while not answers(port):
            if process.poll() is not None or time.perf_counter() - start > PATIENCE:
                sys.exit(f"{command[1]} does not serve: run it by hand to see why.")
            time.sleep(0.02)
        return time.perf_counter() - start
    finally:
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def jupyterlab(folder, port):
    return [
        str(folder / IN_VENV), "-m", "jupyterlab", "--no-browser", "--allow-root",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
    ]  # fmt: skip


def by_lab(folder, names):
    """-> seconds to JupyterLab answering, seconds to all packages"""
    port = free_port()
    command = [sys.executable, "lab.py", "--no-browser", "--port", str(port)]
    seconds = seconds_to_answer(command, port, folder, names)
    stamp = (folder / ".venv" / "lab-stamp").stat().st_mtime
    return seconds, stamp - (folder / "began").stat().st_mtime


def by_pip(folder, names):
    """The way before: pip, the whole lock, then JupyterLab."""
    start = time.perf_counter()
    pip = [str(folder / IN_VENV), "-m", "pip", "install", "-qqq", "--no-deps"]
    for command in (
        [sys.executable, "-m", "venv", ".venv"],
        [*pip, "-r", "requirements-test.txt"],
        [*pip, "--no-build-isolation", "--editable", "."],
    ):
        subprocess.run(command, cwd=folder, env=names, check=True, stdout=subprocess.DEVNULL)
    complete = time.perf_counter() - start
    port = free_port()
    return complete + seconds_to_answer(jupyterlab(folder, port), port, folder, names), complete


def from_nothing(way):
    """Run one way in a new copy with new caches. -> what it measured, and megabytes in .venv"""
    with tempfile.TemporaryDirectory(prefix="lab-start-") as top:
        folder = Path(top) / "lab"
        kept = shutil.ignore_patterns(".venv", ".git", "__pycache__", "figures", "tests")
        shutil.copytree(ROOT, folder, ignore=kept)
        (folder / "began").touch()
        without_uv = [
            place for place in os.get_exec_path() if not shutil.which("uv", path=place)
        ]  # fmt: skip
        names = {name: v for name, v in os.environ.items() if not name.startswith("PYTHON")}
        names.update(
            PATH=os.pathsep.join(without_uv),
            UV_CACHE_DIR=f"{top}/uv",
            PIP_CACHE_DIR=f"{top}/pip",
            XDG_CACHE_HOME=f"{top}/cache",
        )
        measured = way(folder, names)
        size = sum(path.lstat().st_size for path in (folder / ".venv").rglob("*"))
        return *measured, size / 1e6


def print_from_nothing(rounds):
    ways = {"lab.py": by_lab, "pip, everything": by_pip}
    found = {name: [] for name in ways}
    for number in range(rounds):
        for name in sorted(ways, reverse=number % 2 == 1):
            found[name].append(from_nothing(ways[name]))
            print(f"round {number + 1}, {name}: {found[name][-1][0]:.0f} s", file=sys.stderr)
    print(f"Python {platform.python_version()}, {platform.machine()}, {rounds} rounds, medians\n")
    print("| | JupyterLab answers, s | all packages, s | .venv, MB |\n|---|---|---|---|")
    medians = {
        n: [median(column) for column in zip(*rows, strict=True)] for n, rows in found.items()
    }
    for name, numbers in medians.items():
        print(f"| {name} | " + " | ".join(f"{number:.0f}" for number in numbers) + " |")
    ratios = [b / a for a, b in zip(*medians.values(), strict=True)]
    print("| ratio | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")


def print_installed(rounds):
    times = {"lab.py": [], "JupyterLab alone": []}
    for _ in range(rounds + 1):
        port = free_port()
        lab = [sys.executable, "lab.py", "--no-browser", "--port", str(port)]
        times["lab.py"].append(seconds_to_answer(lab, port, ROOT))
        port = free_port()
        times["JupyterLab alone"].append(seconds_to_answer(jupyterlab(ROOT, port), port, ROOT))
    print(f"Python {platform.python_version()}, {platform.machine()}, {rounds} rounds after one\n")
    print("| | median s | fastest s | slowest s |\n|---|---|---|---|")
    for name, seconds in times.items():
        warm = seconds[1:]  # the first round fills the disk's cache
        print(f"| {name} | {median(warm):.1f} | {min(warm):.1f} | {max(warm):.1f} |")


def main():
    words = sys.argv[1:]
    if words[:1] == ["--from-nothing"]:
        print_from_nothing(int(words[1]) if words[1:] else 2)
    else:
        print_installed(int(words[0]) if words else 5)


if __name__ == "__main__":
    main()
