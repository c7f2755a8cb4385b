"""The page on gates: its examples are gates, each kind has one, and its table of rows is what the formula gives."""

import math
import re
from pathlib import Path
from statistics import NormalDist
from typing import Any

import msgspec
import pytest
import yaml

from weighbridge import settings
from weighbridge.evidence import catalogue, gates

PAGE = (Path(__file__).parents[1] / "docs" / "gates.md").read_text(encoding="utf-8")
EXAMPLES: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
]


def gate_file(example: dict[str, Any]) -> settings.GateFile:
    return msgspec.convert({"gates": example["gates"]}, settings.GateFile, strict=True)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: next(iter(example["gates"])))
def test_every_example_is_a_gate_file_that_can_be_judged(example: dict[str, Any]) -> None:
    cost = msgspec.convert(example.get("cost", {}), settings.Cost)
    metrics = settings.Metrics(names=catalogue.USUAL["binary"])
    gates.check(gate_file(example), metrics, settings.Select(metric="roc_auc"), cost=cost)


def test_every_kind_has_an_example() -> None:
    kinds = {gate["kind"] for example in EXAMPLES for gate in example["gates"].values()}
    assert kinds == {kind.__struct_config__.tag for kind in settings.Gate.__args__}


def test_an_example_that_is_no_gate_would_be_found() -> None:
    with pytest.raises(msgspec.ValidationError):
        gate_file({"gates": {"a": {"kind": "absolute", "metrc": "roc_auc"}}})


def test_the_table_of_rows_is_what_the_formula_gives() -> None:
    head = re.search(r"^\| churn \|(.*)\|$", PAGE, re.MULTILINE)
    assert head
    margins = [float(cell.removeprefix(" margin ")) for cell in head[1].split("|")]
    rows = re.findall(r"^\| (\d+) % \|(.*)\|$", PAGE, re.MULTILINE)
    factor = NormalDist().inv_cdf(0.95) + NormalDist().inv_cdf(0.8)
    for churn, cells in rows:
        found = [int(cell.replace(",", "")) for cell in cells.split("|")]
        assert found == [math.ceil(factor**2 * int(churn) / 100 / margin**2) for margin in margins]
    assert len(rows) == 4


def test_the_formula_is_that_of_the_gates() -> None:
    from weighbridge.evidence.inference import rows_needed

    churn, rows, margin = 0.08, 1000, 0.01
    assert rows_needed(rows, math.sqrt(churn / rows), margin, 0.95) == 4947
    assert "4,947" in PAGE


def test_the_quantiles_for_few_groups_are_those_of_the_bootstrap() -> None:
    from scipy import special

    for groups, said in ((30, "4.2 %"), (5, "0.9 %")):
        t = special.stdtrit(groups - 1, 0.95)
        share = special.ndtr(-math.sqrt(groups / (groups - 1)) * t)
        assert f"{100 * share:.1f} %" == said
        assert f"{groups} groups" in PAGE
        assert said in PAGE
