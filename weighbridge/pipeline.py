"""What a start of the pipeline does besides its rules: before its first job, and once it has ended.

Slurm's modules are imported where jobs go to Slurm, and nowhere else.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighbridge import paths
from weighbridge.errors import SettingsError, WeighbridgeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from weighbridge.cluster_requests import Requests

_LOOKS_BETWEEN = 12
"""How many of Snakemake's looks at its jobs pass before those that wait are looked at."""


class Pipeline:
    """One start of Snakemake's in a project.

    Args:
        workflow: Snakemake's own.
        root: the project's.
        started: when, by the clock of the project's files; what is older wasn't written by this start.
    """

    def __init__(self, workflow: Any, root: Path, started: int) -> None:
        self._workflow = workflow
        self._root = root
        self._started = started
        self._requests: Requests | None = None

    def memory(self, mib: int, attempt: int) -> int:
        """Return memory of a job in MiB; each retry asks for as much again, as far as a node has it."""
        return self._requests.memory(mib, attempt) if self._requests else mib * attempt

    def begin(self) -> None:
        """Look at what the jobs ask for, and send Slurm none that it could never start.

        Raises:
            WorkflowError: Snakemake's, where there is such a job or Slurm doesn't answer, and for arrays of jobs.
        """
        from snakemake.exceptions import WorkflowError

        try:
            self._refuse_arrays()
            self._shorten_logs()
            if self._workflow.executor_plugin.name == "slurm":
                self._submit()
        except WeighbridgeError as error:
            raise WorkflowError(str(error)) from None

    def succeed(self) -> None:
        """Say what was made."""
        self._show(paths.SUMMARY)
        self._tell_endings()

    def fail(self, logs: Iterable[str]) -> None:
        """Say what Slurm refused, why there is no release, and how the cluster ended jobs.

        Args:
            logs: Snakemake's own of this start.
        """
        self._tell_refusals(logs)
        self._show(paths.RELEASE_LOG)
        self._tell_endings()

    def _refuse_arrays(self) -> None:
        """Refuse arrays of Slurm jobs: where one of them fails, the plugin removes what others of it have made."""
        if getattr(self._workflow.executor_settings, "array_jobs", None):
            raise SettingsError(
                "slurm-array-jobs: found it set, on the command line or in a profile; expected no arrays, in which a "
                "job that fails takes the files of others with it. Remove it, and run the same command again"
            )

    def _shorten_logs(self) -> None:
        """Show of a cluster's jobs that fail the ends of their logs; who asks for all of them gets all."""
        if self._workflow.executor_plugin.name != "local" and "--show-failed-logs" not in sys.argv:
            from weighbridge import failed_logs

            with contextlib.suppress(AttributeError):  # another Snakemake: it shows logs whole
                handlers = self._workflow.logger_manager.logger.handlers
                failed_logs.shorten(handlers, self._started, apart=[paths.RELEASE_LOG])

    def _submit(self) -> None:
        """Send Slurm no job that it could never start; from then on, say why one waits, and wait for Slurm itself."""
        from snakemake_executor_plugin_slurm import Executor  # type: ignore[import-untyped]

        from weighbridge import cluster_patience, cluster_requests, cluster_waiting

        cluster_patience.install(Executor)
        self._requests = cluster_requests.Requests()
        for line in self._requests.require(self._workflow):
            _say(line)
        status = self._workflow.remote_execution_settings.seconds_between_status_checks
        cluster_waiting.watch(self._root, pause_seconds=_LOOKS_BETWEEN * status)

    def _tell_refusals(self, logs: Iterable[str]) -> None:
        """Say which jobs Slurm refused, in fewer words than the executor does."""
        if self._workflow.executor_plugin.name != "slurm":
            return
        from weighbridge import cluster_requests

        for log in filter(Path.is_file, map(Path, logs)):
            for line in cluster_requests.refused(log.read_text(encoding="utf-8", errors="replace")):
                _say(line)

    def _show(self, path: Path) -> None:
        """Print what this start has written there, as the last thing on the terminal."""
        if path.is_file() and path.stat().st_mtime_ns >= self._started:
            _say(path.read_text(encoding="utf-8"))

    def _tell_endings(self) -> None:
        """Say how the cluster ended jobs of this start, and of a killed one before it: what to raise at a limit."""
        from weighbridge.registry import attempts

        try:
            for line in attempts.ended_by_cluster(self._root, self._started):
                _say(line)
        except (OSError, WeighbridgeError) as problem:
            _say(f"how jobs ended can't be told: {problem}")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
