"""Open the lab with one command: `python lab.py`.

The first start makes `.venv` beside this file and installs the locked packages; later
starts see from a hash that nothing has changed and go straight on. Standard library only.
"""

import argparse
import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree


def unsupported(version):
    """The sentence for a Python that the lab does not know, or None."""
    if (3, 10) <= tuple(version[:2]) <= (3, 13):
        return None
    advice = "install Python 3.12 from https://www.python.org/downloads/ and run: "
    advice += "py -3.12 lab.py" if os.name == "nt" else "python3.12 lab.py"
    there = [f"python3.{minor}" for minor in (12, 13, 11, 10) if shutil.which(f"python3.{minor}")]
    if there:
        advice = f"run: {there[0]} lab.py"
    elif shutil.which("uv"):
        advice = "run: uv run --no-project --python 3.12 lab.py"
    return f"lab.py: this is Python {version[0]}.{version[1]}, the lab needs 3.10 to 3.13; {advice}"


if unsupported(sys.version_info):
    sys.exit(unsupported(sys.version_info))

from course_utils import env  # noqa: E402  (standard library only, but not for an old Python)

COMMANDS = {
    "open": "start JupyterLab on notebook 00 (the default)",
    "test": "run every test; further arguments go to pytest: test -k mask",
    "build": "make the notebooks from notebooks/source: build, build 02; --nbgrader: for grading",
    "collect": "read a class's ledgers: collect FOLDER writes a table and a page into it",
    "figures": "write the book's figures: figures, figures ID ...; --html: explorers",
    "install": "make or repair .venv and stop (before a class without a network)",
    "doctor": "look at the installation; each FIX line has a command to copy",
}
HANDED_ON = ("test", "build", "collect", "figures")  # what follows them is for another parser
WORKERS = 4  # processes that test at once, if there are as many processors: 1 GB each
FIRST_NOTEBOOK = "notebooks/00_start_here.ipynb"
INTERRUPTED = 130  # the shells' exit code after Ctrl-C


class Stop(Exception):
    """One sentence for the user; lab.py prints it and ends."""


def main(arguments):
    """Run one command; returns the exit code."""
    command, options, rest = parse(arguments)
    if command == "doctor":
        return doctor()
    python = set_up()
    if command == "install":
        return 0
    if command == "open":
        return open_lab(python, options.browser, options.port)
    if command == "test":
        return run_tests(python, rest)
    return run([python, "-m", "course_utils.workshop", command, *rest])


def parse(arguments):
    """-> (command, options of `open`, arguments handed on)"""
    width = max(map(len, COMMANDS))
    parser = argparse.ArgumentParser(
        prog="lab.py",
        description="The model-optimization lab.",
        epilog="commands:\n" + "\n".join(f"  {c:{width}}  {h}" for c, h in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=COMMANDS, default="open", metavar="command")
    parser.add_argument(
        "--no-browser", dest="browser", action="store_false", help="print the address only"
    )
    parser.add_argument(
        "--port", type=port_number, help="listen on this port (default: the first free from 8888)"
    )
    if arguments and arguments[0] in HANDED_ON:
        return arguments[0], None, arguments[1:]
    options = parser.parse_args(arguments)
    if options.command != "open" and (options.port or not options.browser):
        parser.error(f"{options.command} takes no options")
    return options.command, options, []


def port_number(text):
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text} is not a port: give a number from 1 to 65535")
    return int(text)


# --------------------------------------------------------------------------------------
# Set-up
# --------------------------------------------------------------------------------------


def venv_python():
    """Where the .venv's Python is, or would be."""
    return str(env.VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def venv_version():
    """The .venv's Python as "3.12", read from its pyvenv.cfg, or None."""
    try:
        lines = (env.VENV / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    settings = dict(line.replace(" ", "").split("=", 1) for line in lines if "=" in line)
    version = settings.get("version") or settings.get("version_info") or ""
    return ".".join(version.split(".")[:2]) or None


def is_installed():
    """Whether .venv is complete and belongs to this lock, this Python and this folder."""
    version = venv_version()
    try:
        stamp = env.STAMP.read_text(encoding="utf-8")
    except OSError:
        return False
    return version is not None and stamp == env.fingerprint(version) and works(venv_python())


def works(python, *arguments):
    """Whether this Python runs (with these arguments)."""
    try:
        command = [python, *(arguments or ("-I", "-S", "-c", ""))]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=variables(),
        )
    except OSError:
        return False
    return done.returncode == 0


def set_up(again=False):
    """Have a complete .venv; returns its Python. Does nothing, quickly, where there is one.

    Args:
        again: install even though the stamp says that all is there.
    """
    require_write_access()
    if again or not is_installed():
        with one_at_a_time():
            if again or not is_installed():  # another lab.py may have done it meanwhile
                install()
    write_jupyter_settings()
    return venv_python()


def require_write_access():
    root = env.ROOT
    try:
        with tempfile.NamedTemporaryFile(dir=str(root), prefix=".write-test-"):
            pass
    except OSError as error:
        raise Stop(
            f"The lab cannot write in {root} ({error.strerror}): "
            "copy the repository to a folder of your own and start it there."
        ) from None


@contextlib.contextmanager
def one_at_a_time():
    """Let one lab.py install at a time. The system frees the lock however its holder ends."""
    with open(str(env.ROOT / ".lab-lock"), "w") as file:
        try:
            take_lock(file, wait=False)
        except OSError:
            say("Another lab.py is installing; waiting for it.")
            with contextlib.suppress(OSError):  # a file system without locks: go on
                take_lock(file, wait=True)
        yield


def take_lock(file, wait):
    if os.name == "nt":
        import msvcrt

        while True:
            try:
                return msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    raise
                time.sleep(1)
    import fcntl

    return fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def install():
    """Make or repair .venv, install the lock and this repository, and write the stamp last."""
    start = time.monotonic()
    venv, stamp, python = env.VENV, env.STAMP, venv_python()
    with contextlib.suppress(FileNotFoundError):
        stamp.unlink()  # from here on the install counts as unfinished
    uv = shutil.which("uv")
    fresh = not works(python) or not supported(venv_version())
    if fresh:
        require_space()
        say("Installing the lab's packages into .venv: once, about 2.6 GB on disk, a few minutes.")
        make_venv(venv, with_pip=not uv)
    else:
        say("Bringing .venv up to requirements.txt.")
        for dist_info in unfinished_packages(venv):
            say(f"Repairing {dist_info.name[: -len('.dist-info')]}: it was not installed whole.")
            shutil.rmtree(str(dist_info))  # its files are overwritten by the installation
    if uv:
        pip = [uv, "pip", "install", "--python", python]
    else:
        if not works(python, "-m", "pip", "--version"):
            must([python, "-m", "ensurepip", "--upgrade"])
        pip = [python, "-m", "pip", "install"]
    # The lock is complete: what it names is installed, and nothing else.
    must([*pip, "--no-deps", "-r", str(env.ROOT / "requirements.txt")])
    must([*pip, "--no-deps", "--no-build-isolation", "--editable", str(env.ROOT)])
    write_whole(stamp, env.fingerprint(venv_version()))
    say(f"Installed in {time.monotonic() - start:.0f} s.")


def supported(version):
    """Whether "3.12" is a Python that the lab knows."""
    return bool(version) and env.python_is_supported(map(int, version.split(".")))


def require_space(needed=4e9):
    free = shutil.disk_usage(str(env.ROOT)).free
    if free < needed:
        raise Stop(
            f"Only {free / 1e9:.1f} GB are free on this disk and the installation needs "
            f"{needed / 1e9:.0f} GB: make room and run lab.py again."
        )


def make_venv(venv, with_pip):
    if venv.exists():
        say("Removing .venv, which has no Python that works, and making it anew.")
        try:
            shutil.rmtree(str(venv))
        except OSError as error:
            raise Stop(
                f"{venv} cannot be removed ({error.strerror}): "
                "close what uses it, remove it yourself, and run lab.py again."
            ) from None
    if with_pip and not works(sys.executable, "-c", "import venv, ensurepip"):
        minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise Stop(
            "This Python comes without venv or pip. "
            f"On Debian and Ubuntu run: sudo apt-get install python{minor}-venv"
        )
    must([sys.executable, "-m", "venv", *([] if with_pip else ["--without-pip"]), str(venv)])


def unfinished_packages(venv):
    """The .dist-info folders of packages that lack a file, or have one that is cut short."""
    unfinished = []
    for site in (*venv.glob("lib/python*/site-packages"), *venv.glob("Lib/site-packages")):
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


def must(command):
    """Run a step of the installation; its own messages are on the screen."""
    code = run(command)
    if code:
        raise Stop(
            f"The installation stopped (exit code {code}; the reason is above). "
            "If this machine has no network, connect it; then run lab.py again: "
            "what is installed already stays."
        )


def write_whole(path, text):
    """Write a file so that it is never seen half-written."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(str(temporary), str(path))


# --------------------------------------------------------------------------------------
# Commands
# --------------------------------------------------------------------------------------


def doctor():
    """The preflight, in the .venv if there is one. Changes nothing."""
    if works(venv_python()) and supported(venv_version()):
        return run([venv_python(), "-m", "course_utils.env"])
    return env.main([])


def open_lab(python, browser, port):
    """Start JupyterLab and wait for its end."""
    port = choose_port(port)
    code = run([python, "-m", "course_utils.env", "--quiet"])
    if code == env.REINSTALL:
        set_up(again=True)
    elif code:
        say("The lab opens all the same; the lines above say what to repair.")
    try:
        return run(jupyter_command(python, browser, port))
    except KeyboardInterrupt:
        say("\nThe lab is closed.")
        return 0


def choose_port(port):
    """The asked-for port, or the first free one."""
    free = env.free_port()
    if port is None:
        if free is None:
            raise Stop("Ports 8888 to 8937 are all in use: choose one with lab.py --port 9000.")
        return free
    if not env.port_is_free(port):
        raise Stop(
            f"Port {port} is in use or not allowed: leave --port out and the lab "
            f"takes a free one{f', such as {free}' if free else ''}."
        )
    return port


def jupyter_command(python, browser, port):
    first = FIRST_NOTEBOOK if (env.ROOT / FIRST_NOTEBOOK).exists() else ""
    command = [
        python,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={env.ROOT}",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.answer_yes=True",  # Ctrl-C ends the lab without asking
        "--Application.log_level=WARN",
        f"--LabApp.default_url=/lab/tree/{first}" if first else "--LabApp.default_url=/lab",
        # The tabs of the user's other projects do not belong here.
        f"--LabApp.workspaces_dir={env.VENV / 'share' / 'jupyter' / 'lab' / 'workspaces'}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # a container; the server listens on 127.0.0.1 only
    return command


JUPYTER_SETTINGS = {
    "etc/jupyter/labconfig/page_config.json": {
        "disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True},
        "buildAvailable": False,
        "buildCheck": False,
    },
    "share/jupyter/lab/settings/overrides.json": {
        "@jupyterlab/apputils-extension:notification": {
            "checkForUpdates": False,
            "fetchNews": "false",
        },
        # The student's notebooks first, not the folders of sources and solutions.
        "@jupyterlab/filebrowser-extension:browser": {"sortNotebooksFirst": True},
    },
}
LABEXTENSION = env.ROOT / "course_utils" / "views" / "labextension"


def write_jupyter_settings():
    """JupyterLab without pop-ups, and pictures where a widget's kernel is gone.

    The .venv keeps them, so `jupyter lab` there has them too.
    """
    texts = {
        name: json.dumps(settings, indent=2) + "\n" for name, settings in JUPYTER_SETTINGS.items()
    }
    for file in ("package.json", "static/remoteEntry.js"):
        text = (LABEXTENSION / file).read_text(encoding="utf-8")
        texts[f"share/jupyter/labextensions/lab-pictures/{file}"] = text
    for name, text in texts.items():
        path = env.VENV / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)


def stages(rest):
    """The runs of pytest, a list of (name, arguments)."""
    if any(names_a_file(word) for word in rest):  # the user chose what to run
        notebooks = any(".ipynb" in word for word in rest)
        return [("chosen", ["--nbval", *rest] if notebooks else rest)]
    notebooks = [*env.ROOT.glob("notebooks/*.ipynb"), *env.ROOT.glob("notebooks/solutions/*.ipynb")]
    notebooks = [str(path.relative_to(env.ROOT)) for path in notebooks]
    # Several at a time; the tests of a file, and so the cells of a notebook, stay in their order.
    some = ["-n", str(min(WORKERS, os.cpu_count() or 1)), "--dist"]
    workers = [*some, "loadfile"]
    return [
        ("unit", ["course_utils", "tests/unit", *workers, *rest]),
        ("notebook tools", ["tests/notebooks", *workers, *rest]),
        ("notebooks", ["--nbval", *sorted(notebooks), *workers, *rest]),
        ("browser", ["tests/browser", *some, "loadgroup", *rest]),  # a notebook each, or a group
    ]


def names_a_file(word):
    """Whether a word for pytest is a path (in `-k figures` the word is none)."""
    path = word.split("::")[0]
    return any(mark in path for mark in "/\\.") and (env.ROOT / path).exists()


def run_tests(python, rest):
    """Run every stage, then print a line for each and, last of all, the sum."""
    lines, counted, total, bad = [], [], {"passed": 0, "failed": 0, "skipped": 0}, False
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, arguments) in enumerate(stages(rest)):
            report = os.path.join(folder, f"{number}.xml")
            say(f"Tests: {name}")
            start = time.monotonic()
            # -m pytest and not the script: scripts hold the path of the .venv they were made in
            code = run([python, "-m", "pytest", f"--junit-xml={report}", *arguments])
            counts, told = read_report(report)
            counted += told
            nothing = code == 5  # no test ran: fine only if the user's own choice left none here
            if code and not (nothing and rest):
                bad = True
                counts["failed"] = max(counts["failed"], 1)
            for word in total:
                total[word] += counts[word]
            seconds = time.monotonic() - start
            note = " (no test ran)" if nothing else ""
            lines.append(f"{name:15} {totals(counts)}{note}, {seconds:.0f} s")
    if not total["passed"] and not total["failed"]:
        bad = True
        lines.append("No test ran: look at the arguments after `test`.")
    print("\n" + "\n".join([*counted, *lines]))
    print(totals(total), flush=True)
    return 1 if bad else 0


def totals(counts):
    text = f"{counts['passed']} passed, {counts['failed']} failed"
    return text + (f", {counts['skipped']} skipped" if counts["skipped"] else "")


def read_report(report):
    """Count the outcomes in pytest's own report (nothing in it if pytest did not get so far).

    -> (counts, what tests recorded as "counted", in sentences)
    """
    counts, told = {"passed": 0, "failed": 0, "skipped": 0}, []
    with contextlib.suppress(OSError, ElementTree.ParseError):
        for case in ElementTree.parse(report).iter("testcase"):
            kinds = {child.tag for child in case}
            if kinds & {"failure", "error"}:
                counts["failed"] += 1
            else:
                counts["skipped" if "skipped" in kinds else "passed"] += 1
            told += [p.get("value") for p in case.iter("property") if p.get("name") == "counted"]
    return counts, told


# --------------------------------------------------------------------------------------
# Processes
# --------------------------------------------------------------------------------------


def run(command):
    """Run a command in the repository with the lab's variables; returns its exit code.

    Ctrl-C reaches the command from the terminal as it reaches us: it is given the time to
    end by itself, and so is it when we are told to terminate.
    """
    sys.stdout.flush()
    process = subprocess.Popen(command, cwd=str(env.ROOT), env=variables())
    try:
        return process.wait()
    except KeyboardInterrupt:
        end(process)
        raise
    except SystemExit:  # we were told to terminate, see start()
        process.terminate()
        end(process)
        raise


def end(process, patience=5):
    """Wait for a process that was told to end; insist if it does not."""
    for insist in (process.terminate, process.kill):
        try:
            return process.wait(patience)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            insist()
    return process.wait()


def variables():
    """The environment of everything that lab.py starts."""
    names = {
        **os.environ,
        "PYTHONUTF8": "1",  # text files are UTF-8 on Windows too
        "JUPYTER_PREFER_ENV_PATH": "1",  # this .venv's kernel before one of the same name at home
        "VIRTUAL_ENV": str(env.VENV),
        "LAB_CALLED_FROM": os.getcwd(),  # commands run in the repository, whatever folder that is
    }
    # The .venv's packages and no others; and their bytecode kept, which uv leaves to the first
    # import: without it JupyterLab takes twice as long to start, every time.
    for name in ("PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"):
        names.pop(name, None)
    return names


def say(text):
    print(text, flush=True)


def start():
    """`main` with every expected end turned into one sentence and an exit code."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        return main(sys.argv[1:])
    except Stop as stop:
        print(f"lab.py: {stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nlab.py: interrupted. Run it again whenever you like.", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(start())
