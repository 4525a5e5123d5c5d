"""How long the book's figures take: all of them cold, and unchanged.

    python benchmarks/figures.py [REPEATS]

Each run is a process of its own, import and all, into an empty folder. The baseline is the same
drawings saved at their screen size as the three files and nothing else: no data, no claims, no
page. Bound: all figures, cold, in 120 s.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

BOOK = """
import sys; from pathlib import Path; from course_utils.workshop import book
book.FOLDER = Path(sys.argv[1]); sys.exit(book.main(sys.argv[2:]))
"""
BASELINE = """
import sys; from course_utils.views import style; from course_utils.workshop import book
for entry in book.ENTRIES:
    with style.rc():
        figure = entry.draw(entry.scene())
        for suffix in ("svg", "pdf", "png"):
            figure.savefig(f"{sys.argv[1]}/{entry.id}.{suffix}", dpi=300)
"""


def seconds(code: str, folder: Path, *arguments: str) -> float:
    """Seconds of a process that runs the code."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, str(folder), *arguments], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    return time.perf_counter() - start


def main(repeats: int = 3) -> None:
    from course_utils.workshop import book

    times: dict[str, list[float]] = {}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for what, code, arguments in (
                ("saved only, screen size (baseline)", BASELINE, ()),
                ("all, cold", BOOK, ()),
                ("all, unchanged", BOOK, ()),
                ("all but one unchanged", BOOK, ()),
                ("one, unchanged", BOOK, ("fig-boards",)),
            ):
                if what == "all but one unchanged":
                    (folder / "fig-boards.svg").unlink()
                times.setdefault(what, []).append(seconds(code, folder, *arguments))
    base = statistics.median(times["saved only, screen size (baseline)"])
    print(f"{len(book.ENTRIES)} figures, medians of {repeats}")
    print(f"{'':36}{'seconds':>9}{'ratio':>8}")
    for what, taken in times.items():
        median = statistics.median(taken)
        print(f"{what:36}{median:9.1f}{median / base:8.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
