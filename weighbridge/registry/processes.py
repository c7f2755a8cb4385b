"""Which process something belongs to, such that it isn't taken for another one later: process ids come again."""

import functools
import os
import platform
from pathlib import Path

import msgspec

_STATE, _START_TIME = 0, 19  # fields of /proc/PID/stat after the command's name, see proc_pid_stat(5)
_OVER = {"Z", "X"}


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process: its id, when it started (by the kernel's clock), and the boot, machine and namespace it counts in."""

    pid: int
    started: str
    boot: str
    host: str
    namespace: str = ""


@functools.cache
def _machine() -> tuple[str, str, str]:
    """Return what names this boot of this machine, the machine, and the namespace of its process ids."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        import psutil

        boot, namespace = str(int(psutil.boot_time())), ""
    return boot, platform.node(), namespace


def own() -> Process:
    """Return this process."""
    boot, host, namespace = _machine()
    pid = os.getpid()
    return Process(pid=pid, started=_started(pid) or "", boot=boot, host=host, namespace=namespace)


def is_alive(process: Process) -> bool | None:
    """Return whether *process* still runs; ``None`` where that can't be seen from here."""
    boot, host, namespace = _machine()
    if process.host != host or (process.boot == boot and process.namespace != namespace):
        return None
    return process.boot == boot and _started(process.pid) == process.started


def _started(pid: int) -> str | None:
    """Return when the process of this id started; ``None`` where there is none, or only what its parent has to ask."""
    if not Path("/proc/self/stat").exists():
        import psutil

        return str(int(psutil.Process(pid).create_time() * 1000)) if psutil.pid_exists(pid) else None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[_STATE] in _OVER else fields[_START_TIME]
