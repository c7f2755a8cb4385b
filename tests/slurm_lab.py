"""A private, throw-away Slurm of several virtual nodes on this host: real daemons, no systemd, no cgroups, no root.

By hand, from the project's root::

    eval "$(python tests/slurm_lab.py up)"     # --accounting, --nodes 4, …; it prints the line to source
    sinfo
    python tests/slurm_lab.py down

In tests, through the fixture ``slurm``, one lab for each module; a module that wants another says so at its top::

    SLURM = slurm_lab.Shape(nodes=4, accounting=True)  # optional

    def test_a_job_runs_again(slurm: slurm_lab.Lab, fresh: Project) -> None:
        job = slurm.run("sbatch", "--parsable", "--mem=500", "--wrap", "sleep 60", cwd=fresh.root, env=fresh.env())
        slurm.until(job, "RUNNING")
        slurm.lose("n1")
        slurm.until(job, "PENDING")
        slurm.hasten(job)
        fresh.sh("snakemake", "--profile", "workflow/profiles/slurm", env=slurm.env)

Partitions: ``cpu`` (default), ``gpu`` (the last node; every node has two fake GPUs, ``--gres=gpu:1``), and ``spot``,
whose jobs are put back in the queue for those of ``cpu`` and ``gpu``. A job that takes more memory than it asked for is
killed within a second or two, and its state is FAILED (OUT_OF_MEMORY takes cgroups); one without ``--mem`` gets a whole
node's. Slurm lets a job of a lost node wait for two minutes before it starts again; ``hasten`` ends that.
``scontrol show job`` knows ended jobs for an hour. Daemons are stopped by their own process ids.
"""

import argparse
import contextlib
import dataclasses
import getpass
import os
import random
import re
import secrets
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

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
ACCOUNTING_PACKAGES = ("slurmdbd", "mariadb-server")
_SYSTEM = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin{os.pathsep}/sbin"
_TOOLS = ("slurmctld", "slurmd", "munged", "srun")
_ACCOUNTING_TOOLS = ("slurmdbd", "mariadbd")
_WRAPPED = ("srun", "scontrol", "squeue", "sbatch", "scancel", "sinfo", "sacct", "sacctmgr", "sshare")
# Below the ports that the kernel hands out to those who ask for any.
_PORTS = range(20000, 32000, 40)
_DAY = 24 * 60


class LabError(Exception):
    """The lab doesn't come up, or doesn't come to the state that was waited for."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """What a lab looks like. Memory is only counted, so that nodes may have more than the host."""

    nodes: int = 2
    cpus: int = 2
    memory_mb: int = 32000
    accounting: bool = False
    """With slurmdbd and MariaDB: ``sacct`` answers, and only the account ``lab`` is known. Takes ten seconds more."""
    kill_wait: int = 10
    """Seconds between SIGTERM and SIGKILL at a time limit or a preemption."""
    max_minutes: int = 2 * _DAY
    """The longest time limit that ``cpu``, ``gpu`` and ``spot`` accept."""


def missing(shape: Shape) -> list[str]:
    """Return the programs that such a lab needs and that aren't installed."""
    needed = (*_TOOLS, *(_ACCOUNTING_TOOLS if shape.accounting else ()))
    return [tool for tool in needed if not shutil.which(tool, path=_SYSTEM)]


@dataclasses.dataclass(frozen=True)
class Lab:
    """A Slurm, in a folder of its own whose path is short, for sockets."""

    folder: Path
    shape: Shape = dataclasses.field(default_factory=Shape)

    @property
    def env(self) -> dict[str, str]:
        """Environment variables that a command needs in order to meet this Slurm, beside its others.

        The plugin for steps of jobs drops SLURM_CONF before it calls srun: wrappers, first in PATH, bring it back.
        """
        path = os.pathsep.join([str(self.folder / "bin"), str(Path(sys.executable).parent), _SYSTEM])
        return {"SLURM_CONF": str(self.folder / "etc/slurm.conf"), "PATH": path}

    @property
    def names(self) -> list[str]:
        """Names of the nodes."""
        return [f"n{number}" for number in range(1, self.shape.nodes + 1)]

    def run(
        self, *command: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 60
    ) -> str:
        """Run a command of Slurm and return what it prints, stripped; an error fails the test."""
        done = subprocess.run(
            command,
            env={**os.environ, **(env or {}), **self.env},
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if done.returncode:
            raise LabError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def job(self, number: str) -> dict[str, str]:
        """Return what ``scontrol show job`` tells of a job, which may have ended."""
        return _pairs(self.run("scontrol", "--oneliner", "show", "job", number))

    def jobs(self) -> list[dict[str, str]]:
        """Return what ``scontrol`` tells of all jobs since the lab came up, in order of their ids."""
        lines = self.run("scontrol", "--oneliner", "show", "jobs").splitlines()
        found = [_pairs(line) for line in lines if line.startswith("JobId=")]
        return sorted(found, key=lambda job: int(job["JobId"]))

    def until(self, number: str, *states: str, seconds: float = 120) -> dict[str, str]:
        """Wait until a job is in one of these states (``RUNNING``, ``COMPLETED``, …), and return what is told of it."""
        job: dict[str, str] = {}

        def reached() -> bool:
            nonlocal job
            job = self.job(number)
            return job["JobState"] in states

        if not _wait(reached, seconds):
            raise LabError(f"job {number} is not {' or '.join(states)} after {seconds:.0f} s: {job}")
        return job

    def hasten(self, number: str) -> None:
        """Let a job that Slurm holds back for a while start as soon as there is room."""
        self.run("scontrol", "update", f"JobId={number}", "StartTime=now")

    def up(self) -> None:
        """Start all daemons and wait until the nodes take jobs."""
        lacking = missing(self.shape)
        if lacking:
            packages = " ".join(PACKAGES + (ACCOUNTING_PACKAGES if self.shape.accounting else ()))
            raise LabError(f"{', '.join(lacking)} not found: apt-get install --no-install-recommends {packages}")
        for name in ("bin", "etc", "log", "run", "state", "spool"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        ports = self._ports()
        self._write_wrappers()
        self._write_settings(ports)
        self._start_munge()
        if self.shape.accounting:
            self._start_accounting(ports[2])
        self.start_controller()
        for name in self.names:
            self.start_node(name)
        self.expect(lambda: self._states() == {"idle"}, 60, "the nodes are not idle")

    def down(self) -> None:
        """Cancel all jobs, stop all daemons, and end what is left of jobs. The folder stays."""
        if self._process("slurmctld"):
            with contextlib.suppress(LabError, subprocess.TimeoutExpired):
                self.run("scancel", f"--user={getpass.getuser()}", timeout=20)
                _wait(lambda: not self.run("squeue", "--noheader", timeout=20), self.shape.kill_wait + 20)
        for name in self.names:
            self._stop(f"slurmd-{name}")
        for name in ("slurmctld", "slurmdbd", "mariadbd", "munged"):
            self._stop(name)
        self._kill_jobs()

    def stop_controller(self) -> None:
        """Stop slurmctld: commands don't get an answer; jobs go on."""
        self._stop("slurmctld")

    def start_controller(self) -> None:
        """Start slurmctld, which remembers its jobs."""
        self._start("slurmctld", "slurmctld", "-D", *(() if (self.folder / "state/job_state").exists() else ("-i",)))
        self.expect(lambda: "is UP" in self.run("scontrol", "ping"), 30, "slurmctld does not answer")

    def start_node(self, name: str) -> None:
        """Start a node's slurmd."""
        (self.folder / "spool" / name).mkdir(parents=True, exist_ok=True)
        self._start(f"slurmd-{name}", "slurmd", "-D", "-N", name)

    def lose(self, name: str) -> None:
        """Let a node lose its power: its slurmd and its jobs die at once, and Slurm takes note."""
        daemon = self._process(f"slurmd-{name}")
        if daemon:
            daemon.suspend()  # nobody is to be left who could report that a job has failed
            self._kill_jobs(name)
            self._stop(f"slurmd-{name}", signal.SIGKILL)
        self.run("scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=lost")

    def recover(self, name: str) -> None:
        """Bring a lost node back."""
        self.start_node(name)
        self.run("scontrol", "update", f"NodeName={name}", "State=RESUME")
        self.expect(lambda: self._states(name) & {"idle", "mixed", "allocated"}, 60, f"{name} does not come back")

    def logs(self) -> str:
        """Return the ends of the daemons' logs."""
        found = [path for path in sorted((self.folder / "log").glob("*")) if path.stat().st_size]
        return "".join(f"\n--- {path.name}\n{path.read_text(errors='replace')[-2000:]}" for path in found)

    def _states(self, *nodes: str) -> set[str]:
        chosen = ",".join(nodes or self.names)
        return {*self.run("sinfo", "--noheader", "--Node", f"--nodes={chosen}", "--format=%T").split()}

    def expect(self, reached: Callable[[], object], seconds: float, failed: str) -> None:
        """Wait until something is true; it may ask Slurm, and errors count as "not yet"."""
        if not _wait(reached, seconds):
            raise LabError(f"{failed} after {seconds:.0f} s{self.logs()}")

    def _ports(self) -> list[int]:
        """Return ports that nobody listens on, at random, so that labs started together don't meet."""
        for _ in range(100):
            first = random.choice(_PORTS)  # noqa: S311 - no secret
            ports = [*range(first, first + 3 + self.shape.nodes)]
            if all(map(_free, ports)):
                return ports
        raise LabError(f"no free ports from {_PORTS.start} to {_PORTS.stop}")

    def _write_wrappers(self) -> None:
        settings = self.folder / "etc/slurm.conf"
        for name in _WRAPPED:
            real = shutil.which(name, path=_SYSTEM.replace(f"{self.folder}/bin{os.pathsep}", ""))
            if real:
                wrapper = self.folder / "bin" / name
                wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={settings} exec {real} "$@"\n')
                wrapper.chmod(0o755)
        told = f"export SLURM_CONF={settings}\nexport PATH={self.folder}/bin:$PATH:/usr/sbin\n"
        (self.folder / "env").write_text(told)

    def _write_settings(self, ports: list[int]) -> None:
        shape, folder, user = self.shape, self.folder, getpass.getuser()
        host = socket.gethostname().partition(".")[0]
        socket_path = folder / "run/munge.socket"
        nodes = "".join(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={shape.cpus}"
            f" RealMemory={shape.memory_mb} Gres=gpu:fake:2 State=UNKNOWN\n"
            for name, port in zip(self.names, ports[3:], strict=True)
        )
        everywhere = f"Nodes={','.join(self.names)} DefaultTime=10 MaxTime={shape.max_minutes} State=UP"
        last = everywhere.replace(",".join(self.names), self.names[-1])
        accounting = "AccountingStorageType=accounting_storage/none"
        if shape.accounting:
            accounting = f"""\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports[1]}
AccountingStoragePass={socket_path}
AccountingStorageEnforce=associations
AccountingStoreFlags=job_comment
AccountingStorageTRES=gres/gpu"""
        (folder / "etc/slurm.conf").write_text(f"""\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={socket_path}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=0,requeue_delay=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MpiDefault=none
MailProg=/bin/true
ReturnToService=1
MinJobAge=3600
KillWait={shape.kill_wait}
JobRequeue=1
SlurmdTimeout=60
GresTypes=gpu
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
{accounting}
{nodes}\
PartitionName=cpu {everywhere} Default=YES PriorityTier=10
PartitionName=gpu {last} PriorityTier=10
PartitionName=spot {everywhere} PriorityTier=1 PreemptMode=REQUEUE GraceTime=0
""")
        (folder / "etc/gres.conf").write_text("Name=gpu Type=fake File=/dev/null\nName=gpu Type=fake File=/dev/zero\n")
        version = re.findall(r"\d+", self.run("slurmd", "-V"))
        # Before 24.05 none is no choice; the first version's plugin touches nothing unless something asks for it.
        plugin = "disabled" if [*map(int, version[:2])] >= [24, 5] else "cgroup/v1"
        (folder / "etc/cgroup.conf").write_text(f"CgroupPlugin={plugin}\n")
        if shape.accounting:
            secret = folder / "etc/slurmdbd.conf"
            secret.touch(0o600)
            secret.write_text(f"""\
AuthType=auth/munge
AuthInfo=socket={socket_path}
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={ports[1]}
SlurmUser={user}
PidFile={folder}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports[2]}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
""")

    def _start_munge(self) -> None:
        key, listens = self.folder / "etc/munge.key", self.folder / "run/munge.socket"
        if not key.exists():
            key.touch(0o600)
            key.write_bytes(secrets.token_bytes(1024))
        run, log = self.folder / "run", self.folder / "log/munged.log"
        files = (f"--key-file={key}", f"--pid-file={run}/munged.pid", f"--seed-file={run}/seed", f"--log-file={log}")
        self._start("munged", "munged", "--foreground", "--force", "--num-threads=2", f"--socket={listens}", *files)
        self.expect(lambda: self.run("munge", f"--socket={listens}", "--no-input"), 20, "munged does not answer")

    def _start_accounting(self, port: int) -> None:
        user, data = getpass.getuser(), self.folder / "database"
        settings, users = self.folder / "etc/my.cnf", self.folder / "etc/users.sql"
        settings.write_text(f"""\
[client-server]
socket={self.folder}/run/mariadb.sock
[mariadbd]
datadir={data}
user={user}
bind-address=127.0.0.1
port={port}
innodb-buffer-pool-size=64M
innodb-lock-wait-timeout=900
innodb-flush-log-at-trx-commit=0
""")
        users.write_text("""\
CREATE USER IF NOT EXISTS slurm@'localhost' IDENTIFIED BY 'slurm';
CREATE USER IF NOT EXISTS slurm@'127.0.0.1' IDENTIFIED BY 'slurm';
GRANT ALL ON slurm_acct_db.* TO slurm@'localhost';
GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1';
""")
        ours = f"--defaults-file={settings}"
        if not (data / "mysql").is_dir():
            data.mkdir(exist_ok=True)
            options = (f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db")
            self.run("mariadb-install-db", ours, *options, timeout=120)
        self._start("mariadbd", "mariadbd", ours, f"--init-file={users}")
        self.expect(lambda: self.run("mariadb-admin", ours, "--user=root", "ping"), 60, "mariadbd does not answer")
        self._start("slurmdbd", "slurmdbd", "-D")
        self.expect(lambda: self.run("sacctmgr", "show", "cluster") or True, 60, "slurmdbd does not answer")
        if "lab" not in self.run("sacctmgr", "--noheader", "--parsable2", "show", "account", "format=account").split():
            add = ("sacctmgr", "--immediate", "--quiet", "add")
            self.run(*add, "cluster", "lab")
            self.run(*add, "account", "lab", "Description=lab", "Organization=lab")
            self.run(*add, "user", user, "Account=lab", "DefaultAccount=lab")

    def _start(self, name: str, *command: str) -> None:
        """Start a daemon in the foreground of a session of its own, and remember which process it is."""
        if self._process(name):
            return
        with (self.folder / "log" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | self.env,
            )
        started = psutil.Process(process.pid).create_time()
        (self.folder / "run" / f"{name}.process").write_text(f"{process.pid} {started!r}\n")

    def _process(self, name: str) -> psutil.Process | None:
        """Return a daemon's process; a number that now belongs to another process isn't taken for it."""
        with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
            number, started = (self.folder / "run" / f"{name}.process").read_text().split()
            process = psutil.Process(int(number))
            if process.create_time() == float(started) and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def _stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        process = self._process(name)
        if process:
            process.send_signal(number)
            if not _wait(lambda: self._process(name) is None, 20):
                process.kill()
                _wait(lambda: self._process(name) is None, 20)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)
        (self.folder / "run" / f"{name}.process").unlink(missing_ok=True)

    def _kill_jobs(self, node: str = "") -> None:
        """End processes of jobs, and their keepers, all at once: Slurm without cgroups loses sight of some."""
        found = []
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.info["name"] == "slurmstepd":  # which has no environment, but listens in the node's folder
                    sockets = [str(one.laddr) for one in process.net_connections("unix")]
                    ours = any(one.startswith(f"{self.folder}/spool/{node}") for one in sockets)
                else:
                    told = process.environ()
                    first = told.get("PATH", "").partition(os.pathsep)[0]
                    ours = told.get("SLURM_CONF") == self.env["SLURM_CONF"] or first == f"{self.folder}/bin"
                    ours = ours and node in {"", told.get("SLURMD_NODENAME")} and "SLURM_JOB_ID" in told
                if ours and process.pid != os.getpid():
                    found.append(process)
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in found:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)


@contextlib.contextmanager
def lab(shape: Shape | None = None) -> Iterator[Lab]:
    """Bring a lab up in a folder of its own; stop it and remove the folder, whatever happens."""
    # As Ctrl-C: `timeout` sends it, and what is begun here has to be ended.
    usual = signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    made = Lab(folder, shape or Shape())
    try:
        try:
            made.up()
        except LabError:  # another's lab may have taken the ports in between
            made.down()
            made.up()
        yield made
    finally:
        made.down()
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(signal.SIGTERM, usual)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _wait(reached: Callable[[], object], seconds: float) -> bool:
    """Return whether something came true in time; what can't be asked yet isn't true yet."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(LabError, subprocess.TimeoutExpired):
            if reached():
                return True
        time.sleep(0.1)
    return False


def _pairs(line: str) -> dict[str, str]:
    """Return the values of a line of ``scontrol --oneliner``: ``JobId=7 JobName=a b JobState=RUNNING``."""
    found = re.findall(r"(?:^| )([A-Za-z][\w/:]*)=(.*?)(?= [A-Za-z][\w/:]*=|$)", line)
    return {name: value.strip() for name, value in found}


def main() -> None:
    """Bring a lab up, or down, by hand."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "weighbridge-slurm")
    parser.add_argument("--accounting", action="store_true")
    parser.add_argument("--nodes", type=int, default=Shape.nodes)
    parser.add_argument("--cpus", type=int, default=Shape.cpus)
    parser.add_argument("--memory-mb", type=int, default=Shape.memory_mb)
    told = vars(parser.parse_args())
    command, folder = told.pop("command"), told.pop("folder").absolute()
    if command == "down":
        if not (folder / "etc/slurm.conf").is_file():
            sys.exit(f"{folder} is no folder of a lab: nothing to stop or remove")
        nodes = [*folder.glob("run/slurmd-*.process")]
        Lab(folder, Shape(nodes=len(nodes))).down()
        shutil.rmtree(folder, ignore_errors=True)
        return
    made = Lab(folder, Shape(**told))
    if made._process("slurmctld"):
        sys.exit(f"{folder} is up already: . {folder}/env")
    try:
        made.up()
    except LabError as error:
        made.down()
        sys.exit(str(error))
    sys.stdout.write(f". {folder}/env\n")


if __name__ == "__main__":
    main()
