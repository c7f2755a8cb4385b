"""Where Slurm keeps accounts, the same profile works, and jobs are asked about through ``sacct``."""

import pytest
import slurm_lab
from small_project import Project

pytestmark = pytest.mark.slow(seconds=30)
SLURM = slurm_lab.Shape(nodes=1, accounting=True)
SACCT = ("sacct", "--noheader", "--parsable2", "--allocations", "--format=Comment,Account,State,ReqMem,TimelimitRaw")


def test_jobs_are_followed(slurm: slurm_lab.Lab, fresh: Project) -> None:
    asked = ("--slurm-status-command", "sacct", "--default-resources", "slurm_account=lab")
    done = fresh.attempt("snakemake", "--profile", "workflow/profiles/slurm", *asked, "--", "preprocess", env=slurm.env)
    assert done.code == 0, done.text + fresh.logs()
    told = "rule_preprocess|lab|COMPLETED|4000M|30"
    slurm.expect(lambda: slurm.run(*SACCT).splitlines() == [told], 60, f"sacct does not say {told}")
    assert "trying to guess" not in done.text
