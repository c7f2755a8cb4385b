"""Where Slurm keeps accounts, a wrong one is told before the first job, and how many jobs the site takes."""

import getpass
import time

import pytest
import slurm_lab

from weighbridge import cluster_limits, cluster_requests
from weighbridge.cluster_limits import Request
from weighbridge.errors import SettingsError

pytestmark = pytest.mark.slow
SLURM = slurm_lab.Shape(nodes=1, accounting=True)


@pytest.fixture(autouse=True)
def _here(slurm: slurm_lab.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in slurm.env.items():
        monkeypatch.setenv(name, value)


def request_of(account: str) -> Request:
    return Request(rule="train", account=account, minutes=10, options=("--account", account, "--time=10"))


def test_a_wrong_account_is_refused_and_the_right_one_taken(slurm: slurm_lab.Lab) -> None:
    limits = cluster_limits.read()
    assert limits.accounting
    with pytest.raises(SettingsError, match="rule train: Slurm refuses it: Invalid account or account/partition"):
        cluster_requests.judged(limits, [request_of("wrong")], 100)
    assert cluster_requests.judged(limits, [request_of("lab")], 100) == ()
    assert slurm.run("squeue", "--noheader") == ""


def test_the_number_of_jobs_that_an_account_allows_is_read(slurm: slurm_lab.Lab) -> None:
    assert cluster_limits.most_submitted() is None
    user = f"name={getpass.getuser()}"
    slurm.run("sacctmgr", "--immediate", "modify", "user", "where", user, "set", "MaxSubmitJobs=7")
    deadline = time.monotonic() + 60
    while cluster_limits.most_submitted() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert cluster_limits.most_submitted() == 7
