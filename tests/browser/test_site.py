"""The lab as a static site: a browser without a network runs notebooks 02, 07 and 11 in Pyodide.

The site is built of an archive of Pyodide, LAB_PYODIDE=FILE: `.ci/run` puts one together where it
can (`pyodide_archive.py`). Without one these tests are skipped.
"""

import base64
import contextlib
import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading

import jupyter_page
import pytest

from course_utils.workshop import book

pytestmark = pytest.mark.xdist_group("site")

ROOT = jupyter_page.ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a site, built by lab.py's command."""
    archive = os.environ.get("LAB_PYODIDE")
    if not archive:
        pytest.skip("2026-12-01: LAB_PYODIDE names no archive of Pyodide 0.27.7 (docs/site.md)")
    folder = tmp_path_factory.mktemp("site") / "lab"
    subprocess.run([sys.executable, str(ROOT / "lab.py"), "site", "--pyodide", archive,
                    "--output", str(folder)], check=True, cwd=ROOT)  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def address(site):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Tab(jupyter_page.Notebook):
    """A notebook open in the site."""

    def __init__(self, page, address, path):
        self.page = page
        page.add_init_script(jupyter_page.SCRIPT)
        page.goto(f"{address}/lab/index.html?path={path}", timeout=90_000)
        page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.context?.isReady && "
            "lab.panel().sessionContext.session?.kernel?.status === 'idle'",
            timeout=120_000,
        )

    def kept(self, path):
        """What the browser keeps under this name, read from JSON."""
        found = self.page.evaluate(
            "path => jupyterapp.serviceManager.contents.get(path, {content: true})", path
        )
        return json.loads(base64.b64decode(found["content"]))


@contextlib.contextmanager
def tab(chrome, address, path):
    """Open a notebook where nothing but the site can be reached; what was tried is an error."""
    context = chrome.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(30_000)
    elsewhere = []

    def only_the_site(route):
        if route.request.url.startswith(address):
            route.continue_()
        else:
            elsewhere.append(route.request.url)
            route.abort()

    context.route("**/*", only_the_site)
    try:
        yield Tab(context.new_page(), address, path)
        assert not elsewhere
    finally:
        context.close()


def texts(outputs):
    """What a reader sees of outputs, as text."""
    found = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs]
    return " ".join(" ".join("".join(text) for text in found).split())


def compare(tab, path):
    """The cells of a notebook that ran in a tab beside those that are in the repository."""
    cells = json.loads((ROOT / "notebooks" / path).read_text(encoding="utf-8"))["cells"]
    there = tab.page.evaluate("() => lab.outputs()")
    recorded = 0
    for cell, outputs in zip(cells, there, strict=True):
        here, in_tab = texts(cell.get("outputs", [])), texts(outputs)
        if in_tab.startswith("A browser tab has no"):
            recorded += 1
        elif "nbval-ignore-output" not in cell["metadata"].get("tags", []):
            assert in_tab == here.replace("Kernel ready.", in_browser_line(in_tab))
    return recorded


def in_browser_line(said):
    """The one line that may differ, in its place."""
    line = "Kernel ready, in this browser: nothing is installed, and nothing leaves the page."
    return line if line in said else "Kernel ready."


def test_02_runs_whole_and_its_slider_moves(chrome, address):
    with tab(chrome, address, "02_magnitude_pruning.ipynb") as notebook:
        notebook.run_all()
        assert notebook.errors() == []
        assert compare(notebook, "02_magnitude_pruning.ipynb") == 0
        cell = next(
            i for i in notebook.widget_cells() if "prediction 02.half" in covered(notebook, i)
        )
        notebook.show(cell)
        notebook.uncover(cell)
        explorer = notebook.labs(cell)[0]
        slider = explorer.wait_for_selector("[role=slider]")
        before = notebook.page.evaluate("root => lab.picture(root).alt", explorer)
        notebook.press(slider, "ArrowRight")
        notebook.page.wait_for_function(
            "([root, before]) => lab.picture(root).alt !== before", arg=[explorer, before]
        )
        assert "02.half" in notebook.kept("ledger/02.json")["predictions"]
        again = Tab(notebook.page, address, "02_magnitude_pruning.ipynb")  # the page anew
        assert "02.half" in again.kept("ledger/02.json")["predictions"]


def test_a_link_from_the_book_opens_the_notebook_at_its_cell(chrome, address):
    entry = next(entry for entry in book.ENTRIES if entry.id == "fig-pruning-budget")
    link = book.address(address, entry)
    path = link.removeprefix(f"{address}/lab/index.html?path=")
    assert path.startswith("02_magnitude_pruning.ipynb#cell-id=")
    with tab(chrome, address, path) as notebook:
        shown = """() => { const book = lab.panel().content, cell = book.activeCell;
          const [top, end] = [cell.node, book.node].map(e => e.getBoundingClientRect().top);
          return cell.model.sharedModel.getSource().includes('explorers.pruning_budget') &&
            top >= end - 1 && top < end + book.node.clientHeight; }"""
        notebook.page.wait_for_function(shown)


def covered(notebook, cell):
    return texts(notebook.page.evaluate("() => lab.outputs()")[cell])


def test_07_with_its_solutions_gives_the_same_answers(chrome, address, site):
    """Every bit of 10,000 images: what the laboratory's computer said is what the tab says."""
    name = "solutions/07_integer_arithmetic.ipynb"
    with tab(chrome, address, "07_integer_arithmetic.ipynb") as notebook:
        solved = json.loads((ROOT / "notebooks" / name).read_text(encoding="utf-8"))
        notebook.page.evaluate(
            """async content => { const contents = jupyterapp.serviceManager.contents;
               await contents.save('solutions', {type: 'directory', name: 'solutions'});
               await contents.save('solutions/07_integer_arithmetic.ipynb',
                                   {type: 'notebook', format: 'json', content}); }""",
            solved,
        )
        solution = Tab(notebook.page, address, name)
        solution.run_all(timeout=400)
        assert solution.errors() == []
        assert compare(solution, name) <= 1  # TFLM itself, beside it, is a recorded output


def test_11_shows_its_records_exports_c_and_opens_any_file(chrome, address):
    """What needs TensorFlow, LiteRT or TFLM is recorded; the rest runs, a file is read here."""
    with tab(chrome, address, "11_tflite_micro_export.ipynb") as notebook:
        notebook.run_all(timeout=400)
        assert notebook.errors() == []
        shown = list(map(texts, notebook.page.evaluate("() => lab.outputs()")))
        assert sum("A browser tab has no" in text for text in shown) >= 10
        made = notebook.page.evaluate(
            "() => jupyterapp.serviceManager.contents.get('exports/watch_c', {content: true})"
        )
        assert "kernels.c" in [file["name"] for file in made["content"]]
        sources = notebook.page.evaluate(
            "() => lab.panel().content.widgets.map(cell => cell.model.sharedModel.source)"
        )
        cell = next(i for i, source in enumerate(sources) if "own_file.page()" in source)
        notebook.show(cell)
        (choose,) = (
            button for button in notebook.labs_of(cell, "button") if "Choose" in button.inner_text()
        )
        with notebook.page.expect_file_chooser() as chooser:
            choose.click()
        chooser.value.set_files(ROOT / "data" / "models" / "fashion_dscnn_int8.tflite")
        notebook.page.wait_for_selector("text=12 operators: CONV_2D")


def test_every_operator_has_the_same_bits_on_a_32_bit_python(site, tmp_path):
    """Pyodide counts in 32 bits where NumPy here counts in 64."""
    if shutil.which("node") is None:
        pytest.skip("2026-12-01: node is not on the PATH")
    sys.path.insert(0, str(ROOT / "tests" / "unit"))
    import operator_cases

    from course_utils.engines.integer_engine import IntegerModel

    cases = []
    for name, draw in operator_cases.CASES.items():
        for kind in ("int8", "int16"):
            with contextlib.suppress(ValueError):  # an operator that has no int16
                case = operator_cases.Case([1, *name.encode()], kind)
                model = bytes(case.bytes(draw(case)))
                codes = IntegerModel(model).run(case.x)
                cases.append((name, model.hex(), *map(array, (case.x, codes))))
    assert len(cases) > 70
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    (tmp_path / "run.cjs").write_text(NODE)
    pyodide = site / "static" / "pyodide"
    done = subprocess.run(["node", "run.cjs", str(pyodide)], cwd=tmp_path, capture_output=True,
                          text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def array(values):
    return [str(values.dtype), values.shape, values.tobytes().hex()]


NODE = """
const [folder] = process.argv.slice(2);
const { loadPyodide } = require(folder + '/pyodide.js');
(async () => {
  const pyodide = await loadPyodide({ indexURL: folder, packages: ['numpy', 'course_utils'] });
  pyodide.FS.writeFile('cases.json', require('fs').readFileSync('cases.json'));
  console.log(await pyodide.runPythonAsync(`
import json
import numpy as np
from course_utils.engines.integer_engine import IntegerModel

def array(kind, shape, digits):
    return np.frombuffer(bytes.fromhex(digits), kind).reshape(shape)

wrong = []
for name, model, x, expected in json.load(open('cases.json')):
    try:
        codes = IntegerModel(bytes.fromhex(model)).run(array(*x))
        if codes.tobytes().hex() != expected[2]:
            wrong.append(name)
    except Exception as error:
        wrong.append(f'{name}: {error!r}')
json.dumps(wrong)
`));
})();
"""
