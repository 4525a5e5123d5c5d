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
    (root / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(env, "ROOT", root)
    monkeypatch.setattr(env, "VENV", root / ".venv")
    monkeypatch.setattr(env, "STAMP", root / ".venv" / "lab-stamp")
    monkeypatch.setattr(lab.shutil, "which", lambda name: "/bin/uv" if name == "uv" else None)
    commands = []
    answers = {}  # a word of the command -> exit code, or an exception to raise

    def run(command):
        commands.append(command)
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
    return SimpleNamespace(root=root, venv=root / ".venv", commands=commands, answers=answers)


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


def test_a_second_run_does_nothing_and_is_quick(checkout):
    lab.set_up()
    checkout.commands.clear()
    start = time.monotonic()
    lab.set_up()
    assert time.monotonic() - start < 2
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


def test_pip_does_where_uv_is_not(checkout, monkeypatch):
    monkeypatch.setattr(lab.shutil, "which", lambda name: None)
    lab.set_up()
    assert "--without-pip" not in checkout.commands[0]
    assert checkout.commands[-2][1:4] == ["-m", "pip", "install"]
    assert checkout.commands[-1][1:4] == ["-m", "pip", "install"]


def test_a_venv_made_by_uv_gets_its_pip_when_uv_is_gone(checkout, monkeypatch):
    lab.set_up()
    env.STAMP.unlink()
    checkout.commands.clear()
    monkeypatch.setattr(lab.shutil, "which", lambda name: None)
    lab.set_up()
    assert [command[2] for command in checkout.commands] == ["ensurepip", "pip", "pip"]


def test_neither_uv_nor_pip(checkout, monkeypatch):
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
    monkeypatch.setattr(lab.shutil, "which", lambda name: None)
    assert "python.org" in lab.unsupported((3, 9, 2))
    monkeypatch.setattr(lab.shutil, "which", lambda name: name if name == "python3.11" else None)
    assert "run: python3.11 lab.py" in lab.unsupported((3, 14))
    monkeypatch.setattr(lab.shutil, "which", lambda name: name if name == "uv" else None)
    assert "run: uv run" in lab.unsupported((3, 14))


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
    assert "--ServerApp.ip=127.0.0.1" in command
    assert "--ServerApp.port=8899" in command
    assert "--no-browser" in command
    assert f"--LabApp.default_url=/lab/tree/{lab.FIRST_NOTEBOOK}" in command
    assert not any("token" in word or "password" in word for word in command)
    assert "--no-browser" not in lab.jupyter_command("python", browser=True, port=8899)


def test_the_settings_without_pop_ups_are_where_jupyterlab_reads_them(checkout):
    lab.write_jupyter_settings()
    assert "announcements" in (checkout.venv / "etc/jupyter/labconfig/page_config.json").read_text()
    assert '"fetchNews": "false"' in (
        checkout.venv / "share/jupyter/lab/settings/overrides.json"
    ).read_text()


def test_jupyterlab_finds_the_extension_that_shows_pictures_without_a_kernel(checkout):
    lab.set_up()
    extension = checkout.venv / "share/jupyter/labextensions/lab-pictures"
    about = json.loads((extension / "package.json").read_text())
    assert (extension / about["jupyterlab"]["_build"]["load"]).is_file()
    assert about["name"] in (extension / "static/remoteEntry.js").read_text()


def test_packages_changed_by_hand_are_repaired_before_the_lab_opens(checkout, monkeypatch):
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


def test_ctrl_c_closes_the_lab_without_a_traceback(checkout, capsys):
    lab.set_up()
    checkout.answers["jupyterlab"] = KeyboardInterrupt()
    assert lab.open_lab(lab.venv_python(), browser=False, port=None) == 0
    assert "The lab is closed." in capsys.readouterr().out


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
        timeout=60,
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

    def run(command):
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


def test_but_not_where_the_user_selected_tests(monkeypatch, capsys):
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
    variables = lab.variables()
    assert variables["PYTHONUTF8"] == "1"
    assert not {"PYTHONPATH", "PYTHONHOME"} & set(variables)


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
        deadline = time.monotonic() + 20
        while not (child_id.exists() and child_id.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # a terminal sends Ctrl-C to both
        else:
            process.terminate()
        _, errors = process.communicate(timeout=20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert process.returncode == code
    assert "Traceback" not in errors
    with pytest.raises(ProcessLookupError):
        os.kill(int(child_id.read_text()), 0)
