"""The page for users of clusters, typed as it stands, where Slurm is up: each command runs, each file is accepted."""

import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest
import slurm_lab
import yaml
from small_project import REPOSITORY, Project

PAGE = REPOSITORY / "docs" / "cluster.md"
_BLOCK = re.compile(
    r"(?:^`(?P<path>[\w./]+)`:\n\n)?^(?P<indent> *)```(?P<kind>\w+)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
WHOLE = "$ snakemake"
"""The command that runs all."""
_NOT_RUN = {"text": 2, "yaml": 2}
"""Blocks that are not typed: what needs Grid Engine or Kubernetes, and pieces of the configuration, planned with."""


class Block(NamedTuple):
    """A fenced block: what it is, its text, and the file that it is to be saved as, if any."""

    kind: str
    text: str
    path: str | None


def blocks() -> Iterator[Block]:
    for found in _BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        yield Block(found["kind"], textwrap.dedent(found["text"]), found["path"])


def script() -> str:
    """Return what a reader types, as one script that stops at the first failure; looking every second saves time."""
    lines = ["set -euo pipefail", "mkdir -p profiles/site logs"]
    for block in blocks():
        if block.path:
            hasty = "seconds-between-status-checks: 1\nslurm-init-seconds-before-status-checks: 1\n"
            lines += [f"cat > {shlex.quote(block.path)} <<'END OF FILE'", block.text + hasty + "END OF FILE"]
        if block.kind != "console":
            continue
        for line in block.text.splitlines():
            assert line.startswith("$ "), f"{line!r} is no command; what is seen belongs into a text block"
            lines.append(f"echo {shlex.quote(line)}")
            if line == WHOLE:  # other tests run all as jobs; here it saves a minute to have most of it done before
                lines.append("env --unset=SNAKEMAKE_PROFILE snakemake --cores 2 --until weigh --quiet all")
            lines.append(re.sub(r"^sbatch ", "sbatch --wait ", line.removeprefix("$ ")))
    return "\n".join(lines) + "\n"


def rule(job: Mapping[str, str]) -> str:
    """Return the rule that a job of Slurm was for, which its comment says."""
    return job["Comment"].partition("_wildcards_")[0].removeprefix("rule_")


@pytest.mark.slow(seconds=40)
def test_the_page_is_typed_where_slurm_is_up(slurm: slurm_lab.Lab, fresh: Project) -> None:
    config = yaml.safe_load(fresh.read("config/config.yaml"))
    config["seeds"], config["candidates"] = [0], {"logistic": config["candidates"]["logistic"]}
    (fresh.root / "config/config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    fresh.commit("Train little")
    done = fresh.attempt("timeout", "600", "bash", "-c", script(), env=slurm.env)
    assert done.code == 0, done.text + fresh.logs()
    assert "Traceback" not in done.text
    assert fresh.tags() == ["small@v1.0.0"]
    # The head that ran as a job of its own found all done, and what a reader wrote is left alone.
    assert "Nothing to be done" in fresh.read("logs/head.log")
    assert fresh.git("status", "--porcelain", "profiles") == ""
    assert {job["Partition"] for job in slurm.jobs()} == {"cpu"}
    assert [rule(job) for job in slurm.jobs() if job["JobName"] != "head"] == ["preprocess", "judge", "draw"]


def test_nothing_of_the_page_is_left_out() -> None:
    kinds = [block.kind for block in blocks()]
    assert {kind: kinds.count(kind) for kind in set(kinds) - {"console", "yml"}} == _NOT_RUN
    assert all(block.path for block in blocks() if block.kind == "yml")
    assert WHOLE in script()


@pytest.mark.slow(seconds=40)
def test_pieces_of_the_configuration_can_be_planned_with(fresh: Project) -> None:
    for block in blocks():
        if block.kind == "yaml":
            overlay = fresh.root / "overlay.yaml"
            overlay.write_text(block.text, encoding="utf-8")
            assert "train network 0" in fresh.planned("--configfile", str(overlay))
