"""What is tracked of profiles fits every site; a site's own overlay wins over it, and no tracked file changes."""

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_project import REPOSITORY, Project

from weighbridge import plan
from weighbridge.errors import SettingsError

TRACKED = sorted(path.name for path in (REPOSITORY / "workflow/profiles").iterdir())
GENERIC = ("--profile", "workflow/profiles/cluster-generic")
SITE = ("--profile", "profiles/site")
OVERLAY = {
    "default-resources": {"slurm_partition": "short"},
    "set-resources": {"preprocess": {"mem_mb": 3000, "runtime": "10 * attempt"}},
}


def write_overlay(project: Project, **values: Any) -> None:
    (project.root / "profiles/site").mkdir(exist_ok=True)
    text = yaml.safe_dump({"seconds-between-status-checks": 1, **values}, sort_keys=False)
    (project.root / "profiles/site/config.yaml").write_text(text, encoding="utf-8")


def asked(project: Project, *options: str, **values: Any) -> list[dict[str, Any]]:
    """Return the resources of each job that would be submitted; the site's command writes them down, and all fail."""
    write_down = f'grep "^# properties" "$1" >> {project.root}/asked; echo 1'
    for name, line in (("submit", write_down), ("status", "echo failed")):
        command = project.root.parent / name
        command.write_text(f"#!/bin/sh\n{line}\n")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        values[f"cluster-generic-{name}-cmd"] = str(command)
    write_overlay(project, **values)
    done = project.attempt("snakemake", *GENERIC, *SITE, "--until", "preprocess", *options)
    assert done.code == 1, done.text
    found = (project.root / "asked").read_text(encoding="utf-8").splitlines()
    return [json.loads(line.removeprefix("# properties = "))["resources"] for line in found]


@pytest.mark.parametrize("name", TRACKED)
def test_a_tracked_profile_is_accepted(name: str, fresh: Project) -> None:
    done = fresh.dry_run("--profile", f"workflow/profiles/{name}")
    assert done.code == 0, done.text
    assert f"workflow/profiles/{name}" in done.text


@pytest.mark.parametrize("name", TRACKED)
def test_a_tracked_profile_says_nothing_of_a_site(name: str) -> None:
    """Nor does it set the keys that an overlay would replace as a whole."""
    text = (REPOSITORY / "workflow/profiles" / name / "config.yaml").read_text(encoding="utf-8")
    told = yaml.safe_load(text)
    assert not {"default-resources", "set-resources", "set-threads"} & told.keys()
    assert not {"slurm_partition", "slurm_account", "qos", "@"} & {*yaml.safe_dump(told).replace(":", " ").split()}


@pytest.mark.slow
def test_the_sites_overlay_wins_and_nothing_tracked_changes(fresh: Project) -> None:
    (first, second) = asked(fresh, **OVERLAY, retries=1)
    assert (first["mem_mb"], first["runtime"], first["slurm_partition"]) == (3000, 10, "short")
    assert (second["mem_mb"], second["runtime"]) == (3000, 20)
    assert fresh.git("status", "--porcelain", "profiles", "workflow") == ""


@pytest.mark.slow
def test_what_a_rule_asks_for_grows_with_the_attempt(fresh: Project) -> None:
    assert [job["mem_mb"] for job in asked(fresh, retries=2)] == [4000, 8000, 12000]


@pytest.mark.slow
def test_the_command_line_replaces_all_of_a_key(fresh: Project) -> None:
    """As the page warns."""
    (only,) = asked(fresh, "--set-resources", "preprocess:mem_mb=99", **OVERLAY, retries=0)
    assert (only["mem_mb"], only["runtime"], only["slurm_partition"]) == (99, 30, "short")


def test_an_overlay_that_is_a_program_is_refused(fresh: Project) -> None:
    write_overlay(fresh, __use_yte__=True)
    with pytest.raises(SettingsError, match=r"profiles/site/config\.yaml: __use_yte__"):
        plan.load(fresh.root)


def test_the_page_has_the_resources_of_each_rule(fresh: Project) -> None:
    page = (REPOSITORY / "docs/cluster.md").read_text(encoding="utf-8")
    told = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[2].isdigit():
            told[cells[0]] = cells[1:3]
    assert told == {name: list(values) for name, values in rules(fresh.root / "workflow/rules").items()}


def test_the_page_repeats_what_the_trainings_rule_has(fresh: Project) -> None:
    (found,) = re.findall(r'^time_to_save = "(.+)"$', fresh.read("workflow/rules/common.smk"), re.MULTILINE)
    assert f"{found} --nice=10" in (REPOSITORY / "docs/cluster.md").read_text(encoding="utf-8").replace("\n", " ")


def rules(folder: Path) -> dict[str, tuple[str, str]]:
    """Return memory and minutes of each rule that asks for some."""
    found = {}
    for file in sorted(folder.glob("*.smk")):
        name = ""
        for line in file.read_text(encoding="utf-8").splitlines():
            words = line.strip().rstrip(",:")
            if line.startswith("rule "):
                name = words.removeprefix("rule ")
            elif words.startswith("mem_mb="):
                memory = words.removeprefix("mem_mb=").removeprefix("memory(").removesuffix(")")
            elif words.startswith("runtime=") and name not in found:
                known = {"node_memory": "`memory_mb`, for each process on a node"}
                found[name] = (known.get(memory, memory), words.removeprefix("runtime="))
    return found
