"""A real JupyterLab in a real Chromium, as a student has it: for the tests and the benchmarks.

Everything that Jupyter writes goes to a temporary folder; the notebooks that it opens are copies.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import lab

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
VIEWPORT = {"width": 1280, "height": 800}

# Helpers inside the page; a "lab" is a widget of ours that is not part of another one.
SCRIPT = """
window.lab = {
  panel: () => window.jupyterapp.shell.currentWidget,
  outputs: () => lab.panel().content.widgets.map(
    cell => cell.model.type === 'code' ? cell.model.outputs.toJSON() : []),
  roots: () => [...document.querySelectorAll('.lab-widget')]
    .filter(e => !e.parentElement.closest('.lab-widget')),
  picture: root => [...root.querySelectorAll('img')]
    .find(e => e.offsetParent !== null && e.getBoundingClientRect().width > 100),
  sliders: root => [...root.querySelectorAll('[role=slider]')].filter(e => e.offsetParent !== null),
  busy: () => lab.panel().sessionContext.session.kernel.status === 'busy',
  // The status says idle while a subshell answers a widget and a cell still runs: ask the future.
  running: false,
  run: code => {
    lab.running = true;
    lab.panel().sessionContext.session.kernel.requestExecute({code}).done
      .finally(() => { lab.running = false; });
  },
  // From the key event to the frame after the one in which the new picture is painted. The picture
  // is looked for whenever the widget's DOM changes; decode() waits until its pixels are there; the
  // first animation frame paints them, the second shows that the first is out. An upper bound.
  toPixels: root => new Promise(resolve => {
    const old = lab.picture(root), source = old.src;
    let start = null;
    addEventListener('keydown', e => { start = e.timeStamp; }, {capture: true, once: true});
    const observer = new MutationObserver(async () => {
      const now = lab.picture(root);
      if (start === null || !now || (now === old && now.src === source)) return;
      observer.disconnect();
      await now.decode();
      requestAnimationFrame(() => requestAnimationFrame(
        () => resolve(performance.now() - start)));
    });
    observer.observe(root, {subtree: true, childList: true, attributes: true});
  }),
};
"""


def chromium() -> str | None:
    """The path of a Chromium on this machine, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def serve(folder: Path, private: Path, ledger: bool = False):
    """Run JupyterLab on `folder`, its own files in `private`; give its address with the token.

    ledger: whether kernels keep what is predicted and checked, in `folder`.
    """
    settings = {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }
    for name, values in settings.items():
        file = private / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(private / "workspaces"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "LAB_LEDGER": "" if ledger else "off",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(
            os.pathsep
        ),
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"]
    command += [f"--LabApp.extra_labextensions_path={private / 'data' / 'labextensions'}"]
    for file, place in lab.JUPYTER_FILES.items():  # as `lab.write_jupyter_settings` does
        target = private / "data" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(lab.VIEWS / file, target)
    (private / "config").mkdir()
    config = private / "config" / "jupyter_server_config.json"
    config.write_text(json.dumps(lab.SERVER), encoding="utf-8")
    command += [f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True"]
    log = private / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd=folder)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(3000):  # it says so itself if it cannot start; a busy machine is slow
            if server.poll() is not None:
                raise RuntimeError(f"JupyterLab ended at once:\n{log.read_text()[-2000:]}")
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(f"{address}/api/status?token={token}", timeout=5).close()
                break
            time.sleep(0.2)
        else:
            raise RuntimeError(f"JupyterLab did not answer in 600 s:\n{log.read_text()[-2000:]}")
        yield address, token
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()


@contextlib.contextmanager
def browser():
    """A headless Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            yield chrome
        finally:
            chrome.close()


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, page, server, path: str):
        address, token = server
        self.page = page
        page.add_init_script(SCRIPT)
        page.goto(f"{address}/lab/tree/{path}?token={token}&reset", timeout=600_000)
        page.wait_for_function(
            """() => window.jupyterapp?.shell.currentWidget?.context?.isReady &&
               !document.querySelector('.jp-NotebookPanel .jp-Spinner') &&
               lab.panel().sessionContext.session?.kernel?.status === 'idle'""",
            timeout=600_000,
        )

    def run_all(self, timeout: float = 1800) -> None:
        """Run all cells as the menu does, and wait until the last one is done."""
        self.page.set_default_timeout(timeout * 1000)
        self.page.evaluate(
            "() => { window.done = false; "
            "jupyterapp.commands.execute('notebook:run-all-cells').then(() => window.done = true) }"
        )
        self.page.wait_for_function("() => window.done && !lab.busy()", timeout=timeout * 1000)
        self.page.set_default_timeout(30_000)

    def errors(self) -> list[str]:
        """The error outputs of all cells, as `name: value`."""
        outputs = [output for cell in self.page.evaluate("() => lab.outputs()") for output in cell]
        return [f"{o['ename']}: {o['evalue']}" for o in outputs if o["output_type"] == "error"]

    def widget_cells(self) -> list[int]:
        """The cells that put a live widget on the page."""
        kind = "application/vnd.jupyter.widget-view+json"
        return [
            i
            for i, cell in enumerate(self.page.evaluate("() => lab.outputs()"))
            if any(kind in output.get("data", {}) for output in cell)
        ]

    def show(self, cell: int) -> None:
        """Scroll a cell into view: JupyterLab draws a cell only when it is near."""
        self.page.evaluate(
            """async cell => { const notebook = lab.panel().content;
               notebook.activeCellIndex = cell;
               await notebook.scrollToItem(cell, 'start');
               notebook.widgets[cell].node.scrollIntoView({block: 'start'}); }""",
            cell,
        )
        self.page.wait_for_timeout(400)

    def labs_of(self, cell: int, selector: str):
        """Handles of what a selector finds in a cell."""
        handle = self.page.evaluate_handle(
            "([cell, selector]) => "
            "[...lab.panel().content.widgets[cell].node.querySelectorAll(selector)]",
            [cell, selector],
        )
        return [item.as_element() for item in handle.get_properties().values()]

    def labs(self, cell: int):
        """Handles of our widgets in a cell, outermost only."""
        handle = self.page.evaluate_handle(
            """cell => lab.roots().filter(
                 e => lab.panel().content.widgets[cell].node.contains(e))""",
            cell,
        )
        return [item.as_element() for item in handle.get_properties().values()]

    def uncover(self, cell: int) -> None:
        """Open what waits for a prediction in a cell, as somebody who only looks does."""
        node = self.page.evaluate_handle(
            "cell => lab.panel().content.widgets[cell].node", cell
        ).as_element()
        for button in node.query_selector_all("button:has-text('Show it without a guess')"):
            button.click()
            button.wait_for_element_state("hidden", timeout=60_000)
        # What was covered is saved with the output, too, and JupyterLab then shows the output anew.
        self.page.wait_for_function(
            "cell => !JSON.stringify(lab.outputs()[cell]).includes('Covered: this answers')",
            arg=cell,
            timeout=60_000,
        )
        self.page.wait_for_function(
            """cell => { const before = window.shown, now = window.shown = lab.roots().filter(
                 e => lab.panel().content.widgets[cell].node.contains(e));
               return before?.length === now.length && now.every((e, i) => e === before[i]); }""",
            arg=cell,
            polling=500,
        )

    @contextlib.contextmanager
    def busy(self):
        """A cell that runs while the block does, and ends when its file is gone.

        It is not interrupted: what comes before the code has begun is lost, and what comes after it
        has ended takes its reply away.
        """
        with tempfile.NamedTemporaryFile() as file:
            code = f"import os, time\nwhile os.path.exists({file.name!r}): time.sleep(0.05)"
            self.page.evaluate("code => lab.run(code)", code)
            yield
            assert self.page.evaluate("() => lab.running"), "the kernel was not busy"
        self.page.wait_for_function("() => !lab.running", timeout=300_000)

    def press(self, slider, key: str) -> None:
        slider.focus()
        self.page.keyboard.press(key)


@contextlib.contextmanager
def notebook(chrome, server, path: str):
    """Open a notebook by its path in the served folder; its kernel ends with the context."""
    context = chrome.new_context(viewport=VIEWPORT)
    page = context.new_page()
    try:
        yield Notebook(page, server, path)
    finally:
        page.evaluate("() => lab.panel()?.sessionContext?.shutdown()")
        context.close()
