"""Open the lab with one command: `python lab.py`.

The first start makes `.venv` beside this file and installs the locked packages; later
starts see from a hash that nothing has changed and go straight on. Standard library only.
"""

import argparse
import ast
import contextlib
import glob
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

# Python 2 reads the whole file first, stops at the next line, and shows it.
f"lab.py: this Python is too old, the lab needs 3.10 to 3.13; run: python3 lab.py"  # noqa: F541


def unsupported(version):
    """The sentence for a Python that the lab does not know, or None."""
    if (3, 10) <= tuple(version[:2]) <= (3, 13):
        return None
    command = other_python()
    if command:
        advice = f"run: {command} lab.py"
    else:
        advice = "install Python 3.12 from https://www.python.org/downloads/ and run: "
        advice += "py -3.12 lab.py" if os.name == "nt" else "python3.12 lab.py"
    return f"lab.py: this is Python {version[0]}.{version[1]}, the lab needs 3.10 to 3.13; {advice}"


def other_python():
    """A command for a Python that the lab knows, or None.

    Each is run first: pyenv's python3.12 is there, and fails, if pyenv was not told to use it.
    """
    minors = (12, 13, 11, 10)
    named = [["py", f"-3.{m}"] if os.name == "nt" else [f"python3.{m}"] for m in minors]
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    for minor in minors:
        found = glob.glob(os.path.join(pyenv, "versions", f"3.{minor}.*/bin/python3"))
        named += [[path] for path in sorted(found)]
    for command in named:
        if starts([*command, "-c", ""]):
            return " ".join(map(shlex.quote, command))
    uv = "uv run --no-project --python 3.12"
    return uv if starts(["uv", "--version"]) else None


def starts(command):
    try:
        return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


refusal = unsupported(sys.version_info)
if refusal:
    sys.exit(refusal)

HERE = os.path.dirname(os.path.abspath(__file__))
if not os.path.isfile(os.path.join(HERE, "course_utils", "env.py")):
    sys.exit(
        f"lab.py: it needs the folder course_utils beside it, and {HERE} has none: "
        "extract the whole ZIP file, or clone the repository, and start the lab.py in that folder."
    )
sys.path.insert(0, HERE)  # there already, unless PYTHONSAFEPATH or -I kept it out

from course_utils import env  # noqa: E402  (standard library only, but not for an old Python)

COMMANDS = {
    "open": "start JupyterLab on notebook 00 (the default)",
    "test": "run every test; further arguments go to pytest: test -k mask",
    "build": "make the notebooks from notebooks/source: build, build 02; --nbgrader: for grading",
    "collect": "read a class's ledgers: collect FOLDER writes a table and a page into it",
    "site": "the lab as a page that needs no installation: site --pyodide FILE (docs/site.md)",
    "figures": "write the book's figures: figures, figures ID ...; --html: explorers",
    "install": "make or repair .venv and stop (before a class without a network)",
    "update": "git pull; notebooks that you worked in are put into notebooks/kept/ first",
    "doctor": "look at the installation; each FIX line has a command to copy",
}
HANDED_ON = ("test", "build", "collect", "figures", "site")  # the rest is for another parser
LONGEST = ("figures", "gallery", "integer_engine", "emulator", "micro_project", "keras_models")
WORKERS = 4  # processes that test at once, if there are as many processors: 1 GB each
FIRST_NOTEBOOK = "notebooks/00_start_here.ipynb"
# Settings of pip and uv about how packages are reached and kept, not where they go.
REACHES = re.compile(
    "^(PIP|UV)_.*(INDEX|FIND_LINKS|OFFLINE|CERT|TLS|HOST|TIMEOUT|RETRIES|CACHE|KEYRING|HTTP"
    "|PROXY|USE_FEATURE|CONCURRENT|LINK_MODE|PROGRESS|VERSION_CHECK)|^(HTTPS?|ALL)_PROXY$",
    re.IGNORECASE,
)
TOLD = re.compile("INDEX|FIND_LINKS|OFFLINE|PROXY", re.IGNORECASE)  # may make one fail
UV = "uv==0.13.9"
SITE_TOOLS = (  # with what they need and .venv has not
    "jupyterlite-core==0.6.4", "jupyterlite-pyodide-kernel==0.6.1", "doit==0.37.0", "pkginfo==2.0",
)  # fmt: skip
UV_OPTIONS = {"--force-reinstall": "--reinstall", "--no-cache-dir": "--no-cache"}
AS_UV = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_NO_INDEX": "UV_NO_INDEX",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_CERT": "SSL_CERT_FILE",
    "PIP_PROXY": "ALL_PROXY",
}
PIP_ONLY = re.compile("^PIP_.*(CLIENT_CERT|KEYRING|USE_FEATURE)")
NEEDED_MODULES = ("ctypes", "sqlite3", "ssl", "zlib")  # a Python may be built without them
BUILD_NEEDS = "sudo apt-get install libffi-dev libsqlite3-dev libssl-dev zlib1g-dev"
LONG_PATHS = r"SYSTEM\CurrentControlSet\Control\FileSystem"  # where Windows allows them
LONGEST_IN_VENV = 199  # characters: a file of jupyterlab-widgets, the longest of the lock
TIMES = 5  # to start JupyterLab where its port is taken while it starts
INTERRUPTED = 130  # the shells' exit code after Ctrl-C


class Stop(Exception):
    """One sentence for the user; lab.py prints it and ends."""


def main(arguments):
    """Run one command; returns the exit code."""
    command, options, rest = parse(arguments)
    if command == "doctor":
        return doctor()
    if env.is_shared() and command not in ("open", "collect"):
        raise Stop(
            f"`{command}` writes in {env.ROOT}, which you may not: ask whoever looks after this "
            "shared installation. lab.py without a word opens the lab for you."
        )
    if command == "update":
        return update()
    python = set_up(env.TEST_LOCK if command == "test" else env.LOCK)
    if command == "install":
        return verify(python)
    if command == "open":
        return open_lab(python, options.browser, options.port)
    if command == "test":
        return run_tests(python, rest)
    if command == "site" and not {"-h", "--help"} & set(rest):
        install_site_tools(python)
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
        text = (env.VENV / "pyvenv.cfg").read_bytes().decode("utf-8", "replace")
    except OSError:
        return None
    found = re.search(r"^version(?:_info)? *= *(\d+\.\d+)", text, re.MULTILINE)
    return found.group(1) if found else None


def is_installed(lock=env.LOCK):
    """Whether .venv is complete and belongs to this lock, this Python and this folder."""
    version = venv_version()
    found = env.installed_lock(version) if version else None
    return found in (lock, env.TEST_LOCK) and works(venv_python())


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


def set_up(lock=env.LOCK, again=False, afresh=False):
    """Have a complete .venv; returns its Python. Does nothing, quickly, where there is one.

    Args:
        lock: what to install, env.LOCK or env.TEST_LOCK.
        again: install even though the stamp says that all is there.
        afresh: replace packages that seem to be whole, too.
    """
    require_files(lock)
    if env.is_shared():
        if again or not is_installed(lock):
            if works(venv_python()):
                why, command = "is not complete", "python3 lab.py install"
            else:  # as pyenv and uv put it into root's home
                why = "has a Python that you may not start"
                command = "rm -r .venv && /usr/bin/python3 lab.py install"
            raise Stop(
                f"The shared installation in {env.ROOT} {why}: "
                f"ask whoever looks after it to run there: {command}"
            )
        return venv_python()
    require_write_access()
    if not env.home_is_writable():
        say(f"Your home folder cannot be written: {env.HOME} takes its place for the lab.")
    if again or not is_installed(lock):
        with one_at_a_time():
            if again or not is_installed(lock):  # another lab.py may have done it meanwhile
                install(lock, afresh)
    write_jupyter_settings()
    return venv_python()


def verify(python):
    """Look at every package's files and start what notebooks import; repair. -> exit code"""
    lock = env.installed_lock(venv_version()) or env.LOCK
    if env.unfinished_packages():
        set_up(lock, again=True)
    imports = [python, "-m", "course_utils.env", "--imports"]
    if not run(imports):
        return 0
    set_up(lock, again=True, afresh=True)
    return 1 if run(imports) else 0


def require_files(lock):
    """Stop where what says what to install is damaged."""
    for name in (lock, "pyproject.toml"):
        why = env.damage(name)
        if why:
            raise Stop(f"{name} {why}: {env.restoring_file(name)}")


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
    in_venv = [env.VENV / folder for folder in ("bin", "Scripts", "etc", "share", "share/jupyter")]
    sites = (*env.VENV.glob("lib/python*/site-packages"), env.VENV / "Lib" / "site-packages")
    for path in (root / ".lab-lock", env.VENV, env.STAMP, *in_venv, *sites):
        if os.path.exists(str(path)) and not os.access(str(path), os.W_OK):
            raise Stop(
                f"You may not write {path}, perhaps because lab.py once ran with sudo: "
                "give all of it back to yourself and run lab.py again: "
                + (f'takeown /F "{root}" /R' if is_windows() else f'sudo chown -R "$USER" "{root}"')
            )


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


def install(lock, afresh):
    """Make or repair .venv, install the lock and this repository, and write the stamp last."""
    start = time.monotonic()
    venv, stamp, python = env.VENV, env.STAMP, venv_python()
    remove(stamp)  # from here on the install counts as unfinished
    uv = shutil.which("uv")
    fresh = not works(python) or not supported(venv_version())
    if fresh:
        require_space()
        require_machine()
        require_folder()
        say("Installing the lab's packages into .venv: once, about 2.5 GB on disk, a few minutes.")
        make_venv(venv, with_pip=not uv)
    else:
        say(f"Bringing .venv up to {lock}.")
        forget_unfinished()
    install_by(uv, python, lock, ["--reinstall" if uv else "--force-reinstall"] if afresh else [])
    if forget_unfinished():  # what the installer had kept was damaged itself
        install_by(uv, python, lock, ["--no-cache" if uv else "--no-cache-dir"])
        if env.unfinished_packages():
            raise Stop("Packages are damaged again after they were repaired: is this disk failing?")
    env.write_whole(stamp, env.fingerprint(venv_version(), lock).encode())
    say(f"Installed in {time.monotonic() - start:.0f} s.")


def forget_unfinished():
    """Take packages that are not whole off pip's and uv's list: they install them again. -> any?"""
    unfinished = env.unfinished_packages()
    for dist_info in unfinished:
        say(f"Repairing {dist_info.name[: -len('.dist-info')]}: it was not installed whole.")
        shutil.rmtree(str(dist_info))  # its files are overwritten by the installation
    return bool(unfinished)


def install_by(uv, python, lock, options):
    if uv:
        for step in steps(uv, python, lock, options):
            must(step, installer_variables(variables(), {}))
    else:
        install_without_uv(python, lock, options)


def steps(uv, python, lock, options):
    """The commands that install the lock, which is complete, and this repository; nothing else."""
    pip = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    return (
        [*pip, *options, "--no-deps", "-r", str(env.ROOT / lock)],
        [*pip, "--no-deps", "--no-build-isolation", "--editable", str(env.ROOT)],
    )


def remove(path):
    """Remove a file, a link or a folder, if it is there."""
    if os.path.isdir(str(path)) and not os.path.islink(str(path)):
        shutil.rmtree(str(path))
    elif os.path.lexists(str(path)):
        os.remove(str(path))


def install_without_uv(python, lock, options):
    """Install by a uv that is fetched first; if that fails in any way, by pip."""
    names = with_pip(python)
    uv = fetched_uv(python, names)
    if uv:
        for_uv = [UV_OPTIONS[option] for option in options]
        if not any(run(step, as_uv(names)) for step in steps(uv, python, lock, for_uv)):
            return
        say("uv did not install all of it: pip does.")
    for step in steps(None, python, lock, options):
        must(step, names)


def with_pip(python):
    """Have pip in .venv, which uv leaves out. -> the environment to call it in"""
    if not works(python, "-m", "pip", "--version"):
        must([python, "-m", "ensurepip", "--upgrade"])
    return installer_variables(variables(), pip_settings(python))


def install_site_tools(python):
    """Have JupyterLite in a folder of its own: in .venv, JupyterLab would load its kernel too."""
    folder, wanted = env.SITE_TOOLS, " ".join(SITE_TOOLS)
    stamp = folder / "lab-stamp"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    remove(folder)
    names = with_pip(python)
    options = ["--quiet", "--no-deps", "--target", str(folder)]
    must([python, "-m", "pip", "install", *options, *SITE_TOOLS], names)
    env.write_whole(stamp, wanted.encode())


def fetched_uv(python, names):
    """uv as a wheel, in a folder of its own in .venv: it installs about ten times as fast as pip.

    None where it cannot be had, or where pip's settings say more than uv would understand.
    """
    if any(PIP_ONLY.search(name) for name in names):
        return None
    folder = env.VENV / "lab-uv"
    program = folder / "bin" / ("uv.exe" if is_windows() else "uv")
    if not works(str(program), "--version"):
        options = ["--quiet", "--upgrade", "--no-deps", "--only-binary", ":all:"]
        run([python, "-m", "pip", "install", *options, "--target", str(folder), UV], names)
    return str(program) if works(str(program), "--version") else None


def as_uv(names):
    """The same environment, with the settings of pip that reach packages in uv's words."""
    told = {AS_UV[name]: value for name, value in names.items() if name in AS_UV}
    if "UV_FIND_LINKS" in told:
        told["UV_FIND_LINKS"] = ",".join(told["UV_FIND_LINKS"].split())
    # As pip does: the best version that any index has, not the first index that has one.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **told, **names}


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


def require_machine():
    """Stop where no package of the lock would fit."""
    check = env.check_platform()
    if not check.ok:
        raise Stop(f"{check.detail}. Run instead:\n    " + check.fix.replace("\n", "\n    "))


def require_modules():
    """Stop where this Python was built without what the lab needs of it."""
    missing = [m for m in NEEDED_MODULES if not works(sys.executable, "-c", f"import {m}")]
    if missing:
        raise Stop(
            f"This Python ({sys.executable}) was built without {' and '.join(missing)}, "
            "which the lab needs: start lab.py with another Python, such as that of "
            "https://www.python.org/downloads/ or of your system"
            + (", or build it again after: " + BUILD_NEEDS if sys.platform == "linux" else "")
            + "."
        )


def require_folder():
    """Stop where packages could not be installed or started below the repository's folder."""
    root = str(env.ROOT)
    if os.pathsep in root:
        raise Stop(f"{root} has a {os.pathsep} in its name, which no .venv may: rename the folder.")
    if hasattr(os, "ST_NOEXEC") and os.statvfs(root).f_flag & os.ST_NOEXEC:
        raise Stop(
            f"The disk of {root} starts no programs (it is mounted with noexec): "
            "copy the repository to another disk and start it there."
        )
    if not is_windows() and not has_links(env.ROOT):
        raise Stop(
            f"The disk of {root} has no symbolic links (exFAT, FAT or a share), which every .venv "
            "needs: copy the repository to a disk of this system and start it there."
        )
    require_short_paths(root)


def has_links(folder):
    """Whether a symbolic link can be made in this folder."""
    with tempfile.TemporaryDirectory(dir=str(folder), prefix=".link-test-") as there:
        try:
            os.symlink("nothing", os.path.join(there, "link"))
        except OSError:
            return False
    return True


def require_short_paths(root):
    """Stop where the longest path of a package would be longer than this Windows allows."""
    longest = len(root) + len("/.venv/") + LONGEST_IN_VENV
    if is_windows() and longest >= 260 and not windows_allows_long_paths():
        raise Stop(
            f"{root} is too long a name: files below it would have paths of {longest} characters, "
            "and this Windows allows 259. Copy the repository to a short folder such as C:\\lab, "
            "or, as administrator, run: "
            f"reg add HKLM\\{LONG_PATHS} /v LongPathsEnabled /t REG_DWORD /d 1 /f"
        )


def is_windows():
    return os.name == "nt"


def windows_allows_long_paths():
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, LONG_PATHS) as key:
            return winreg.QueryValueEx(key, "LongPathsEnabled")[0] == 1
    except OSError:
        return False


def make_venv(venv, with_pip):
    if os.path.lexists(str(venv)):
        say("Removing .venv, which has no Python that works, and making it anew.")
        try:
            remove(venv)
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
    require_modules()
    must([sys.executable, "-m", "venv", *([] if with_pip else ["--without-pip"]), str(venv)])


def installer_variables(names, settings):
    """The environment for pip and uv: how packages are reached is the user's, the rest the lab's.

    PIP_USER, PIP_TARGET, UV_REQUIRE_HASHES and their like would put packages elsewhere, or
    refuse what the lock names; an index, a proxy or a certificate is needed to reach any.

    Args:
        names: environment variables, a dict.
        settings: pip's own, from its files too (`pip_settings`); they take the variables' place.
    """
    kept = {n: v for n, v in names.items() if not re.match("PIP_|UV_", n) or REACHES.search(n)}
    kept.update((n, v) for n, v in settings.items() if REACHES.search(n))
    return {**kept, "PIP_CONFIG_FILE": os.devnull}  # the files have been read: `settings`


def pip_settings(python):
    """What pip would be told by its files and variables, as variables: {"PIP_INDEX_URL": ...}."""
    done = subprocess.run(
        [python, "-m", "pip", "config", "list"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=variables(own_home=True),  # pip's file for this user is there
    )
    found = {"global": {}, "install": {}, ":env:": {}}  # the later ones count more
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        section, _, setting = line.partition(".")
        name, _, value = setting.partition("=")
        if section in found:
            with contextlib.suppress(ValueError, SyntaxError):
                value = ast.literal_eval(value)
                found[section]["PIP_" + name.upper().replace("-", "_")] = value
    return {name: value for settings in found.values() for name, value in settings.items()}


def must(command, names=None):
    """Run a step of the installation; its own messages are on the screen."""
    code = run(command, names)
    if code:
        followed = sorted(n for n in names or () if REACHES.search(n) and TOLD.search(n))
        raise Stop(
            f"The installation stopped (exit code {code}): the lines above say why. "
            + (f"It followed your settings {', '.join(followed)}. " if followed else "")
            + "If this machine has no network, connect it; then run lab.py again: "
            "what is installed already stays. If they speak of a damaged archive, first run: "
            "uv cache clean, or: pip cache purge"
        )


# --------------------------------------------------------------------------------------
# Commands
# --------------------------------------------------------------------------------------


def doctor():
    """The preflight, in the .venv if there is one. Changes nothing; -> 0 or 1."""
    if works(venv_python()) and supported(venv_version()):
        return 1 if run([venv_python(), "-m", "course_utils.env"], variables(own_home=True)) else 0
    return 1 if env.main([]) else 0


def update():
    """`git pull` where notebooks were worked in, which git would refuse: they are put aside first.

    Only those that the update changes; the ledger, which git ignores, is not touched.
    """
    # In a folder of another repository, that one's commit would be found, and it be updated.
    if git("rev-parse", "--verify", "HEAD") is None or git("rev-parse", "--show-prefix").strip():
        raise Stop(
            "This copy was not made with git clone: download the repository again, into a new "
            "folder, and copy your notebooks and notebooks/ledger there."
        )
    if run(["git", "fetch"], variables(own_home=True)):
        raise Stop("Nothing was updated: git fetch failed, the lines above say why.")
    if git("merge-base", "--is-ancestor", "HEAD", "@{upstream}") is None:
        raise Stop(
            "Nothing was updated: this branch has commits of its own, or follows no other. "
            '`git status` says which; to join both: git merge "@{upstream}"'  # PowerShell reads @{
        )
    worked_in, new = notebooks_that_differ("HEAD"), notebooks_that_differ("HEAD", "@{upstream}")
    for name in sorted(worked_in & new):
        put_aside(env.ROOT / name)
        must_git("checkout", "HEAD", "--", name)
    must_git("merge", "--ff-only", "@{upstream}")
    return 0


def notebooks_that_differ(*commits):
    """The notebooks in which two commits, or one and the folder, differ: a set of names.

    A notebook that got another name counts twice: the old name is one that the update removes.
    """
    listed = git("diff", "--name-only", "--no-renames", "-z", *commits, "--", "notebooks")
    return {*listed.split("\0")} - {""}


def put_aside(path):
    """Copy a notebook that someone worked in to notebooks/kept/, under a name that is free."""
    if path.exists():
        kept = env.put_aside(path, env.ROOT / "notebooks")
        say(f"{path.name} as you left it is now {kept.relative_to(env.ROOT).as_posix()}.")


def git(*arguments):
    """What git answers in the repository, or None where it can't."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=str(env.ROOT),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    return None if done.returncode else done.stdout.decode("utf-8", "surrogateescape")


def must_git(*arguments):
    if run(["git", *arguments], variables(own_home=True)):
        raise Stop("The update stopped: the lines above are git's and say why.")


def open_lab(python, browser, port):
    """Start JupyterLab and wait for its end."""
    choose_port(port)  # says at once if there is none
    folder, first = own_notebooks() if env.is_shared() else (env.ROOT, FIRST_NOTEBOOK)
    code = run([python, "-m", "course_utils.env", "--quiet"])
    if code == env.REINSTALL:
        set_up(env.installed_lock(venv_version()) or env.LOCK, again=True)
    elif code:
        say("The lab opens all the same; the lines above say what to repair.")
    try:
        return serve(python, browser, port, folder, first)
    except KeyboardInterrupt:
        say("\nThe lab is closed.")
        return 0


def serve(python, browser, asked, folder, first):
    """Run JupyterLab on the asked-for port, or on the first that is free when it listens."""
    for _ in range(TIMES):
        port = choose_port(asked)
        code = run(jupyter_command(python, browser, port, asked is None, folder, first))
        if code != 1 or asked or env.port_is_free(port):
            break
        # JupyterLab took the next port if this one was in use by then; but where another lab takes
        # that within the same instant it gives up, sometimes after it has printed the address.
        say("Another program was faster: JupyterLab starts again, on another port.")
    return code


def own_notebooks():
    """This user's folder, where the installation is shared, with the notebooks. -> it, the first"""
    folder = env.own_folder()
    if (folder / "lab.py").exists():
        raise Stop(
            f"{folder}, where your notebooks would be, is a copy of the lab itself: start its own "
            "lab.py, or set LAB_FOLDER to another folder."
        )
    try:
        _, kept = env.bring_notebooks(env.ROOT / "notebooks", folder)
        if not os.access(str(folder), os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise Stop(
            f"Your notebooks cannot be put into {folder} ({error.strerror}): "
            "set LAB_FOLDER to a folder that you may write."
        ) from None
    changed = f"; what you did in {', '.join(kept)} is in kept/ there" if kept else ""
    say(f"A shared installation: your notebooks and your ledger are in {folder}{changed}.")
    return folder, os.path.basename(FIRST_NOTEBOOK)


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


def jupyter_command(python, browser, port, or_next=False, folder=None, first=FIRST_NOTEBOOK):
    """The command that serves a folder, the repository's unless given, and opens a notebook."""
    folder = folder or env.ROOT
    first = first if (folder / first).exists() else ""
    command = [
        python,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={folder}",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        f"--ServerApp.port_retries={49 if or_next else 0}",
        "--ServerApp.answer_yes=True",  # Ctrl-C ends the lab without asking
        "--Application.log_level=WARN",
        f"--LabApp.default_url=/lab/tree/{first}" if first else "--LabApp.default_url=/lab",
        # The tabs of the user's other projects do not belong here.
        f"--LabApp.workspaces_dir={jupyter_folder() / 'lab' / 'workspaces'}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    if not browser:
        command.append("--no-browser")
    if "microsoft" in platform.release().lower():  # WSL: Windows' browser can't open its files
        command.append("--ServerApp.use_redirect_file=False")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # a container; the server listens on 127.0.0.1 only
    return command


# For the exports of nbconvert and of JupyterLab's menu: pages whose pictures have their alt text.
EXPORTS = {
    "HTMLExporter": {"template_name": "lab-pictures"},
    "SlidesExporter": {"template_name": "reveal"},  # it is an HTMLExporter, with its own template
}
# A file that is chosen in a notebook comes in one message. By itself a server ends the connection
# of one of more than 10 MB.
SERVER = {
    **EXPORTS,
    "ServerApp": {"tornado_settings": {"websocket_max_message_size": 2**28}},
}


def jupyter_folder():
    """Where JupyterLab keeps what is this user's and the lab's alone."""
    return env.own_folder() / ".jupyter" if env.is_shared() else env.VENV / "share" / "jupyter"


JUPYTER_SETTINGS = {
    "etc/jupyter/jupyter_nbconvert_config.json": EXPORTS,
    "etc/jupyter/jupyter_server_config.json": SERVER,
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
VIEWS = env.ROOT / "course_utils" / "views"
JUPYTER_FILES = {  # of `VIEWS`, and where Jupyter reads them
    "labextension/package.json": "labextensions/lab-pictures/package.json",
    "labextension/static/remoteEntry.js": "labextensions/lab-pictures/static/remoteEntry.js",
    "nbconvert/conf.json": "nbconvert/templates/lab-pictures/conf.json",
    "nbconvert/index.html.j2": "nbconvert/templates/lab-pictures/index.html.j2",
}


def write_jupyter_settings():
    """JupyterLab without pop-ups, pictures where a widget's kernel is gone, and their alt texts.

    The .venv keeps them, so `jupyter lab` there has them too.
    """
    texts = {
        name: json.dumps(settings, indent=2) + "\n" for name, settings in JUPYTER_SETTINGS.items()
    }
    for file, place in JUPYTER_FILES.items():
        texts[f"share/jupyter/{place}"] = (VIEWS / file).read_text(encoding="utf-8")
    for name, text in texts.items():
        path = env.VENV / name
        path.parent.mkdir(parents=True, exist_ok=True)
        env.write_whole(path, text.encode())


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
    # What takes minutes comes first, so that no worker is left with it at the end.
    longest = [f"tests/unit/test_{name}.py" for name in LONGEST]
    in_order = [*workers, "--no-loadscope-reorder"]
    return [
        ("unit", [*longest, "course_utils", "tests/unit", "tests/faults", *in_order, *rest]),
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


def run(command, names=None):
    """Run a command in the repository with these variables, or the lab's; returns its exit code.

    Of one that a signal ended that is 128 and the signal's number, as a shell has it.
    Ctrl-C reaches the command from the terminal as it reaches us: it is given the time to
    end by itself, and so is it when we are told to terminate.
    """
    sys.stdout.flush()
    process = subprocess.Popen(command, cwd=str(env.ROOT), env=names or variables())
    try:
        code = process.wait()
        if code == -signal.SIGINT:  # Ctrl-C ended it, and is still on its way to us
            time.sleep(1)
            raise KeyboardInterrupt
        return code if code >= 0 else 128 - code
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


def variables(own_home=False):
    """The environment of everything that lab.py starts.

    Args:
        own_home: leave the user's home folder in its place even where it can't be written: Git
            and pip read there how a server is reached, and with which key.
    """
    names = {
        **os.environ,
        "PYTHONUTF8": "1",  # text files are UTF-8 on Windows too
        "JUPYTER_PREFER_ENV_PATH": "1",  # this .venv's kernel before one of the same name at home
        "VIRTUAL_ENV": str(env.VENV),
        "LAB_CALLED_FROM": os.getcwd(),  # commands run in the repository, whatever folder that is
    }
    # The .venv's packages and no others; and their bytecode kept, which uv leaves to the first
    # import: without it JupyterLab takes twice as long to start, every time. Nor any other
    # variable that changes how Python works: with PYTHONINSPECT each step would end in a prompt.
    for name in [name for name in names if name.startswith("PYTHON")]:
        if name not in ("PYTHONUTF8", "PYTHONUNBUFFERED", "PYTHONHASHSEED"):
            del names[name]
    # Not in the user's ~/.local: a browser from a snap may not open the file there that holds
    # the lab's address, and after a `sudo jupyter` nobody may write there.
    names.setdefault("JUPYTER_RUNTIME_DIR", str(jupyter_folder() / "runtime"))
    return names if own_home else {**names, **env.home_variables(names)}


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
    except OSError as error:  # a folder that is a file, a disk that fails, another's rights, ...
        what = f"{error.filename}: {error.strerror}" if error.filename else error
        print(f"lab.py: {what}. To see what is wrong: python3 lab.py doctor", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nlab.py: interrupted. Run it again whenever you like.", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(start())
