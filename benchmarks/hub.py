"""A class on a JupyterHub: simulated students log in, run a notebook and move a slider.

    .venv/bin/python benchmarks/hub.py --jupyterhub /opt/jupyterhub/bin/jupyterhub [--users 30]

It starts a hub of its own with deploy/jupyterhub_config.py as a trial on 127.0.0.1, its homes in a
temporary folder, and ends it again; nothing else is talked to. As root it runs the hub as `nobody`,
who cannot write to the installation. Needs configurable-http-proxy on the PATH.

Each student is a client in this process, not a browser: it logs in through the form, waits for its
server, reads JupyterLab's page and scripts, starts a kernel, sends all code cells of the notebook
at once, as Run All does, and then moves a slider, by the messages that JupyterLab would send. What
a browser does with the answers, drawing them, is not in the times. Students begin evenly spread
over `--within` seconds. The clock of Run All starts when the notebook is opened, before it has a
kernel. A cell that fails is counted, and the cells after it run all the same, which in JupyterLab
they would not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import re
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClosedError, websocket_connect

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
PROTOCOL = "v1.kernel.websocket.jupyter.org"
PATIENCE = 300  # seconds for any one step of a student
SLIDERS = {"SelectionSliderModel": "index", "IntSliderModel": "value", "FloatSliderModel": "value"}

# What waits for a prediction is opened: every picture is drawn, as for somebody who commits.
UNCOVER = "from course_utils.views import checks; checks.after = lambda ids, show: show()"


# --------------------------------------------------------------------------------------
# The hub
# --------------------------------------------------------------------------------------


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that are free now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in sockets]


@contextlib.contextmanager
def hub(command: str, folder: Path, password: str):
    """Run JupyterHub as a trial; give its address and process, and end it with all its servers."""
    public, internal, proxy = free_ports(3)
    address = f"http://{HOST}:{public}"
    arguments = [command, "-f", str(ROOT / "deploy" / "jupyterhub_config.py")]
    arguments += [f"--JupyterHub.hub_bind_url=http://{HOST}:{internal}"]
    arguments += [f"--ConfigurableHTTPProxy.api_url=http://{HOST}:{proxy}"]
    variables = {
        "LAB_HUB_SPAWNER": "simple",
        "LAB_HUB_TRIAL": str(folder / "home"),
        "LAB_HUB_PASSWORD": password,
        "LAB_HUB_ADDRESS": address,
        "HOME": str(folder),
    }
    user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    if user:
        shutil.chown(folder, "nobody", "nogroup")
    with (folder / "hub.log").open("w") as log:
        process = subprocess.Popen(
            arguments, cwd=folder, env={**os.environ, **variables}, stdout=log, stderr=log, **user
        )
    try:
        wait_for(address, process, folder / "hub.log")
        yield address, psutil.Process(process.pid)
    finally:
        end(process)


def wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    """Wait until the hub answers."""
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{address}/hub/health").status_code == 200:
                return
        time.sleep(0.2)
    sys.exit(f"JupyterHub does not serve:\n{log.read_text()[-3000:]}")


def end(process: subprocess.Popen) -> None:
    """End the hub, and what it leaves behind."""
    below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGTERM)  # it stops the servers that it started
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(60)
    for left in below:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()
    process.kill()
    process.wait()


# --------------------------------------------------------------------------------------
# A student
# --------------------------------------------------------------------------------------


class Failed(Exception):
    """What went wrong for one student, in a few words."""


FAILURES = (
    Failed, OSError, asyncio.TimeoutError, httpx.HTTPError, HTTPClientError, WebSocketClosedError,
)  # fmt: skip


@dataclass
class Student:
    """One student and the seconds of each step."""

    name: str
    address: str = ""
    web: httpx.AsyncClient = None
    seconds: dict = field(default_factory=dict)
    moves: list = field(default_factory=list)  # while others start
    together: list = field(default_factory=list)  # all students at once
    kernel: Kernel = None
    slider: tuple = ()
    failure: str = ""

    @property
    def base(self) -> str:
        return f"{self.address}/user/{self.name}"

    async def log_in(self, password: str) -> None:
        """Fill in the login form."""
        page = await self.web.get(f"{self.address}/hub/login")
        token = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        form = {"username": self.name, "password": password, "_xsrf": token[1] if token else ""}
        answer = await self.web.post(f"{self.address}/hub/login?next=/hub/home", data=form)
        if answer.status_code != 200 or "/login" in answer.url.path:
            raise Failed(f"login: {answer.status_code} at {answer.url.path}")

    async def start_server(self) -> None:
        """Ask for the server, follow its progress as the waiting page does, read JupyterLab's."""
        page = await self.web.get(f"{self.address}/hub/spawn")
        if page.status_code >= 400:
            raise Failed(f"server: {page.status_code} at {page.url.path}")
        url = f"{self.address}/hub/api/users/{self.name}/server/progress"
        state = {}
        async with self.web.stream("GET", url, params={"_xsrf": self.xsrf("/hub/")}) as events:
            async for line in events.aiter_lines():
                if line.startswith("data:"):
                    state = json.loads(line.removeprefix("data:"))
        if not state.get("ready"):
            raise Failed(f"server: {events.status_code} {state.get('message', 'no progress')}")
        page = await self.get(f"{self.base}/lab")
        for script in re.findall(r'<script[^>]+src="([^"]+)"', page.text):
            await self.get(self.address + script)

    def xsrf(self, path: str) -> str:
        """The token that a form or request below `path` must carry."""
        jar = self.web.cookies.jar
        return next((c.value for c in jar if c.name == "_xsrf" and c.path.startswith(path)), "")

    async def get(self, url: str) -> httpx.Response:
        answer = await self.web.get(url)
        if answer.status_code != 200:
            raise Failed(f"{answer.status_code} for {url.removeprefix(self.address)}")
        return answer

    async def notebook(self, number: str) -> tuple[str, list[str]]:
        """The path of the notebook of this number in the student's folder, and its code cells."""
        files = (await self.get(f"{self.base}/api/contents/")).json()["content"]
        path = next((f["path"] for f in files if f["name"].startswith(f"{number}_")), None)
        if path is None:
            raise Failed(f"no notebook {number} in the student's folder")
        book = (await self.get(f"{self.base}/api/contents/{path}")).json()["content"]
        return path, [UNCOVER, *(c["source"] for c in book["cells"] if c["cell_type"] == "code")]

    async def open(self, path: str) -> Kernel:
        """Start the notebook's kernel and connect to it."""
        answer = await self.web.post(
            f"{self.base}/api/sessions",
            json={"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}},
            headers={"X-XSRFToken": self.xsrf("/user/")},
        )
        if answer.status_code != 201:
            raise Failed(f"kernel: {answer.status_code} {answer.text[:80]}")
        kernel = Kernel()
        url = f"{self.base}/api/kernels/{answer.json()['kernel']['id']}/channels"
        url += f"?session_id={kernel.session}"
        cookie = self.web.build_request("GET", url).headers["cookie"]
        request = HTTPRequest(url.replace("http://", "ws://"), headers={"Cookie": cookie},
                              connect_timeout=PATIENCE, request_timeout=PATIENCE)  # fmt: skip
        kernel.socket = await websocket_connect(
            request, subprotocols=[PROTOCOL], max_message_size=2**28
        )
        return kernel


@dataclass
class Kernel:
    """The messages to and from one kernel; keeps the widgets' models that it opened."""

    socket: object = None
    session: str = field(default_factory=lambda: uuid.uuid4().hex)
    models: dict = field(default_factory=dict)
    errors: list = field(default_factory=list)  # of cells

    async def send(self, kind: str, content: dict) -> str:
        """Send a message on the shell channel; returns its id."""
        header = {
            "msg_id": uuid.uuid4().hex, "msg_type": kind, "username": "", "session": self.session,
            "date": "2000-01-01T00:00:00Z", "version": "5.4",
        }  # fmt: skip
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        frame = serialize_msg_to_ws_v1(message, "shell", lambda part: json.dumps(part).encode())
        await self.socket.write_message(frame, binary=True)
        return header["msg_id"]

    async def receive(self) -> tuple[str, str, dict]:
        """The next message: its type, the id of what it answers, its content."""
        frame = await asyncio.wait_for(self.socket.read_message(), PATIENCE)
        if frame is None:
            raise Failed("the kernel's connection was closed")
        parts = deserialize_msg_from_ws_v1(frame)[1]
        kind, parent = json.loads(parts[0])["msg_type"], json.loads(parts[1]).get("msg_id", "")
        content = json.loads(parts[3])
        if kind == "comm_open":
            self.models[content["comm_id"]] = content["data"].get("state", {})
        return kind, parent, content

    async def run_all(self, cells: list[str]) -> tuple[float, float]:
        """Run all cells; -> when the first picture came and when the last cell had run."""
        request = {"silent": False, "store_history": True, "user_expressions": {},
                   "allow_stdin": False, "stop_on_error": False}  # fmt: skip
        send = self.send
        waiting = {await send("execute_request", {"code": c, **request}): c for c in cells}
        picture = None
        while waiting:
            kind, parent, content = await self.receive()
            if kind in ("display_data", "execute_result") and "image/png" in content["data"]:
                picture = picture or time.perf_counter()
            if kind == "execute_reply" and parent in waiting:
                if content["status"] != "ok":
                    said = f"{content.get('ename')}: {content.get('evalue')}"
                    self.errors.append(f"cell {cells.index(waiting[parent]) + 1}: {said}"[:160])
                del waiting[parent]
        return picture or float("nan"), time.perf_counter()

    async def move(self, model: str, key: str, value) -> float | None:
        """Move a slider; -> seconds until its new picture came, None if none does."""
        start = time.perf_counter()
        data = {"method": "update", "state": {key: value}, "buffer_paths": []}
        sent = await self.send("comm_msg", {"comm_id": model, "data": data})
        seconds = None
        while True:
            kind, parent, content = await self.receive()
            if parent != sent:
                continue
            state = content.get("data", {}).get("state", {}) if kind == "comm_msg" else {}
            if seconds is None and "image/png" in str(state.get("value", "")):
                seconds = time.perf_counter() - start
            if kind == "status" and content["execution_state"] == "idle":
                return seconds

    async def slider(self) -> tuple[str, str, int]:
        """The first slider whose move is answered with a picture: its model, its value's name,
        where it stands. (Most sliders flip pictures in the browser and do not ask the kernel.)"""
        for model, state in list(self.models.items()):
            key = SLIDERS.get(state.get("_model_name"))
            if key and await self.move(model, key, state[key] + 1) is not None:
                return model, key, state[key]
        raise Failed("no slider is answered with a picture")


async def attend(student: Student, delay: float, options, password: str) -> None:
    """One student's lesson."""
    await asyncio.sleep(delay)
    student.web = httpx.AsyncClient(follow_redirects=True, timeout=PATIENCE)
    with noted(student):
        start = time.perf_counter()
        await student.log_in(password)
        await student.start_server()
        student.seconds["server"] = time.perf_counter() - start
        path, cells = await student.notebook(options.notebook)
        start = time.perf_counter()
        student.kernel = await student.open(path)
        picture, last = await student.kernel.run_all(cells)
        student.seconds["picture"], student.seconds["all"] = picture - start, last - start
        student.slider = await student.kernel.slider()
        student.moves = await moves(student, options.moves)


@contextlib.contextmanager
def noted(student: Student):
    """Note a failure instead of raising it."""
    try:
        yield
    except FAILURES as failure:
        student.failure = f"{type(failure).__name__}: {failure}"


async def moves(student: Student, count: int) -> list[float]:
    """Move the slider `count` times, to and fro, half a second after each answer."""
    model, key, value = student.slider
    seconds = []
    for i in range(count):
        await asyncio.sleep(0.5)
        seconds.append(await student.kernel.move(model, key, value + i % 2))
        if seconds[-1] is None:
            raise Failed("a move of the slider was not answered")
    return seconds


async def move_together(student: Student, count: int) -> None:
    """The second round of moves, when nobody starts any more."""
    with noted(student):
        student.together = await moves(student, count)


async def lesson(students: list[Student], options, password: str, running: psutil.Process):
    """All students' lessons; -> what their processes use at its end"""
    step = options.within / len(students)
    await asyncio.gather(*(attend(s, i * step, options, password) for i, s in enumerate(students)))
    used = usage(running)
    there = [s for s in students if not s.failure]
    await asyncio.gather(*(move_together(s, options.moves) for s in there))
    for student in students:
        if student.kernel and student.kernel.socket:
            student.kernel.socket.close()
        if student.web:
            await student.web.aclose()
    return used


# --------------------------------------------------------------------------------------
# Memory and processor time
# --------------------------------------------------------------------------------------


@dataclass
class Usage:
    """Bytes and processor seconds of one process."""

    kind: str
    pss: int
    rss: int
    cpu: float


def usage(running: psutil.Process) -> list[Usage]:
    """Every process below the hub, and the hub itself."""
    found = [weigh(running, "hub")]
    for process in running.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            words = " ".join(process.cmdline())
            kinds = {"start_student": "server", "ipykernel_launcher": "kernel"}
            kinds |= {"configurable-http-proxy": "proxy"}
            found.append(weigh(process, next((k for w, k in kinds.items() if w in words), "other")))
    return found


def weigh(process: psutil.Process, kind: str) -> Usage:
    memory, cpu = process.memory_full_info(), process.cpu_times()
    # pss: memory that several processes share counts for each of them in part
    return Usage(kind, getattr(memory, "pss", memory.rss), memory.rss, cpu.user + cpu.system)


# --------------------------------------------------------------------------------------
# The table
# --------------------------------------------------------------------------------------


def row(name: str, values: list[float], scale: float = 1, digits: int = 1) -> str:
    """name | median | p95 | worst"""
    if not values:
        return f"| {name} | – | – | – |"
    values = sorted(value * scale for value in values)
    p95 = values[min(len(values) - 1, round(0.95 * (len(values) - 1)))]
    shown = (statistics.median(values), p95, values[-1])
    return f"| {name} | " + " | ".join(f"{value:.{digits}f}" for value in shown) + " |"


def table(students: list[Student], used: list[Usage]) -> str:
    """What was measured, as Markdown."""
    steps = {
        "server": "log in to JupyterLab's page, s",
        "picture": "Run All to the first picture, s",
        "all": "Run All to the last cell, s",
    }
    lines = ["| | median | p95 | worst |", "|---|---|---|---|"]
    for step, name in steps.items():
        lines.append(row(name, [s.seconds[step] for s in students if step in s.seconds]))
    rounds = {"while others start": "moves", "all students at once": "together"}
    for when, which in rounds.items():
        seconds = [value for s in students for value in getattr(s, which)]
        lines.append(row(f"slider to new picture, {when}, ms", seconds, 1e3, 0))
    for kind in ("server", "kernel"):
        of = [u for u in used if u.kind == kind]
        lines.append(row(f"memory of a {kind}, PSS, MB", [u.pss for u in of], 1e-6, 0))
        lines.append(row(f"memory of a {kind}, RSS, MB", [u.rss for u in of], 1e-6, 0))
        lines.append(row(f"processor time of a {kind}, s", [u.cpu for u in of]))
    return "\n".join(lines)


def summary(students: list[Student], used: list[Usage]) -> str:
    """Sums over all students, and the failures."""
    pss, cpu = sum(u.pss for u in used), sum(u.cpu for u in used)
    central = [u for u in used if u.kind in ("hub", "proxy")]
    failed = [s for s in students if s.failure]
    own = psutil.Process().cpu_times()
    lines = [
        f"{len(students)} students, {len(failed)} failed",
        f"all together: {pss / 1e9:.2f} GB PSS, {cpu:.0f} s of processor time "
        f"({cpu / len(students):.1f} s for each student)",
        f"of these hub and proxy: {sum(u.pss for u in central) / 1e6:.0f} MB, "
        f"{sum(u.cpu for u in central):.0f} s",
        f"the simulated students themselves: {own.user + own.system:.0f} s of processor time",
    ]
    lines += [f"FAILED {s.name}: {s.failure}" for s in failed]
    errors = Counter(error for s in students if s.kernel for error in s.kernel.errors)
    lines += [f"{count} students saw {error}" for error, count in errors.items()]
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jupyterhub", default=shutil.which("jupyterhub"), help="its command")
    parser.add_argument("--users", type=int, default=30, help="students (30)")
    parser.add_argument("--within", type=float, default=60, help="seconds in which all begin (60)")
    parser.add_argument("--notebook", default="02", help="which notebook they run (02)")
    parser.add_argument("--moves", type=int, default=10, help="moves of the slider, twice (10)")
    parser.add_argument("--log", type=Path, help="keep the hub's log here")
    options = parser.parse_args()
    if not options.jupyterhub or not shutil.which("configurable-http-proxy"):
        parser.error("needs --jupyterhub COMMAND, and configurable-http-proxy on the PATH")
    return options


def main() -> int:
    options, password = parse(), secrets.token_urlsafe(16)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # ends the hub, too
    students = [Student(f"student{i + 1:02}") for i in range(options.users)]
    if os.geteuid() == 0:  # students, ten below the hub, are then level with what else runs here
        os.nice(-10)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        with hub(options.jupyterhub, folder, password) as (address, running):
            for student in students:
                student.address = address
            used = asyncio.run(lesson(students, options, password, running))
        if options.log:
            shutil.copyfile(folder / "hub.log", options.log)
    print(
        f"{os.cpu_count()} processors, {psutil.virtual_memory().total / 1e9:.0f} GB, "
        f"{platform.system()}, load {load:.1f} before, Python {platform.python_version()}; "
        f"notebook {options.notebook}, all begin within {options.within:g} s\n"
    )
    print(table(students, used), summary(students, used), sep="\n\n")
    return 1 if any(s.failure for s in students) else 0


if __name__ == "__main__":
    sys.exit(main())
