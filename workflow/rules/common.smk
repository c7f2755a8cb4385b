# What all share: the settings, and for each stage its part of them and its source files.

import sys
import time
from pathlib import Path

# The engine of this checkout comes first, whichever is installed: a release names the code that made it.
engine = Path(workflow.basedir).resolve()
sys.path.insert(0, str(engine))

from snakemake.exceptions import WorkflowError

from weighbridge import paths, plan, running
from weighbridge.errors import SettingsError, WeighbridgeError
from weighbridge.registry import attempts
from weighbridge.root import lock_input, require_working

started = time.time()
plan.lead(engine)
# Dry runs put nothing in order, nor do commands such as --summary.
looking = (
    workflow.output_settings.dryrun
    or running.is_looking(sys.argv)
    or not (workflow.resource_settings.cores or workflow.resource_settings.nodes)
)
root = Path.cwd().resolve()
try:
    require_working(root, engine)
    if workflow.is_main_process and not looking:
        running.hold(root)
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


def runs(name):
    """One file of each run: all candidates, all seeds."""
    return [
        paths.run(candidate, seed) / name
        for candidate in project.config.candidates
        for seed in project.config.seeds
    ]


def show(path):
    """Print what this run has written there, as the last thing on the terminal."""
    if path.is_file() and path.stat().st_mtime >= started:
        print(path.read_text(encoding="utf-8"), file=sys.stderr)
