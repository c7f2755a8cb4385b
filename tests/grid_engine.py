"""A private, throw-away Grid Engine on this host: a master, one host with four slots, and the environment ``smp``.

``with grid_engine.lab() as lab: lab.run("qstat")``. Daemons are stopped by their own process ids.
"""

import contextlib
import dataclasses
import getpass
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil

PACKAGES = ("gridengine-master", "gridengine-exec", "gridengine-client")
_PROGRAMS = Path("/usr/lib/gridengine")
_SHARED = Path("/usr/share/gridengine")
_COMMANDS = ("qsub", "qstat", "qdel", "qconf", "qalter")
_UNLIMITED = ("rt", "cpu", "fsize", "data", "stack", "core", "rss", "vmem")
_QUEUE = """\
qname all.q
hostlist localhost
seq_no 0
load_thresholds NONE
suspend_thresholds NONE
nsuspend 1
suspend_interval 00:05:00
priority 0
min_cpu_interval 00:05:00
processors UNDEFINED
qtype BATCH
ckpt_list NONE
pe_list smp
rerun FALSE
slots 4
tmpdir /tmp
shell /bin/sh
prolog NONE
epilog NONE
shell_start_mode posix_compliant
starter_method NONE
suspend_method NONE
resume_method NONE
terminate_method NONE
notify 00:00:60
owner_list NONE
user_lists NONE
xuser_lists NONE
subordinate_list NONE
complex_values NONE
projects NONE
xprojects NONE
calendar NONE
initial_state default
""" + "".join(f"{kind}_{name} INFINITY\n" for name in _UNLIMITED for kind in "sh")
_SLOTS = """\
pe_name smp
slots 999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""


def is_installed() -> bool:
    """Return whether the daemons are there."""
    return (_PROGRAMS / "sge_qmaster").is_file() and (_PROGRAMS / "sge_execd").is_file()


@dataclasses.dataclass(frozen=True)
class Lab:
    """A Grid Engine in a folder of its own."""

    folder: Path
    port: int

    @property
    def env(self) -> dict[str, str]:
        """Environment variables by which commands find it."""
        return {
            "SGE_ROOT": str(self.folder),
            "SGE_CELL": "default",
            "SGE_ARCH": "lx-amd64",
            "SGE_QMASTER_PORT": str(self.port),
            "SGE_EXECD_PORT": str(self.port + 1),
            "PATH": os.pathsep.join([str(self.folder / "own"), str(Path(sys.executable).parent), os.environ["PATH"]]),
        }

    def run(self, *command: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
        """Run a command and return what it prints; an error fails the test."""
        told = {**os.environ, **(env or {}), **self.env}
        done = subprocess.run(command, env=told, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def states(self) -> dict[str, str]:
        """Return the state of each job that is not done, by its id: ``qw``, ``r``, ``Eqw``."""
        rows = [line.split() for line in self.run("qstat", "-u", getpass.getuser()).splitlines()]
        return {row[0]: row[4] for row in rows if row and row[0].isdigit()}

    def up(self) -> None:
        """Start both daemons and wait until the host takes jobs."""
        self._lay_out()
        self._write("configuration", self._configuration())
        self.run(str(_PROGRAMS / "spoolinit"), "berkeleydb", "libspoolb", str(self.folder / "spool/database"), "init")
        defaults = str(_PROGRAMS / "spooldefaults")
        self.run(defaults, "configuration", str(self.folder / "configuration"))
        self.run(defaults, "complexes", str(_SHARED / "util/resources/centry"))
        self.run(defaults, "usersets", str(_SHARED / "util/resources/usersets"))
        self.run(defaults, "managers", getpass.getuser())
        self._start("sge_qmaster")
        self.until(lambda: _listens(self.port), "sge_qmaster does not listen")
        self.run("qconf", "-as", "localhost")
        self.run("qconf", "-Ap", self._write("slots", _SLOTS))
        self.run("qconf", "-Aq", self._write("queue", _QUEUE))
        eager = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1"}
        lines = [line.split(maxsplit=1) for line in self.run("qconf", "-ssconf").splitlines()]
        told = "".join(f"{name} {eager.get(name, value)}\n" for name, value in lines)
        self.run("qconf", "-Msconf", self._write("scheduler", told))
        self._start("sge_execd")
        self.until(lambda: "lx-amd64" in self.run("qstat", "-f"), "the host does not come up")

    def down(self) -> None:
        """Stop the daemons, with all jobs."""
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            self.run("qdel", "-u", getpass.getuser())
        for name in ("sge_execd", "sge_qmaster"):
            self.stop(name)

    def stop(self, name: str) -> None:
        """Stop one of the daemons, with what it has started."""
        for process in self._processes(name):
            for child in [*process.children(recursive=True), process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.send_signal(signal.SIGKILL)

    def _lay_out(self) -> None:
        for name in ("bin", "utilbin", "lib"):
            (self.folder / name).mkdir()
            (self.folder / name / "lx-amd64").symlink_to(_PROGRAMS)
        (self.folder / "util").symlink_to(_SHARED / "util")
        (self.folder / "own").mkdir()
        for name in _COMMANDS:
            (self.folder / "own" / name).symlink_to(_PROGRAMS / name)
        for name in ("spool/master", "spool/database", "spool/host", "default/common"):
            (self.folder / name).mkdir(parents=True)
        self._write("default/common/act_qmaster", "localhost\n")
        self._write("default/common/host_aliases", f"localhost {socket.gethostname()}\n")
        self._write(
            "default/common/bootstrap",
            f"admin_user none\ndefault_domain none\nignore_fqdn true\nspooling_method berkeleydb\n"
            f"spooling_lib libspoolb\nspooling_params {self.folder}/spool/database\nbinary_path {self.folder}/bin\n"
            f"qmaster_spool_dir {self.folder}/spool/master\nsecurity_mode none\nlistener_threads 2\nworker_threads 2\n"
            "scheduler_threads 1\njvm_threads 0\n",
        )

    def _configuration(self) -> str:
        changed = {
            "execd_spool_dir": f"{self.folder}/spool/host",
            "min_uid": "0",
            "min_gid": "0",
            "load_report_time": "00:00:02",
            "mailer": "/bin/true",
        }
        lines = (_SHARED / "default-configuration").read_text().splitlines()
        pairs = [line.split(maxsplit=1) for line in lines if not line.startswith("#")]
        return "".join(f"{name} {changed.get(name, value)}\n" for name, value in pairs)

    def _write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def _start(self, name: str) -> None:
        """The daemon goes into the background by itself, and is known by its environment."""
        subprocess.run([_PROGRAMS / name], env=os.environ | self.env, check=True, timeout=60, capture_output=True)

    def _processes(self, name: str) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.info["name"] == name and process.environ().get("SGE_ROOT") == str(self.folder):
                    found.append(process)
        return found

    def until(self, reached: Callable[[], object], failed: str) -> None:
        """Wait for something to come true; that it can't be asked yet is no failure."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(AssertionError):
                if reached():
                    return
            time.sleep(0.1)
        messages = [path.read_text(errors="replace")[-2000:] for path in self.folder.rglob("messages")]
        raise AssertionError("\n".join([failed, *messages]))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def lab() -> Iterator[Lab]:
    """Bring a Grid Engine up in a folder of its own; stop it and remove the folder, whatever happens."""
    free = [port for port in range(19000, 19800, 2) if not _listens(port) and not _listens(port + 1)]
    made = Lab(Path(tempfile.mkdtemp(prefix="grid-")), random.choice(free))  # noqa: S311 - no secret
    try:
        made.up()
        yield made
    finally:
        made.down()
        shutil.rmtree(made.folder, ignore_errors=True)
