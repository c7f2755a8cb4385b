"""Where Slurm keeps accounts, the same profile works, and jobs are asked about through ``sacct``."""

import pytest
import slurm_lab
from small_project import Project

pytestmark = pytest.mark.slow(seconds=30)
SLURM = slurm_lab.Shape(nodes=1, accounting=True)
SACCT = ("sacct", "--noheader", "--parsable2", "--allocations", "--format=Comment,Account,State,ReqMem,TimelimitRaw")


@pytest.mark.parametrize(
    "options",
    [(), ("--slurm-status-command", "sacct", "--default-resources", "slurm_account=lab")],
    ids=["squeue", "sacct"],
)
def test_jobs_are_followed(slurm: slurm_lab.Lab, fresh: Project, options: tuple[str, ...]) -> None:
    before = slurm.run(*SACCT).splitlines()
    done = fresh.attempt(
        "snakemake", "--profile", "workflow/profiles/slurm", *options, "--", "preprocess", env=slurm.env
    )
    assert done.code == 0, done.text + fresh.logs()
    told = "rule_preprocess|lab|COMPLETED|4000M|30"
    slurm.expect(lambda: slurm.run(*SACCT).splitlines() == [*before, told], 60, f"sacct does not say {told}")
    assert ("trying to guess" in done.text) == (not options)
    assert ("sacct: invalid option" in done.text) == (not options)  # how the executor guesses; harmless
