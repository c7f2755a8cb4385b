"""The machine and the installed environment, as facts for the record."""

import importlib.metadata
import os
import platform
import re
import resource
import sys
import time
from pathlib import Path

from weighbridge import manifest
from weighbridge.digest import sha256_bytes, sha256_file, sha256_json

# Variables that may change results; no other is ever recorded.
VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA", "CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG", "PYTHONHASHSEED",
)  # fmt: skip
IMAGE = "WEIGHBRIDGE_IMAGE"
"""The variable by which a container's recipe names its image."""
_INSTRUCTION_SETS = (
    "sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve",
)  # fmt: skip
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def fix_threads(threads: int) -> None:
    """Set the number of threads of numeric libraries; to be called before one is imported."""
    for name in _THREAD_VARIABLES:
        os.environ[name] = str(threads)


def environment_digest() -> str:
    """Return a digest of Python's version, the platform, and each installed distribution's name and version.

    Read from the names of the ``*.dist-info`` folders, which costs a millisecond.
    """
    names = sorted(
        entry.name
        for folder in sys.path
        if folder and Path(folder).is_dir()
        for entry in os.scandir(folder)
        if entry.name.endswith(".dist-info") and not entry.name.startswith("weighbridge-")
    )
    return sha256_json([platform.python_version(), platform.system(), platform.machine(), names])


def environment(lock: Path) -> manifest.EnvironmentSection:
    """Return what is installed, with the digest of each distribution's RECORD."""
    found: dict[str, manifest.Distribution] = {}
    for distribution in importlib.metadata.distributions():
        metadata = distribution.metadata  # read and parsed at each access
        name = metadata["Name"]
        if name and name != "weighbridge" and name not in found:
            record = (distribution.read_text("RECORD") or "").encode()
            found[name] = manifest.Distribution(
                name=name, version=metadata["Version"], record_sha256=sha256_bytes(record)
            )
    return manifest.EnvironmentSection(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        lock_sha256=sha256_file(lock) if lock.is_file() else "",
        distributions=tuple(found[name] for name in sorted(found, key=str.lower)),
        os=_os_name(),
        libc=" ".join(platform.libc_ver()).strip(),
        variables={name: os.environ[name] for name in VARIABLES if name in os.environ},
        container=container(Path("/")),
    )


def container(top: Path) -> str:
    """Return which program runs the container around this process, and its image, as far as they tell.

    Nothing tells an image's digest from within; what was installed is on record distribution by distribution.

    Args:
        top: the root of the file system.
    """
    named = os.environ.get(IMAGE, "")
    for variable in ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"):
        if variable in os.environ:
            return f"apptainer {Path(os.environ[variable]).name}"
    if "CH_RUNNING" in os.environ:
        return f"charliecloud {named}".rstrip()
    try:
        text = (top / "run/.containerenv").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"docker {named}".rstrip() if (top / ".dockerenv").exists() else named
    told = dict(re.findall(r'^(\w+)="(.*)"$', text, re.MULTILINE))  # nothing, unless it runs with --privileged
    found = [told.get("engine", "podman"), told.get("image", named), told.get("imageid", "")]
    return " ".join(filter(None, found))


def _os_name() -> str:
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        name = ""
    return f"{name} ({platform.system()} {platform.release()})".strip()


def hardware() -> manifest.Hardware:
    """Return the machine's facts; what serving needs is seen later, at weighing."""
    import psutil

    return manifest.Hardware(
        cpu=_cpu()[0] or platform.processor() or platform.machine(),
        instruction_sets=instruction_sets(),
        cores=os.cpu_count() or 1,
        memory_mib=round(psutil.virtual_memory().total / 2**20, 1),
        accelerators=_accelerators(),
        blas=_blas(),
        required_memory_mib=None,
        required_accelerator=None,
    )


def instruction_sets() -> tuple[str, ...]:
    """Return the instruction sets of the processor by which numeric libraries choose their kernels."""
    flags = _cpu()[1]
    return tuple(name for name in _INSTRUCTION_SETS if name in flags)


def _cpu() -> tuple[str, frozenset[str]]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "", frozenset()
    lines = [line.partition(":") for line in text.split("\n\n", 1)[0].splitlines()]
    fields = {key.strip(): value.strip() for key, _, value in lines}
    flags = fields.get("flags") or fields.get("Features") or ""
    return fields.get("model name", ""), frozenset(flags.split())


def _accelerators() -> tuple[manifest.Accelerator, ...]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return ()
    found = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return tuple(
        manifest.Accelerator(name=one.name, memory_mib=one.total_memory / 2**20, driver=str(torch.version.cuda))
        for one in found
    )


def _blas() -> tuple[str, ...]:
    """Return the numeric libraries that this process has loaded."""
    from threadpoolctl import threadpool_info

    found = {
        " ".join(str(library.get(key)) for key in ("internal_api", "version", "architecture") if library.get(key))
        for library in threadpool_info()
    }
    return tuple(sorted(found))


class Stopwatch:
    """Wall and CPU time since it was made, and the highest memory use of the process so far."""

    def __init__(self) -> None:
        from weighbridge.documents import utc_now

        self.started = utc_now()
        self._wall = time.monotonic()
        self._cpu = time.process_time()

    def wall_seconds(self) -> float:
        """Return seconds on the clock."""
        return round(time.monotonic() - self._wall, 3)

    def cpu_seconds(self) -> float:
        """Return seconds of CPU, of this process and its threads."""
        return round(time.process_time() - self._cpu, 3)

    @staticmethod
    def peak_memory_mib() -> float:
        """Return the largest resident set so far (``ru_maxrss`` is in KiB on Linux)."""
        scale = 2**20 if sys.platform == "darwin" else 2**10
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, 1)
