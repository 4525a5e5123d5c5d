"""From `python lab.py` to JupyterLab answering, when everything is installed.

    python benchmarks/lab_start.py [rounds, 5 unless told]

The baseline, taking turns in the same run, starts JupyterLab alone. What lab.py adds is the look
at the lock's hash and the preflight.
"""

import os
import platform
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


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


def seconds_to_answer(command, port):
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=os.name != "nt",
    )  # fmt: skip
    try:
        while not answers(port):
            if process.poll() is not None or time.perf_counter() - start > 120:
                sys.exit(f"{command[1]} does not serve: run it by hand to see why.")
            time.sleep(0.02)
        return time.perf_counter() - start
    finally:
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    times = {"lab.py": [], "JupyterLab alone": []}
    for _ in range(rounds + 1):
        port = free_port()
        lab = [sys.executable, "lab.py", "--no-browser", "--port", str(port)]
        times["lab.py"].append(seconds_to_answer(lab, port))
        port = free_port()
        alone = [str(PYTHON), "-m", "jupyterlab", "--no-browser", "--allow-root",
                 "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]  # fmt: skip
        times["JupyterLab alone"].append(seconds_to_answer(alone, port))
    print(f"Python {platform.python_version()}, {platform.machine()}, {rounds} rounds after one\n")
    print("| | median s | fastest s | slowest s |\n|---|---|---|---|")
    for name, seconds in times.items():
        warm = seconds[1:]  # the first round fills the disk's cache
        print(f"| {name} | {median(warm):.1f} | {min(warm):.1f} | {max(warm):.1f} |")


if __name__ == "__main__":
    main()
