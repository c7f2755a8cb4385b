"""What earlier versions called otherwise is answered by its new form, with file and line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from weighbridge import plan, retired
from weighbridge.errors import SettingsError

ROOT = Path(__file__).parents[1]
Edit = Callable[[str, str, str], str]
GATES, CONFIG = "config/gates.yaml", "config/config.yaml"


@pytest.fixture
def refused(tmp_path: Path) -> Edit:
    """Edit a file of the configuration, load it, and return why it is refused."""
    shutil.copytree(ROOT / "config", tmp_path / "config")

    def call(file: str, old: str, new: str) -> str:
        path = tmp_path / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(SettingsError) as caught:
            plan.load(tmp_path)
        return str(caught.value)

    return call


def line_of(file: str, text: str) -> int:
    lines = (ROOT / file).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize(
    ("old", "new", "key", "now"),
    [
        ('kind: "absolute"', 'kind: "floor"', "gates.ranks_late_flights.kind: found 'floor'", 'write kind: "absolute"'),
        (
            'kind: "change"',
            'kind: "not_worse"',
            "gates.not_worse_than_last.kind: found 'not_worse'",
            'write kind: "change" and test: "non_inferior"',
        ),
        (
            'metric: "roc_auc"',
            'metric: "brier"',
            "gates.ranks_late_flights.metric: found 'brier'",
            '"brier_score_loss"',
        ),
    ],
    ids=["floor", "not_worse", "brier"],
)
def test_an_old_gate_is_answered_by_its_new_form(old: str, new: str, key: str, now: str, refused: Edit) -> None:
    said = refused(GATES, old, new)
    assert f"{GATES}:{line_of(GATES, old)}: {key}, of an earlier version" in said
    assert now in said


def test_an_old_metric_is_answered_wherever_it_stands(refused: Edit) -> None:
    said = refused(CONFIG, '"brier_score_loss"', '"brier"')
    assert f"{CONFIG}:{line_of(CONFIG, 'brier_score_loss')}: metrics.names[7]: found 'brier'" in said
    assert 'write "brier_score_loss"' in said


def test_all_are_named_at_once(refused: Edit) -> None:
    both = 'kind: "floor"\n    metric: "brier"'
    assert refused(GATES, 'kind: "absolute"\n    metric: "roc_auc"', both).count("of an earlier version") == 2


def test_every_entry_says_what_to_write() -> None:
    assert all(old.now.startswith("write ") for old in retired.KNOWN)
