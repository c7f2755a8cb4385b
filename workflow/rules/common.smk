# What all share: the settings, and for each stage its part of them and its source files.

import sys
from pathlib import Path

# The engine of this checkout comes first, whichever is installed: a release names the code that made it.
engine = Path(workflow.basedir).resolve()
sys.path.insert(0, str(engine))

from snakemake.exceptions import WorkflowError

from weighbridge import clock, heads, paths, plan, running
from weighbridge.errors import SettingsError, WeighbridgeError
from weighbridge.pipeline import Pipeline
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


_pipeline = Pipeline(workflow, root, started)


# What these functions use is bound where they are defined: in a file of rules of the project's own, which comes later
# and shares all names, "project" or "root" may mean something else.


def settings(stage, project=project):
    """A file with what the stage may see of the configuration; other settings, another file."""
    return lambda wildcards: project.settings_file(
        stage, wildcards.get("candidate", "")
    )


def code(stage, project=project):
    """The source files whose change runs the stage again."""
    return lambda wildcards: project.source_files(stage, wildcards.get("candidate", ""))


def memory(mib, pipeline=_pipeline):
    """Memory of a job in MiB; each retry asks for as much again, as far as a node has it."""
    return lambda wildcards, attempt: pipeline.memory(mib, attempt)


def fit_of(wildcards, project=project):
    """How the candidate is trained."""
    return project.config.candidates[wildcards.candidate].fit


def threads(wildcards, project=project, fit_of=fit_of):
    """Threads of all processes of a training; on one machine they share it."""
    return project.config.threads * fit_of(wildcards).processes


def nodes(wildcards, fit_of=fit_of):
    """Machines of a training."""
    return fit_of(wildcards).nodes


def node_threads(wildcards, project=project, fit_of=fit_of):
    """Threads of a training's processes on each node."""
    return project.config.threads * fit_of(wildcards).processes_per_node


def node_memory(wildcards, attempt, project=project, fit_of=fit_of, pipeline=_pipeline):
    """Memory that a training needs on each node, in MiB: each process has its own."""
    first = project.config.memory_mb * fit_of(wildcards).processes_per_node
    return pipeline.memory(first, attempt)


def gpus(wildcards, fit_of=fit_of):
    """GPUs of a training, one for each process."""
    fit = fit_of(wildcards)
    return fit.processes if fit.device == "cuda" else 0


# Slurm warns a training a minute or two before its time limit, and a later start adds to the job's log.
time_to_save = "--signal=TERM@60 --open-mode=append"


on_nodes = "|".join(
    name for name, one in project.config.candidates.items() if one.fit.nodes > 1
)


def runs(name):
    """One file of each run: all candidates, all seeds."""
    return [
        paths.run(candidate, seed) / name
        for candidate in project.config.candidates
        for seed in project.config.seeds
    ]
