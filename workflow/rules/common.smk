# What all share: the settings, and for each stage its part of them and its source files.

import sys
from pathlib import Path

# The engine of this checkout comes first, whichever is installed: a release names the code that made it.
engine = Path(workflow.basedir).resolve()
sys.path.insert(0, str(engine))

from snakemake.exceptions import WorkflowError

from weighbridge import (
    cluster_patience,
    cluster_requests,
    cluster_waiting,
    clock,
    heads,
    paths,
    plan,
    running,
)
from weighbridge.errors import SettingsError, WeighbridgeError
from weighbridge.registry import attempts
from weighbridge.root import lock_input, require_working

plan.lead(engine)
# Dry runs put nothing in order, nor do commands such as --summary.
looking = (
    workflow.output_settings.dryrun
    or running.is_looking(sys.argv)
    or not (workflow.resource_settings.cores or workflow.resource_settings.nodes)
)
root = Path.cwd().resolve()
started = sys.maxsize  # other processes than the one that leads have nothing to show
try:
    require_working(root, engine)
    if workflow.is_main_process and not looking:
        started = clock.of_files(root)
        running.hold(root)
    if not workflow.is_main_process:
        heads.refuse_superseded(root)
    project = plan.Plan(
        plan.load(root, config, workflow.config_settings.configfiles), root
    )
    custom_rules = project.custom_rules()
    lock = lock_input(root)
except WeighbridgeError as error:
    if isinstance(error, SettingsError) and workflow.is_main_process and not looking:
        attempts.failed(root, stage="settings", error=error)
    raise WorkflowError(str(error)) from None


wildcard_constraints:
    candidate="[a-z0-9][a-z0-9_-]{0,63}",
    seed="[0-9]{1,10}",


def settings(stage):
    """A file with what the stage may see of the configuration; other settings, another file."""
    return lambda wildcards: project.settings_file(
        stage, wildcards.get("candidate", "")
    )


def code(stage):
    """The source files whose change runs the stage again."""
    return lambda wildcards: project.source_files(stage, wildcards.get("candidate", ""))


slurm_requests = cluster_requests.Requests()


def submit(workflow):
    """Send Slurm no job that it could never start; from then on, say why one waits, and wait for Slurm itself."""
    from snakemake_executor_plugin_slurm import Executor

    cluster_patience.install(Executor)
    try:
        for line in slurm_requests.require(workflow):
            print(line, file=sys.stderr)
    except WeighbridgeError as error:
        raise WorkflowError(str(error)) from None
    status = workflow.remote_execution_settings.seconds_between_status_checks
    cluster_waiting.watch(root, pause_seconds=12 * status)


def tell_refusals(logs):
    """Say which jobs Slurm refused, in fewer words than the executor does."""
    for log in filter(Path.is_file, map(Path, logs)):
        said = log.read_text(encoding="utf-8", errors="replace")
        for line in cluster_requests.refused(said):
            print(line, file=sys.stderr)


def memory(mib):
    """Memory of a job in MiB; each retry asks for as much again, as far as a node has it."""
    return lambda wildcards, attempt: slurm_requests.memory(mib, attempt)


def fit_of(wildcards):
    """How the candidate is trained."""
    return project.config.candidates[wildcards.candidate].fit


def threads(wildcards):
    """Threads of all processes of a training; on one machine they share it."""
    return project.config.threads * fit_of(wildcards).processes


def node_memory(wildcards, attempt):
    """Memory that a training needs on each node, in MiB: each process has its own."""
    first = project.config.memory_mb * fit_of(wildcards).processes_per_node
    return slurm_requests.memory(first, attempt)


def gpus(wildcards):
    """GPUs of a training, one for each process."""
    fit = fit_of(wildcards)
    return fit.processes if fit.device == "cuda" else 0


# Slurm warns a training a minute or two before its time limit, and a later start adds to the job's log.
time_to_save = "--signal=TERM@60 --open-mode=append"


def any_of(names):
    """A pattern of exactly these names."""
    return "|".join(names) or "(?!)"


on_nodes = [
    name for name, one in project.config.candidates.items() if one.fit.nodes > 1
]
on_one_node = [name for name in project.config.candidates if name not in on_nodes]


def runs(name):
    """One file of each run: all candidates, all seeds."""
    return [
        paths.run(candidate, seed) / name
        for candidate in project.config.candidates
        for seed in project.config.seeds
    ]


def refuse_arrays():
    """Refuse arrays of Slurm jobs: where one of them fails, the plugin removes what others of it have made."""
    if getattr(workflow.executor_settings, "array_jobs", None):
        raise WorkflowError(
            "slurm-array-jobs: found it set, on the command line or in a profile; expected no arrays, in which a job "
            "that fails takes the files of others with it. Remove it, and run the same command again"
        )


def show(path):
    """Print what this run has written there, as the last thing on the terminal."""
    if path.is_file() and path.stat().st_mtime_ns >= started:
        print(path.read_text(encoding="utf-8"), file=sys.stderr)


def tell_endings():
    """Say how the cluster ended jobs of this run, and of a killed one before it: what to raise, where it was a limit."""
    try:
        for line in attempts.ended_by_cluster(root, started):
            print(line, file=sys.stderr)
    except (OSError, WeighbridgeError) as problem:
        print(f"how jobs ended can't be told: {problem}", file=sys.stderr)
