"""JupyterHub for the lab: one shared, read-only installation, and a folder for each student.

    jupyterhub -f /srv/model-optimization-lab/deploy/jupyterhub_config.py

docs/hub.md says how to install it. What most sites change stands first; each of these can be set
in the environment instead.
"""

import os
import sys
from pathlib import Path

# The checkout with its .venv, owned by root. This file's own checkout unless told.
LAB = Path(os.environ.get("LAB_ROOT") or Path(__file__).resolve().parents[1])
# "systemd" enforces the memory limit for all of a student's processes together; "localprocess"
# and "simple" (which gives no protection between students: for a trial only) do not.
SPAWNER = os.environ.get("LAB_HUB_SPAWNER", "systemd")
# For each student; and for each single process, whatever the spawner (see start_student.py).
MEMORY = os.environ.get("LAB_HUB_MEMORY", "3G")
# Where students reach the hub. Put TLS before it, or set c.JupyterHub.ssl_key and ssl_cert.
ADDRESS = os.environ.get("LAB_HUB_ADDRESS", "http://127.0.0.1:8000")
# A folder makes this a trial: anybody logs in with LAB_HUB_PASSWORD, homes are made in there.
TRIAL = os.environ.get("LAB_HUB_TRIAL", "")

FOLDER = "model-optimization-lab"  # in each student's home
FIRST_NOTEBOOK = "00_start_here.ipynb"
IDLE_KERNEL = 30 * 60  # seconds; each notebook that was opened holds a kernel and its memory
IDLE_SERVER = 60 * 60

c = get_config()  # noqa: F821  (JupyterHub defines it)
VENV = LAB / ".venv"
PYTHON = VENV / "bin" / "python"

# ----- The hub

c.JupyterHub.bind_url = ADDRESS
# A whole class starts at once. Beyond this limit students get an error page, not a place in a
# queue, so that it should be more than a class; they share the processors and wait for longer.
c.JupyterHub.concurrent_spawn_limit = 100
c.Spawner.start_timeout = 180
c.Spawner.http_timeout = 180

# ----- Who may log in

if TRIAL:
    c.JupyterHub.authenticator_class = "shared-password"
    c.SharedPasswordAuthenticator.user_password = os.environ["LAB_HUB_PASSWORD"]
    c.Authenticator.allow_all = True
else:
    c.JupyterHub.authenticator_class = "pam"  # the machine's accounts; docs/hub.md: OAuth
    c.LocalAuthenticator.allowed_groups = {os.environ.get("LAB_HUB_GROUP", "students")}

# ----- Each student's server

SPAWNERS = {
    "systemd": "systemdspawner.SystemdSpawner",
    "localprocess": "localprocess",
    "simple": "simple",
}
c.JupyterHub.spawner_class = SPAWNERS[SPAWNER]
if TRIAL:
    c.SimpleLocalProcessSpawner.home_dir_template = f"{TRIAL}/{{username}}"
c.SystemdSpawner.isolate_tmp = True
c.SystemdSpawner.readonly_paths = [str(LAB)]
c.Spawner.mem_limit = MEMORY
c.Spawner.cmd = [str(PYTHON), str(LAB / "deploy" / "start_student.py")]
c.Spawner.args = [
    f"--MappingKernelManager.cull_idle_timeout={IDLE_KERNEL}",
    "--MappingKernelManager.cull_interval=60",
    "--MappingKernelManager.cull_connected=True",  # a forgotten tab must not keep its kernel
    "--KernelManager.transport_encryption=required",  # other students' processes cannot listen
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
]
c.Spawner.notebook_dir = f"~/{FOLDER}"
c.Spawner.default_url = f"/lab/tree/{FIRST_NOTEBOOK}"
# As lab.py sets them for what it starts.
c.Spawner.environment = {
    "LAB_NOTEBOOKS": str(LAB / "notebooks"),
    "VIRTUAL_ENV": str(VENV),
    "PATH": f"{VENV / 'bin'}:/usr/local/bin:/usr/bin:/bin",
    "PYTHONUTF8": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",  # the lab's kernel before one of the same name at home
    "OPENBLAS_NUM_THREADS": "1",  # more threads wait for each other by spinning: all would pay
}

# ----- Servers that nobody uses are stopped; notebooks are saved, variables are lost

c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={IDLE_SERVER}"],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "services": ["idle-culler"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    }
]
