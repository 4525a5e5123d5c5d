"""Start a student's server, as that student: copy new notebooks, limit memory, serve.

JupyterHub runs this instead of `jupyterhub-singleuser` (deploy/jupyterhub_config.py), with the
shared .venv's Python and with the student's rights.
"""

import os
import resource
import sys
from pathlib import Path

from course_utils import env


def limit_memory(limit: int) -> None:
    """Let no single process of this student have more than `limit` bytes of data of its own.

    It is RLIMIT_DATA, which every process started from here inherits: Python raises MemoryError.
    RLIMIT_AS would also count the code and the files that TensorFlow maps, gigabytes.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def main() -> None:
    """Prepare, then be the server."""
    folder = Path(os.environ.get("JUPYTERHUB_ROOT_DIR") or "~").expanduser()
    try:
        new, kept = env.bring_notebooks(Path(os.environ["LAB_NOTEBOOKS"]), folder)
        print(f"New in {folder}: {', '.join(new) or 'nothing'}", file=sys.stderr, flush=True)
        print(f"Put into kept/: {', '.join(kept) or 'nothing'}", file=sys.stderr, flush=True)
    except OSError as error:  # the student can delete files only in a server that runs
        print(f"Notebooks could not be copied: {error}", file=sys.stderr, flush=True)
    os.nice(10)  # the hub and its proxy first: starved by kernels, they fail to add new servers
    if os.environ.get("MEM_LIMIT"):
        limit_memory(int(os.environ["MEM_LIMIT"]))
    # Building its grammar takes a third of a server's start; without it jsonschema leaves one
    # format ("iri") unchecked, which nothing here has.
    sys.modules["rfc3987_syntax"] = None
    from jupyterhub.singleuser import main as serve

    serve()


if __name__ == "__main__":
    main()
