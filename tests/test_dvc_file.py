import io
from pathlib import Path

import msgspec
import pytest
from dvc.parsing.context import Context
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from weighbridge import documents, dvc_file, paths, plan
from weighbridge.settings import Config, Task

ROOT = Path(__file__).resolve().parents[1]
OWN = plan.load(ROOT).config
TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
HOSTILE = "a: b\" # c\n- *x &y !!python {{ %} \x00\x85\u2028 \N{SNOWMAN} \U0001f6e9 '$(id)`"


def with_(task: Task = "binary", description: str = OWN.card.description) -> Config:
    return msgspec.structs.replace(
        OWN,
        data=msgspec.structs.replace(OWN.data, task=task),
        card=msgspec.structs.replace(OWN.card, description=description),
    )


def as_dvc_reads(text: str) -> dict[str, object]:
    found: dict[str, object] = Context({}).resolve(YAML(typ="safe").load(io.StringIO(text)))
    return found


def test_this_repository_s_own_file_is_what_the_configuration_makes() -> None:
    assert (ROOT / "dvc.yaml").read_text(encoding="utf-8") == dvc_file.text(OWN)
    assert dvc_file.stale(ROOT, OWN) is None


@example("late by ${minutes} of $5")
@given(st.text(max_size=200))
def test_a_description_is_read_as_it_was_written(description: str) -> None:
    found = as_dvc_reads(dvc_file.text(with_(description=description)))
    assert found["artifacts"]["flights"]["desc"] == description  # type: ignore[index]


def test_a_hostile_description_adds_no_key() -> None:
    found = as_dvc_reads(dvc_file.text(with_(description=HOSTILE)))
    assert list(found) == ["artifacts", "metrics", "params", "plots"]
    assert documents.parse(dvc_file.text(with_(description=HOSTILE)), "dvc.yaml").value == found


@pytest.mark.parametrize("task", TASKS)
def test_each_table_of_the_task_is_drawn_and_no_other(task: Task) -> None:
    text = dvc_file.text(with_(task))
    drawn = {line for line in text.replace(":", " ").split() if line.startswith("models/plots/")}
    assert drawn == {f"models/plots/{name}.csv" for name in paths.plot_names(task)}
    assert f"tabular-{'regression' if task == 'regression' else 'classification'}" in text


def test_a_task_that_there_is_not_has_no_pictures() -> None:
    assert paths.figure_names("../x") == paths.plot_names("../x") == ()


def test_what_is_stale_is_told(tmp_path: Path) -> None:
    assert "there is no dvc.yaml" in (dvc_file.stale(tmp_path, OWN) or "")
    (tmp_path / "dvc.yaml").write_text(dvc_file.text(OWN))
    assert dvc_file.stale(tmp_path, OWN) is None
    assert "isn't what config" in (dvc_file.stale(tmp_path, with_("regression")) or "")
    (tmp_path / "dvc.yaml").write_bytes(b"\xff")
    assert "can't be read" in (dvc_file.stale(tmp_path, OWN) or "")
