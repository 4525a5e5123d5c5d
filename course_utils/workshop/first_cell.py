"""How each notebook begins, and where it can be opened without an installation.

Where the repository is published stands in one place, `repository-code` in CITATION.cff; its tag is
"v" and the `version` there. As long as there is no such line, no notebook links to Colab or Binder,
and one that is opened alone only says what to do.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import yaml

from course_utils import env

CITATION = env.ROOT / "CITATION.cff"
IMPORT = "from course_utils import env\n"  # what `begun` puts more in place of
CHECK = f"{IMPORT}env.check_kernel("  # so begins the first code cell of a source
COLAB_FOLDER = "/content/lab"

ALONE = """\
try:
    from course_utils import env
except ModuleNotFoundError:
    raise ImportError(
        "Wrong kernel, or a notebook without its folder: run `python lab.py` in the folder of "
        "the laboratory and open it there (in VS Code, with the kernel .venv)."
    ) from None
"""
# On Colab the repository comes first; what a notebook needs besides is up to env.check_kernel.
PUBLISHED = """\
try:
    from course_utils import env
except ModuleNotFoundError:
    import sys

    address, tag, folder = "{repository}", "{tag}", "{folder}"
    if "google.colab" not in sys.modules:
        raise ImportError(
            f"Wrong kernel, or a notebook without its folder: `git clone -b {{tag}} {{address}}`, "
            "`python lab.py` in the new folder, and open it there (in VS Code, kernel .venv)."
        ) from None
    git = f"git -c advice.detachedHead=false clone -q --depth 1 -b {{tag}} {{address}} {{folder}}"
    get_ipython().system(f"test -d {{folder}} || {{git}}")
    sys.path.insert(0, folder)
    from course_utils import env
"""


class Published(NamedTuple):
    """Where the repository can be had, and at which tag."""

    repository: str
    tag: str


def published() -> Published | None:
    """What CITATION.cff says; None if it does not say where the repository is.

    Raises ValueError for an address that is none, or is not one word.
    """
    said = yaml.safe_load(CITATION.read_text(encoding="utf-8"))
    repository = said.get("repository-code")
    if not repository:
        return None
    if not re.fullmatch(r"(https|file)://[\w./~:@%+-]+", repository):
        raise ValueError(f"{CITATION.name}: repository-code {repository!r} is no https address.")
    return Published(repository.removesuffix("/"), f"v{said['version']}")


def begun(code: str) -> str:
    """A notebook's first code cell: what finds course_utils, then `code` of its source."""
    where = published()
    text = PUBLISHED.format(**where._asdict(), folder=COLAB_FOLDER) if where else ALONE
    return text + code.removeprefix(IMPORT)


def elsewhere(notebook: Path) -> list[str]:
    """Links, in Markdown, that open a notebook of the repository in Colab and in Binder.

    notebook: its path, from the repository's root.
    """
    where = published()
    on_github = where and re.fullmatch(r"https://github\.com/([^/]+/[^/]+?)(\.git)?", where[0])
    if not on_github:
        return []  # both take other hosts in other ways, or not at all
    name, path = on_github[1], notebook.as_posix()
    colab = f"https://colab.research.google.com/github/{name}/blob/{where.tag}/{path}"
    binder = f"https://mybinder.org/v2/gh/{name}/{where.tag}?urlpath=lab/tree/{path}"
    return [f"[open in Colab]({colab})", f"[open in Binder]({binder})"]
