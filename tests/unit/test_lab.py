"""lab.py: set-up, its repair, ports, tests and their sum. Nothing here needs a network."""

import ast
import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from course_utils import env

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("lab", ROOT / "lab.py")
lab = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lab)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository without .venv, and a `run` that makes real environments but no packages."""
    root = tmp_path / "lab"
    root.mkdir()
    (root / "requirements.txt").write_text("numpy==2.0\n")
    (root / env.TEST_LOCK).write_text("numpy==2.0\nruff==1.0\n")
    (root / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(env, "ROOT", root)
    monkeypatch.setattr(env, "VENV", root / ".venv")
    monkeypatch.setattr(env, "STAMP", root / ".venv" / "lab-stamp")
    monkeypatch.setattr(env, "HOME", root / ".venv" / "home")
    monkeypatch.setattr(lab.shutil, "which", lambda name: "/bin/uv" if name == "uv" else None)
    commands = []
    answers = {}  # a word of the command -> exit code, or an exception to raise
    given = []  # the environment of each command, None for the lab's

    def run(command, names=None):
        commands.append(command)
        given.append(names)
        for word, answer in answers.items():
            if word in command:
                if isinstance(answer, BaseException):
                    raise answer
                return answer
        if "venv" in command:  # always without pip, which takes seconds
            command = [word for word in command if word != "--without-pip"]
            return subprocess.run([*command, "--without-pip"], check=False).returncode
        return 0

    monkeypatch.setattr(lab, "run", run)
    return SimpleNamespace(
        root=root, venv=root / ".venv", commands=commands, answers=answers, given=given
    )


def site_packages(checkout):
    """The folder of installed packages in the checkout's .venv."""
    return next(
        folder
        for pattern in ("lib/python*/site-packages", "Lib/site-packages")
        for folder in checkout.venv.glob(pattern)
    )


def install_package(checkout, name, size_on_disk=4):
    """A package whose RECORD promises one file of four bytes."""
    site = site_packages(checkout)
    (site / f"{name}.py").write_bytes(b"abcdefgh"[:size_on_disk])
    dist_info = site / f"{name}-1.0.dist-info"
    dist_info.mkdir()
    (dist_info / "RECORD").write_text(f"{name}.py,sha256=x,4\n{name}-1.0.dist-info/RECORD,,\n")
    return dist_info


# --- set-up ---------------------------------------------------------------------------------


def test_the_first_run_installs_the_lock_then_the_repository_then_stamps(checkout):
    python = lab.set_up()
    venv, packages, repository = checkout.commands
    assert venv[1:3] == ["-m", "venv"]
    assert packages[-1] == str(checkout.root / "requirements.txt")
    assert repository[-2:] == ["--editable", str(checkout.root)]
    assert all(command[:3] == ["/bin/uv", "pip", "install"] for command in (packages, repository))
    assert python in packages
    assert env.STAMP.read_text() == env.fingerprint(env.python_version())


def test_a_second_run_starts_no_command(checkout):
    lab.set_up()
    checkout.commands.clear()
    lab.set_up()
    assert checkout.commands == []


@pytest.mark.parametrize("step", ["-r", "--editable"])
def test_an_interrupted_install_leaves_no_stamp_and_the_next_run_finishes_it(checkout, step):
    checkout.answers[step] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        lab.set_up()
    assert not env.STAMP.exists()
    checkout.answers.clear()
    checkout.commands.clear()
    lab.set_up()
    assert [command[1:3] for command in checkout.commands] == [["pip", "install"]] * 2
    assert lab.is_installed()


def test_an_install_without_a_network_stops_with_one_sentence(checkout):
    checkout.answers["-r"] = 1
    with pytest.raises(lab.Stop, match=r"no network, connect it; then run lab\.py again"):
        lab.set_up()
    assert not lab.is_installed()


def test_a_changed_lock_installs_again_in_the_same_venv(checkout):
    lab.set_up()
    checkout.commands.clear()
    (checkout.root / "requirements.txt").write_text("numpy==2.1\n")
    lab.set_up()
    assert len(checkout.commands) == 2
    assert not any("venv" in command for command in checkout.commands)


def test_an_update_that_is_interrupted_counts_as_unfinished(checkout):
    lab.set_up()
    (checkout.root / "requirements.txt").write_text("numpy==2.1\n")
    checkout.answers["-r"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        lab.set_up()
    (checkout.root / "requirements.txt").write_text("numpy==2.0\n")  # even back at the old lock
    assert not lab.is_installed()


def test_a_moved_repository_is_installed_again(checkout, monkeypatch):
    lab.set_up()
    moved = checkout.root.with_name("moved")
    checkout.root.rename(moved)
    monkeypatch.setattr(env, "ROOT", moved)
    monkeypatch.setattr(env, "VENV", moved / ".venv")
    monkeypatch.setattr(env, "STAMP", moved / ".venv" / "lab-stamp")
    assert not lab.is_installed()


def test_a_venv_without_a_python_that_works_is_made_anew(checkout):
    lab.set_up()
    leftover = checkout.venv / "leftover"
    leftover.touch()
    Path(lab.venv_python()).unlink()
    assert not lab.is_installed()
    lab.set_up()
    assert lab.works(lab.venv_python())
    assert not leftover.exists()


def test_packages_that_were_cut_short_are_installed_again_and_the_others_stay(checkout, capsys):
    lab.set_up()
    whole = install_package(checkout, "whole")
    short = install_package(checkout, "short", size_on_disk=3)
    missing = install_package(checkout, "missing")
    (site_packages(checkout) / "missing.py").unlink()
    unrecorded = install_package(checkout, "unrecorded")
    (unrecorded / "RECORD").unlink()
    env.STAMP.unlink()
    lab.set_up()
    assert whole.exists()
    assert not any(path.exists() for path in (short, missing, unrecorded))
    assert "Repairing short-1.0" in capsys.readouterr().out


@pytest.mark.parametrize("repaired", [True, False])
def test_a_package_that_is_damaged_in_the_installers_cache_is_fetched_again(
    checkout, monkeypatch, repaired, capsys
):
    lab.set_up()
    checkout.commands.clear()
    run = lab.run

    def installing(command, names=None):
        if "-r" in command and not list(site_packages(checkout).glob("whole*.dist-info")):
            good = repaired and "--no-cache" in command
            install_package(checkout, "whole", size_on_disk=4 if good else 3)
        return run(command, names)

    monkeypatch.setattr(lab, "run", installing)
    if repaired:
        lab.set_up(again=True)
        assert lab.is_installed()
    else:
        with pytest.raises(lab.Stop, match="is this disk failing"):
            lab.set_up(again=True)
        assert not lab.is_installed()
    assert ["--no-cache" in command for command in checkout.commands if "-r" in command] == [
        False,
        True,
    ]
    assert "Repairing whole-1.0" in capsys.readouterr().out


def test_developers_tools_come_with_the_tests_and_stay(checkout, monkeypatch):
    monkeypatch.setattr(lab, "run_tests", lambda python, rest: 0)
    lab.set_up()
    assert not any(env.TEST_LOCK in word for command in checkout.commands for word in command)
    checkout.commands.clear()
    assert lab.main(["test"]) == 0
    assert [command[-1] for command in checkout.commands] == [
        str(checkout.root / env.TEST_LOCK),
        str(checkout.root),
    ]
    checkout.commands.clear()
    lab.set_up()  # opening needs nothing of it, and has it all
    assert lab.main(["test"]) == 0
    assert checkout.commands == []


def test_an_import_that_fails_makes_install_replace_every_package(checkout):
    lab.set_up()
    checkout.commands.clear()
    checkout.answers["--imports"] = 1
    assert lab.main(["install"]) == 1
    assert "--reinstall" in checkout.commands[1]
    assert ["--imports" in command for command in checkout.commands] == [True, False, False, True]


def test_pip_installs_where_there_is_no_uv(checkout, monkeypatch):
    monkeypatch.setattr(lab.shutil, "which", lambda name: None)
    lab.set_up()
    assert "--without-pip" not in checkout.commands[0]
    assert checkout.commands[-2][1:4] == ["-m", "pip", "install"]
    assert checkout.commands[-1][1:4] == ["-m", "pip", "install"]


def with_fetched_uv(monkeypatch):
    """No uv on the PATH, but one as a wheel. -> its program"""
    works = lab.works
    uv = str(env.VENV / "lab-uv" / "bin" / ("uv.exe" if os.name == "nt" else "uv"))
    monkeypatch.setattr(lab.shutil, "which", lambda name: None)
    monkeypatch.setattr(lab, "works", lambda program, *rest: program == uv or works(program, *rest))
    return uv


def test_uv_is_fetched_as_a_wheel_and_installs_from_where_pip_would(checkout, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror/simple")
    settings = {"PIP_TRUSTED_HOST": "mirror", "PIP_FIND_LINKS": "/wheels /more"}
    monkeypatch.setattr(lab, "pip_settings", lambda python: settings)
    uv = with_fetched_uv(monkeypatch)
    lab.set_up()
    packages, repository = checkout.commands[-2:]
    assert [packages[0], repository[0]] == [uv, uv]
    for names in checkout.given[-2:]:
        assert names["UV_DEFAULT_INDEX"] == "https://mirror/simple"
        assert names["UV_INSECURE_HOST"] == "mirror"
        assert names["UV_FIND_LINKS"] == "/wheels,/more"
    assert env.STAMP.exists()


def test_pip_installs_where_the_fetched_uv_fails(checkout, monkeypatch, capsys):
    uv = with_fetched_uv(monkeypatch)
    checkout.answers[uv] = 2
    lab.set_up()
    assert [command[0] == uv for command in checkout.commands[-3:]] == [True, False, False]
    assert "uv did not install all of it: pip does." in capsys.readouterr().out
    assert env.STAMP.exists()


@pytest.mark.parametrize("setting", ["PIP_CLIENT_CERT", "PIP_KEYRING_PROVIDER", "PIP_USE_FEATURE"])
def test_what_only_pip_understands_is_left_to_pip(setting, checkout, monkeypatch):
    with_fetched_uv(monkeypatch)
    monkeypatch.setattr(lab, "pip_settings", lambda python: {setting: "x"})
    lab.set_up()
    assert all(command[2] == "pip" for command in checkout.commands[-2:])


def test_a_venv_made_by_uv_gets_its_pip_when_uv_is_gone(checkout, monkeypatch):
    lab.set_up()
    env.STAMP.unlink()
    checkout.commands.clear()
    monkeypatch.setattr(lab.shutil, "which", lambda name: None)
    lab.set_up()
    assert [command[2] for command in checkout.commands] == ["ensurepip", "pip", "pip", "pip"]


def test_without_uv_and_pip_the_package_to_install_is_named(checkout, monkeypatch):
    monkeypatch.setattr(lab.shutil, "which", lambda name: None)
    monkeypatch.setattr(lab, "works", lambda python, *arguments: False)
    with pytest.raises(lab.Stop, match=r"apt-get install python3\.\d+-venv"):
        lab.set_up()


def test_no_write_access(checkout, monkeypatch):
    def refuse(**keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(lab.tempfile, "NamedTemporaryFile", refuse)
    with pytest.raises(lab.Stop, match="copy the repository to a folder of your own"):
        lab.set_up()
    assert checkout.commands == []


def test_no_room_on_the_disk(checkout, monkeypatch):
    monkeypatch.setattr(lab.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    with pytest.raises(lab.Stop, match=r"Only 1\.0 GB are free.*make room"):
        lab.set_up()
    assert not checkout.venv.exists()


def test_a_machine_without_packages_is_told_before_anything_is_made(checkout, monkeypatch):
    told = env.Check("platform", False, "Plan9 mips; TensorFlow has no package for it", "do\nthat")
    monkeypatch.setattr(env, "check_platform", lambda: told)
    with pytest.raises(lab.Stop, match=r"Plan9 mips.*Run instead:\n    do\n    that"):
        lab.set_up()
    assert checkout.commands == []


def test_a_python_built_without_what_the_lab_needs(checkout, monkeypatch):
    works = lab.works
    monkeypatch.setattr(lab, "works", lambda *words: "sqlite3" not in words[-1] and works(*words))
    with pytest.raises(lab.Stop, match=r"was built without sqlite3.*start lab\.py with another"):
        lab.set_up()
    assert checkout.commands == []


def test_a_folder_whose_name_no_venv_may_have(checkout, monkeypatch):
    monkeypatch.setattr(env, "ROOT", checkout.root.with_name(f"a{os.pathsep}b"))
    with pytest.raises(lab.Stop, match="rename the folder"):
        lab.require_folder()


@pytest.mark.skipif(not hasattr(os, "ST_NOEXEC"), reason="2026-11-30: Linux alone can tell")
def test_a_disk_that_starts_no_programs(checkout, monkeypatch):
    monkeypatch.setattr(lab.os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_NOEXEC))
    with pytest.raises(lab.Stop, match="noexec.*copy the repository to another disk"):
        lab.require_folder()


def test_a_disk_without_symbolic_links(checkout, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    assert lab.has_links(checkout.root)
    monkeypatch.setattr(lab.os, "symlink", refuse)
    monkeypatch.setattr(lab, "is_windows", lambda: False)
    with pytest.raises(lab.Stop, match="has no symbolic links.*start it there"):
        lab.require_folder()
    assert list(checkout.root.glob(".link-test-*")) == []


@pytest.mark.parametrize(("length", "allowed", "stops"), [
    (53, False, False), (54, False, True), (54, True, False)
])  # fmt: skip
def test_a_folder_too_deep_for_windows(monkeypatch, length, allowed, stops):
    monkeypatch.setattr(lab, "is_windows", lambda: True)
    monkeypatch.setattr(lab, "windows_allows_long_paths", lambda: allowed)
    root = "C:\\".ljust(length, "x")
    if stops:
        with pytest.raises(lab.Stop, match=r"paths of 260 characters.*such as C:\\lab"):
            lab.require_short_paths(root)
    else:
        lab.require_short_paths(root)


def test_no_package_of_the_lock_has_a_longer_path_than_is_asked_for():
    paths = [str(file) for package in env.metadata.distributions() for file in package.files or ()]
    scripts_and_data = [len(path) - len("../../../") for path in paths if path.startswith("..")]
    modules = [len(f"Lib/site-packages/{path}") for path in paths if not path.startswith("..")]
    assert max(modules) > 100  # the packages were seen
    assert max(*scripts_and_data, *modules) <= lab.LONGEST_IN_VENV


# --- the installer's settings ---------------------------------------------------------------

ELSEWHERE = {
    "PIP_USER": "1", "PIP_TARGET": "/x", "PIP_PREFIX": "/x", "PIP_ROOT": "/x", "PIP_PYTHON": "/x",
    "PIP_REQUIRE_HASHES": "1", "PIP_CONSTRAINT": "/x", "PIP_DRY_RUN": "1", "PIP_NO_BINARY": ":all:",
    "UV_REQUIRE_HASHES": "1", "UV_CONSTRAINT": "/x", "UV_EXCLUDE_NEWER": "2020-01-01",
    "UV_SYSTEM_PYTHON": "1", "UV_NO_BUILD": "1",
}  # fmt: skip
REACHED = {
    "PIP_INDEX_URL": "https://i", "PIP_FIND_LINKS": "/wheels", "PIP_NO_INDEX": "1",
    "PIP_CERT": "/c", "PIP_PROXY": "p", "PIP_TRUSTED_HOST": "h", "PIP_CACHE_DIR": "/c",
    "UV_DEFAULT_INDEX": "https://i", "UV_FIND_LINKS": "/wheels", "UV_OFFLINE": "1",
    "UV_NATIVE_TLS": "1", "UV_CACHE_DIR": "/c", "HTTPS_PROXY": "p", "SSL_CERT_FILE": "/c",
}  # fmt: skip


def test_the_user_says_how_packages_are_reached_and_the_lab_where_they_go():
    names = lab.installer_variables({**ELSEWHERE, **REACHED, "HOME": "/h"}, {})
    assert names == {**REACHED, "HOME": "/h", "PIP_CONFIG_FILE": os.devnull}


def test_settings_in_pips_files_count_as_variables_do(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://one\nfind-links =\n  /a\n  /b\ntrusted-host = h\n"
        "[install]\nuser = true\nindex-url = https://two\n[download]\nindex-url = https://no\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_TRUSTED_HOST", "mine")
    monkeypatch.setenv("PIP_TARGET", str(tmp_path))
    python = python_with_pip()
    names = lab.installer_variables(dict(os.environ), lab.pip_settings(python))
    assert names["PIP_FIND_LINKS"].split() == ["/a", "/b"]
    assert names["PIP_INDEX_URL"] == "https://two"
    assert names["PIP_TRUSTED_HOST"] == "mine"
    assert names["PIP_CONFIG_FILE"] == os.devnull
    assert not {"PIP_USER", "PIP_TARGET"} & set(names)


def python_with_pip():
    """A Python that has pip: uv makes environments without."""
    for python in (sys.executable, sys._base_executable, shutil.which("python3")):
        if python and lab.works(python, "-m", "pip", "--version"):
            return python
    return pytest.skip("2026-11-30: no Python here has pip")


def test_both_steps_of_an_installation_get_only_settings_that_reach_packages(checkout, monkeypatch):
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("UV_CONSTRAINT", "/x")
    lab.set_up()
    venv, packages, repository = checkout.given
    assert venv is None
    for names in (packages, repository):
        assert not {"PIP_USER", "UV_CONSTRAINT"} & set(names)
        assert names["VIRTUAL_ENV"] == str(checkout.venv)


def test_an_installation_that_stops_names_the_settings_that_it_followed(checkout, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://nowhere")
    checkout.answers["-r"] = 1
    with pytest.raises(lab.Stop, match=r"the lines above say why.*settings.*UV_DEFAULT_INDEX"):
        lab.set_up()


@pytest.mark.skipif(os.name == "nt", reason="2026-11-22: flock is POSIX; Windows locks otherwise")
def test_two_at_once_install_one_after_the_other(checkout, capsys):
    import fcntl

    lock = open(checkout.root / ".lab-lock", "w")  # noqa: SIM115  (closed by the other side)
    fcntl.flock(lock, fcntl.LOCK_EX)
    signal.signal(signal.SIGALRM, lambda *_: lock.close())
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with lab.one_at_a_time():
        assert lock.closed
    assert "waiting" in capsys.readouterr().out


# --- the command line -----------------------------------------------------------------------


def test_opening_is_the_default():
    command, options, rest = lab.parse([])
    assert (command, options.browser, options.port, rest) == ("open", True, None, [])
    command, options, rest = lab.parse(["--no-browser", "--port", "8899"])
    assert (command, options.browser, options.port, rest) == ("open", False, 8899, [])


def test_what_follows_the_commands_for_others_is_handed_on():
    assert lab.parse(["test", "-k", "mask"]) == ("test", None, ["-k", "mask"])
    assert lab.parse(["build", "02"]) == ("build", None, ["02"])
    assert lab.parse(["collect", "class", "--csv", "a.csv"])[2] == ["class", "--csv", "a.csv"]
    assert lab.parse(["figures"]) == ("figures", None, [])


@pytest.mark.parametrize(
    "arguments", [["tset"], ["--port", "0"], ["--port", "x"], ["--port", "65536"], ["doctor", "2"]]
)
def test_a_wrong_command_line_ends_with_usage(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        lab.parse(arguments)
    assert ended.value.code == 2
    assert "usage: lab.py" in capsys.readouterr().err


def test_unsupported_pythons_are_told_what_to_run(monkeypatch):
    there = []
    monkeypatch.setattr(lab, "starts", lambda command: command[0] in there)
    assert "python.org" in lab.unsupported((3, 9, 2))
    there.append("uv")
    assert "run: uv run" in lab.unsupported((3, 14))
    there.append("python3.11")
    assert "run: python3.11 lab.py" in lab.unsupported((3, 14))


@pytest.mark.skipif(os.name == "nt", reason="2026-12-01: pyenv's shims are shell scripts")
def test_a_shim_of_pyenv_that_starts_nothing_is_not_advised(tmp_path, monkeypatch):
    shims, version = tmp_path / "shims", tmp_path / "versions" / "3.12.1" / "bin"
    for folder, name, text in ((shims, "python3.12", "exit 127"), (version, "python3", "exit 0")):
        folder.mkdir(parents=True)
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(shims))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert lab.unsupported((3, 9)).endswith(f"run: {version / 'python3'} lab.py")
    (version / "python3").write_text("#!/bin/sh\nexit 1\n")
    assert "python.org" in lab.unsupported((3, 9))


def test_the_first_line_that_python_2_cannot_read_says_what_to_run():
    tree = ast.parse((ROOT / "lab.py").read_text(encoding="ascii"))
    first = next(n for n in tree.body[1:] if not isinstance(n, ast.Import))
    assert isinstance(first, ast.Expr)
    assert isinstance(first.value, ast.JoinedStr)  # no Python before 3.6 knows it
    assert "run: python3 lab.py" in ast.unparse(first)


def test_lab_env_and_pyproject_agree_on_the_pythons():
    text = (ROOT / "pyproject.toml").read_text()
    low, high = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', text).groups()
    assert ((3, int(low)), (3, int(high) - 1)) == env.PYTHONS
    for minor in range(8, 16):
        assert (lab.unsupported((3, minor)) is None) == env.python_is_supported((3, minor))


def test_lab_and_env_import_the_standard_library_only_and_lab_parses_on_old_pythons():
    for path in (ROOT / "lab.py", ROOT / "course_utils" / "env.py"):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, feature_version=(3, 7))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module]
            for name in names:
                top = name.split(".")[0]
                allowed = {*sys.stdlib_module_names, "course_utils"}
                if path.name == "env.py":
                    allowed.add("packaging")  # within a function, and its lack is handled
                assert top in allowed, f"{path.name} imports {name}"


# --- opening --------------------------------------------------------------------------------


@pytest.fixture
def taken_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_in_use_is_one_sentence_and_a_way_on(taken_port):
    with pytest.raises(lab.Stop, match=f"Port {taken_port} is in use.*takes a free one"):
        lab.choose_port(taken_port)


def test_without_a_port_the_next_free_one_is_taken(taken_port, monkeypatch):
    monkeypatch.setattr(env, "FIRST_PORT", taken_port)
    monkeypatch.setattr(env.free_port, "__defaults__", (taken_port, 50))
    assert taken_port < lab.choose_port(None) < taken_port + 50


def test_jupyterlab_is_local_keeps_its_token_and_opens_notebook_00(checkout):
    (checkout.root / "notebooks").mkdir()
    (checkout.root / lab.FIRST_NOTEBOOK).touch()
    command = lab.jupyter_command("python", browser=False, port=8899)
    assert "--ServerApp.port_retries=0" in command  # that port or none
    assert "--ServerApp.ip=127.0.0.1" in command
    assert "--ServerApp.port=8899" in command
    assert "--no-browser" in command
    assert f"--LabApp.default_url=/lab/tree/{lab.FIRST_NOTEBOOK}" in command
    assert not any("token" in word or "password" in word for word in command)
    assert "--no-browser" not in lab.jupyter_command("python", browser=True, port=8899)


def test_the_settings_without_pop_ups_are_where_jupyterlab_reads_them(checkout):
    lab.write_jupyter_settings()
    assert "announcements" in (checkout.venv / "etc/jupyter/labconfig/page_config.json").read_text()
    assert (
        '"fetchNews": "false"'
        in (checkout.venv / "share/jupyter/lab/settings/overrides.json").read_text()
    )


def test_jupyterlab_finds_the_extension_that_shows_pictures_without_a_kernel(checkout):
    lab.set_up()
    extension = checkout.venv / "share/jupyter/labextensions/lab-pictures"
    about = json.loads((extension / "package.json").read_text())
    assert (extension / about["jupyterlab"]["_build"]["load"]).is_file()
    assert about["name"] in (extension / "static/remoteEntry.js").read_text()


def test_packages_changed_by_hand_are_repaired_before_the_lab_opens(checkout):
    lab.set_up()
    checkout.commands.clear()
    checkout.answers["--quiet"] = env.REINSTALL
    assert lab.open_lab(lab.venv_python(), browser=False, port=None) == 0
    assert [command[-1] for command in checkout.commands[:-1]] == [
        "--quiet",
        str(checkout.root / "requirements.txt"),
        str(checkout.root),
    ]
    assert "jupyterlab" in checkout.commands[-1]


def test_a_port_that_another_lab_took_meanwhile_is_left_to_it(checkout, monkeypatch, taken_port):
    ports = [taken_port] * 3 + [9999]  # it seemed free, then another was first
    tried = []

    def jupyter(command):
        if "jupyterlab" not in command:
            return 0
        tried.append(next(word for word in command if word.startswith("--ServerApp.port=")))
        return 0 if tried[-1].endswith("9999") else 1

    lab.set_up()
    monkeypatch.setattr(lab, "run", jupyter)
    monkeypatch.setattr(lab, "choose_port", lambda port: port or ports.pop(0))
    assert lab.open_lab("python", browser=False, port=None) == 0
    assert len(tried) == 3
    tried.clear()
    assert lab.open_lab("python", browser=False, port=taken_port) == 1  # it was asked for
    assert len(tried) == 1


def test_a_server_that_fails_by_itself_is_not_started_again(checkout):
    lab.set_up()
    checkout.commands.clear()
    checkout.answers["jupyterlab"] = 1
    assert lab.open_lab(lab.venv_python(), browser=False, port=None) == 1
    assert sum("jupyterlab" in command for command in checkout.commands) == 1


def test_ctrl_c_closes_the_lab_without_a_traceback(checkout, capsys):
    lab.set_up()
    checkout.answers["jupyterlab"] = KeyboardInterrupt()
    assert lab.open_lab(lab.venv_python(), browser=False, port=None) == 0
    assert "The lab is closed." in capsys.readouterr().out


# --- update ---------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder that the lab cannot write, and no settings of this machine."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith(("GIT_", "PIP_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setattr(env, "home_is_writable", lambda: False)
    return folder


def git(folder, *arguments):
    return subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
        cwd=folder, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


@pytest.fixture
def worked_in(home, tmp_path, monkeypatch):
    """(origin, clone): someone worked in 01 and 02, and a new version has another 01 and 03."""
    if not shutil.which("git"):
        pytest.skip("2026-11-30: git is not installed")
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    (origin / "notebooks").mkdir(parents=True)
    (origin / ".gitignore").write_text("/notebooks/kept/\nledger/\n")
    for number in ("01", "02", "03"):
        (origin / "notebooks" / f"{number}.ipynb").write_text(f"old {number}\n")
    git(origin, "init", "-q")
    git(origin, "add", "--all")
    git(origin, "commit", "-q", "-m", "x")
    git(tmp_path, "clone", "-q", str(origin), str(clone))
    for number in ("01", "03"):
        (origin / "notebooks" / f"{number}.ipynb").write_text(f"new {number}\n")
    git(origin, "commit", "-q", "-a", "-m", "y")
    for number in ("01", "02"):
        (clone / "notebooks" / f"{number}.ipynb").write_text(f"my {number}\n")
    (clone / "notebooks" / "ledger").mkdir()
    (clone / "notebooks" / "ledger" / "01.json").write_text("guesses")
    monkeypatch.setattr(env, "ROOT", clone)
    monkeypatch.setattr(env, "VENV", clone / ".venv")
    monkeypatch.setattr(env, "HOME", clone / ".venv" / "home")
    (clone / ".venv").mkdir()
    (clone / ".venv" / "pyvenv.cfg").touch()  # a home folder could be made in it
    return origin, clone


def texts(folder):
    return {path.name: path.read_text().strip() for path in sorted(folder.glob("*.ipynb"))}


def test_git_pull_alone_refuses_and_update_keeps_all_work(worked_in, capsys):
    _, clone = worked_in
    with pytest.raises(subprocess.CalledProcessError):
        git(clone, "pull", "-q")
    assert lab.update() == 0
    now = {"01.ipynb": "new 01", "02.ipynb": "my 02", "03.ipynb": "new 03"}
    assert texts(clone / "notebooks") == now
    assert texts(clone / "notebooks" / "kept") == {"01.ipynb": "my 01"}
    assert (clone / "notebooks" / "ledger" / "01.json").read_text() == "guesses"
    assert "01.ipynb as you left it is now notebooks/kept/01.ipynb" in capsys.readouterr().out


def test_a_second_update_keeps_both_and_one_without_news_moves_nothing(worked_in):
    origin, clone = worked_in
    lab.update()
    (clone / "notebooks" / "01.ipynb").write_text("my second 01\n")
    assert lab.update() == 0
    assert texts(clone / "notebooks")["01.ipynb"] == "my second 01"
    (origin / "notebooks" / "01.ipynb").write_text("newest 01\n")
    git(origin, "commit", "-q", "-a", "-m", "z")
    lab.update()
    assert texts(clone / "notebooks")["01.ipynb"] == "newest 01"
    kept = {"01-2.ipynb": "my second 01", "01.ipynb": "my 01"}
    assert texts(clone / "notebooks" / "kept") == kept


def test_an_update_that_git_could_not_do_moves_nothing(worked_in):
    _, clone = worked_in
    git(clone, "commit", "-q", "-m", "mine", "notebooks/02.ipynb")
    with pytest.raises(lab.Stop, match='commits of its own.* git merge "@{upstream}"'):
        lab.update()
    assert texts(clone / "notebooks")["01.ipynb"] == "my 01"
    assert not (clone / "notebooks" / "kept").exists()


def test_a_notebook_that_got_another_name_is_kept_too(worked_in):
    origin, clone = worked_in
    git(origin, "mv", "notebooks/02.ipynb", "notebooks/02_pruning.ipynb")
    git(origin, "commit", "-q", "-m", "z")
    assert lab.update() == 0
    now = {"01.ipynb": "new 01", "02_pruning.ipynb": "old 02", "03.ipynb": "new 03"}
    assert texts(clone / "notebooks") == now
    assert texts(clone / "notebooks" / "kept") == {"01.ipynb": "my 01", "02.ipynb": "my 02"}


def test_git_and_pip_find_the_users_settings_in_a_home_that_cannot_be_written(worked_in, home):
    _, clone = worked_in
    address = git(clone, "remote", "get-url", "origin").strip()
    git(clone, "remote", "set-url", "origin", "course:x")
    settings = f'[url "{address}"]\n\tinsteadOf = course:x\n[lab]\n\tmark = 1\n'
    (home / ".gitconfig").write_text(settings)
    assert lab.update() == 0  # git fetch
    lab.must_git("config", "--get", "lab.mark")
    pip = home / ("pip/pip.ini" if os.name == "nt" else ".pip/pip.conf")
    pip.parent.mkdir()
    pip.write_text("[global]\nindex-url = https://mine\n")
    assert lab.pip_settings(python_with_pip())["PIP_INDEX_URL"] == "https://mine"


def test_a_copy_within_another_repository_leaves_that_one_alone(worked_in, monkeypatch):
    _, clone = worked_in
    inside = clone / "courses" / "lab"
    inside.mkdir(parents=True)
    monkeypatch.setattr(env, "ROOT", inside)
    with pytest.raises(lab.Stop, match="not made with git clone"):
        lab.update()
    assert texts(clone / "notebooks")["03.ipynb"] == "old 03"


def test_a_copy_that_was_not_cloned_is_not_updated(checkout, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(checkout.root.parent))
    with pytest.raises(lab.Stop, match="download the repository again, into a new folder"):
        lab.update()
    assert checkout.commands == []


# --- doctor ---------------------------------------------------------------------------------


def copy_without_venv(folder):
    (folder / "course_utils").mkdir()
    for name in ("lab.py", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name in ("__init__.py", "env.py"):
        shutil.copy(ROOT / "course_utils" / name, folder / "course_utils")


def run_lab(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-B", str(folder / "lab.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_doctor_works_before_anything_is_installed_and_changes_nothing(tmp_path):
    copy_without_venv(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    done = run_lab(tmp_path, "doctor")
    assert done.returncode != 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert any(line.startswith("FIX environment: .venv is not made yet") for line in lines)
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        assert re.match(r"OK  \w|FIX \w|      \S", line)
        assert line.startswith("FIX") == following.startswith("      ") or line[0] == " "
    assert sorted(tmp_path.rglob("*")) == before


def test_doctor_looks_for_the_files_of_packages_and_install_repairs_them(checkout, capsys):
    lab.set_up()
    assert not env.unfinished_packages()
    install_package(checkout, "whole")
    (site_packages(checkout) / "whole.py").unlink()
    (check,) = [check for check in env.preflight() if check.name == "packages"]
    assert not check.ok
    assert "whole-1.0 lacks files" in check.detail
    assert check.fix
    assert lab.main(["install"]) == 0
    assert "Repairing whole-1.0" in capsys.readouterr().out


def test_lab_py_alone_says_what_it_lacks(tmp_path):
    shutil.copy(ROOT / "lab.py", tmp_path)
    done = run_lab(tmp_path)
    assert done.returncode == 1
    assert "extract the whole ZIP file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_python_that_is_told_to_import_nothing_beside_the_script(tmp_path):
    copy_without_venv(tmp_path)
    done = subprocess.run(
        [sys.executable, "-I", "-B", str(tmp_path / "lab.py"), "doctor"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert "FIX environment" in done.stdout


# --- the sum of the tests -------------------------------------------------------------------


def report(passed=0, failed=0, skipped=0):
    case, end = "<testcase>", "</testcase>"
    return (
        "<testsuites><testsuite>"
        + (case + end) * passed
        + (case + "<failure/>" + end) * failed
        + (case + "<skipped/>" + end) * skipped
        + "</testsuite></testsuites>"
    )


def run_fake_stages(monkeypatch, outcomes, rest=()):
    """Run `lab.py test` with stages that only report: a list of (exit code, report or None)."""
    outcomes = iter(outcomes)

    def run(command, names=None):
        code, text = next(outcomes)
        if text is not None:
            path = next(w for w in command if w.startswith("--junit-xml=")).split("=", 1)[1]
            Path(path).write_text(text)
        return code

    monkeypatch.setattr(lab, "run", run)
    return lab.run_tests("python", list(rest))


def test_the_last_line_is_the_sum_over_the_stages(monkeypatch, capsys):
    green = [(0, report(3, skipped=1)), (0, report(2)), (0, report(4)), (0, report(1))]
    assert run_fake_stages(monkeypatch, green) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "10 passed, 0 failed, 1 skipped"
    assert re.fullmatch(r"unit +3 passed, 0 failed, 1 skipped, \d+ s", lines[-5])


def test_what_tests_counted_is_printed_before_the_sums(monkeypatch, capsys):
    told = '<testcase><properties><property name="counted" value="0 differing"/></properties>'
    told = f"<testsuites><testsuite>{told}</testcase></testsuite></testsuites>"
    assert run_fake_stages(monkeypatch, [(0, told), *[(0, report(1))] * 3]) == 0
    assert capsys.readouterr().out.splitlines()[-6] == "0 differing"


def test_a_red_stage_makes_the_whole_red(monkeypatch, capsys):
    outcomes = [(0, report(3)), (1, report(1, failed=2)), (0, report(4)), (0, report(1))]
    assert run_fake_stages(monkeypatch, outcomes) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "9 passed, 2 failed"


def test_a_stage_that_dies_without_a_report_counts_as_failed(monkeypatch, capsys):
    outcomes = [(0, report(3)), (-11, None), (0, report(4)), (0, report(1))]
    assert run_fake_stages(monkeypatch, outcomes) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "8 passed, 1 failed"


def test_a_stage_that_collects_nothing_is_a_failure(monkeypatch, capsys):
    outcomes = [(0, report(3)), (5, report()), (0, report(4)), (0, report(1))]
    assert run_fake_stages(monkeypatch, outcomes) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "8 passed, 1 failed"


def test_a_stage_without_any_of_the_tests_that_the_user_selected_is_none(monkeypatch, capsys):
    outcomes = [(0, report(3)), (5, report()), (5, report()), (5, report())]
    assert run_fake_stages(monkeypatch, outcomes, ["-k", "mask"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "3 passed, 0 failed"
    assert run_fake_stages(monkeypatch, [(5, report())] * 4, ["-k", "nothing"]) == 1


def test_files_that_the_user_names_run_alone():
    assert lab.stages(["tests/unit/test_lab.py::test_x"]) == [
        ("chosen", ["tests/unit/test_lab.py::test_x"])
    ]
    assert [name for name, _ in lab.stages(["-k", "figures"])] == [
        "unit",
        "notebook tools",
        "notebooks",
        "browser",
    ]


# --- processes ------------------------------------------------------------------------------


def test_commands_see_utf8_and_no_packages_from_elsewhere(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PYTHONHOME", "/elsewhere")
    monkeypatch.setenv("PYTHONINSPECT", "1")  # each step would wait at a prompt
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    variables = lab.variables()
    assert variables["PYTHONUTF8"] == "1"
    assert not {"PYTHONPATH", "PYTHONHOME", "PYTHONINSPECT", "PYTHONWARNINGS"} & set(variables)


def test_jupyter_keeps_its_addresses_in_the_venv_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("JUPYTER_RUNTIME_DIR", raising=False)
    assert lab.variables()["JUPYTER_RUNTIME_DIR"].startswith(str(env.VENV))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", "/mine")
    assert lab.variables()["JUPYTER_RUNTIME_DIR"] == "/mine"


def test_the_browser_of_windows_gets_an_address_and_no_file_of_linux(checkout, monkeypatch):
    redirect = "--ServerApp.use_redirect_file=False"
    assert redirect not in lab.jupyter_command("python", browser=True, port=8899)
    monkeypatch.setattr(lab.platform, "release", lambda: "6.6.87.2-microsoft-standard-WSL2")
    assert redirect in lab.jupyter_command("python", browser=True, port=8899)


def test_nothing_is_created_in_a_home_that_cannot_be_written(checkout, monkeypatch, capsys):
    lab.set_up()
    monkeypatch.setattr(env, "home_is_writable", lambda: False)
    assert lab.variables()["HOME"] == str(env.HOME)
    lab.set_up()
    assert f"{env.HOME} takes its place" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="2026-11-22: Windows has no SIGINT to send to another")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_lab_and_what_it_started_without_a_traceback(tmp_path, number, code):
    child_id = tmp_path / "pid"
    child = (
        "import os, signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL);"
        f"open({str(child_id)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    )
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import lab\n"
        f"lab.main = lambda arguments: lab.run([sys.executable, '-c', {child!r}])\n"
        "sys.exit(lab.start())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        while not (child_id.exists() and child_id.read_text()):
            assert process.poll() is None
            time.sleep(0.05)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # a terminal sends Ctrl-C to both
        else:
            process.terminate()
        _, errors = process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert process.returncode == code
    assert "Traceback" not in errors
    with pytest.raises(ProcessLookupError):
        os.kill(int(child_id.read_text()), 0)


@pytest.mark.skipif(os.name == "nt", reason="2026-12-01: Windows has no signals to end a process")
def test_a_command_that_a_signal_ended_has_a_shells_exit_code(monkeypatch):
    def killed_by(name):
        how = f"import os, signal; signal.signal(signal.{name}, signal.SIG_DFL)"
        return lab.run([sys.executable, "-c", f"{how}; os.kill(os.getpid(), signal.{name})"])

    assert killed_by("SIGTERM") == 143
    waited = []
    monkeypatch.setattr(lab.time, "sleep", waited.append)
    with pytest.raises(KeyboardInterrupt):  # Ctrl-C reached the command first
        killed_by("SIGINT")
    assert waited
