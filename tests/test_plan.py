"""Each stage is told its own part of the configuration; what can't be meant is refused."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from weighbridge import documents, paths, plan, settings, tasks
from weighbridge.errors import SettingsError

ROOT = Path(__file__).parents[1]
STAGES = ("fetch", "preprocess", "train", "evaluate", "package", "weigh", "judge", "release")
Load = Callable[..., plan.Plan]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a copy of this project's configuration, with an overlay."""
    shutil.copytree(ROOT / "config", tmp_path / "config")

    def call(overlay: dict[str, Any] | None = None, *files: Path) -> plan.Plan:
        return plan.Plan(plan.load(tmp_path, overlay, files), tmp_path)

    return call


def told(project: plan.Plan) -> dict[str, str]:
    """Return what each stage is told."""
    name = next(iter(project.config.candidates))
    return {stage: project.settings_of(stage, name if stage in {"train", "evaluate"} else "") for stage in STAGES}


def changed(before: plan.Plan, after: plan.Plan) -> set[str]:
    old, new = told(before), told(after)
    return {stage for stage in STAGES if old[stage] != new[stage]}


@pytest.mark.parametrize(
    ("overlay", "stages"),
    [
        ({}, set()),
        ({"threads": 1}, set()),
        ({"reuse": "true"}, set()),
        ({"reuse": "false"}, {"train", "release"}),
        ({"seeds": [0]}, {"package", "release"}),
        ({"threads": 2}, {"train", "evaluate", "package", "release"}),
        ({"metrics": {"threshold": 0.4}}, {"evaluate", "package", "weigh", "release"}),
        ({"metrics": {"resamples": 300}}, {"weigh", "release"}),
        ({"select": {"metric": "accuracy"}}, {"package", "release"}),
        ({"card": {"intended_use": "Another"}}, {"judge", "release"}),
        ({"card": {"limitations": "Others"}}, {"release"}),
        ({"release": {"push": "origin"}}, {"release"}),
        ({"memory_mb": 8000}, {"train", "release"}),
        (
            {"search": {"network": {"method": "grid", "fit": {"epochs": [2, 4]}}}},
            {"package", "release"},
        ),
        ({"data": {"licence": "MIT"}}, {"preprocess", "release"}),
        ({"gates": {"small_enough": {"max": 21.0}}}, {"judge", "release"}),
        ({"candidates": {"logistic": {"params": {"C": 2.0}}}}, {"train", "evaluate", "package", "release"}),
        ({"candidates": {"network": {"params": {"hidden": [8]}}}}, {"package", "release"}),
    ],
)
def test_a_change_is_seen_by_those_whom_it_concerns(overlay: dict[str, Any], stages: set[str], load: Load) -> None:
    assert changed(load(), load(overlay)) == stages


def test_what_a_stage_is_told_is_read_back(load: Load) -> None:
    project = load()
    kinds: dict[str, type[settings.Section]] = {
        "train": tasks.TrainTask,
        "judge": tasks.JudgeTask,
        "release": tasks.ReleaseTask,
    }
    for stage, kind in kinds.items():
        candidate = "network" if stage == "train" else ""
        text = project.settings_of(stage, candidate)
        assert tasks.decode(text, kind) == project.task(stage, candidate)
        assert json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False) == text


def test_a_list_is_replaced_and_a_mapping_merged(load: Load) -> None:
    config = load({"seeds": [7], "candidates": {"extra": {"model": "a.b:C"}}}).config
    assert config.seeds == (7,)
    assert set(config.candidates) == {"logistic", "boosting", "network", "extra"}


def test_null_takes_a_key_out(load: Load) -> None:
    config = load({"candidates": {"network": None, "boosting": {"strings": None}}}).config
    assert set(config.candidates) == {"logistic", "boosting"}
    assert config.candidates["boosting"].strings == "one_hot", "back to the default"
    assert "small_enough" not in load({"gates": {"small_enough": None}}).settings.gates.gates


def test_null_is_a_value_among_parameters(load: Load) -> None:
    params = load({"candidates": {"boosting": {"params": {"max_iter": None}}}}).config.candidates["boosting"].params
    assert params["max_iter"] is None


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ({"candidates": {"netwrk": None}}, "candidates.netwrk: no candidate 'netwrk' to take out; did you mean 'netw"),
        ({"candidates": {"x": None}}, "no candidate 'x' to take out; expected one of boosting, logistic, network"),
        (
            {"gates": {"smal_enough": None}},
            "gates.smal_enough: no gate 'smal_enough' to take out; did you mean 'small_",
        ),
        ({"search": {"boosting": None}}, "search.boosting: no search 'boosting' to take out; expected one of (none)"),
    ],
    ids=["candidate", "unlike any", "gate", "search"],
)
def test_taking_out_what_is_not_there_is_refused(overlay: dict[str, Any], words: str, load: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load(overlay)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        (
            {"candidates": {"boosting": {"params": {"max_itr": 9}}}},
            ".ensemble:HistGradientBoostingClassifier' takes no parameter 'max_itr'; did you mean 'max_iter'?",
        ),
        (
            {"search": {"logistic": {"method": "grid", "params": {"CC": [1, 2], "tol": [1e-4, 1e-3]}}}},
            "search.logistic.params.CC: 'sklearn.linear_model:LogisticRegression' takes no parameter 'CC'",
        ),
    ],
    ids=["candidate", "search"],
)
def test_a_parameter_that_a_model_does_not_take_is_refused_before_it_is_trained(
    overlay: dict[str, Any], words: str, load: Load
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(overlay)
    assert str(caught.value).count("takes no parameter") == 1, "once, however many points there are"
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (["../other.smk"], "custom_rules[0]: found '../other.smk'; expected a file of rules (.smk) in this project"),
        (["/etc/rules.smk"], "expected a file of rules (.smk) in this project"),
        (["project/rules.py"], "expected a file of rules (.smk) in this project"),
        (["project/a.smk", "results/rules.smk"], "custom_rules[1]: found 'results/rules.smk', where releases hold no"),
        ([".git/rules.smk"], "where releases hold no rules"),
        (["project/a.smk", "project/a.smk"], "a file is named twice"),
        ("project/a.smk", "custom_rules: found 'project/a.smk'"),
    ],
)
def test_rules_that_a_release_could_not_hold_are_refused(rules: Any, words: str, load: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"custom_rules": rules})
    assert words in str(caught.value)


def test_rules_that_are_not_there_are_refused(load: Load, tmp_path: Path) -> None:
    project = load({"custom_rules": ["project/a.smk"]})
    with pytest.raises(SettingsError, match=r"found 'project/a\.smk', and no such file"):
        project.custom_rules()
    (tmp_path / "project").mkdir()
    (tmp_path / "project/a.smk").symlink_to(ROOT / "Snakefile")
    with pytest.raises(SettingsError, match="no such file in this project"):
        project.custom_rules()
    (tmp_path / "project/a.smk").unlink()
    (tmp_path / "project/a.smk").touch()
    assert project.custom_rules() == [tmp_path / "project/a.smk"]


def test_rules_of_the_files_own_concern_no_stage_and_those_of_an_overlay_the_release(
    load: Load, tmp_path: Path
) -> None:
    before = load()
    overlaid = load({"custom_rules": ["project/a.smk"]})
    assert changed(before, overlaid) == {"release"}, "which then refuses: no commit holds that"
    config = tmp_path / "config/config.yaml"
    config.write_text(config.read_text().replace("custom_rules: []", 'custom_rules: ["project/a.smk"]'))
    assert load().config.custom_rules == ("project/a.smk",)
    assert changed(before, load()) == set()


def test_an_overlay_with_another_kind_of_split_or_gate_takes_the_place_of_the_files(load: Load) -> None:
    split = {"by": "random", "test": 0.3}
    gate = {"kind": "calibration", "metric": "log_loss", "max": 0.7}
    found = load({"data": {"split": split}, "gates": {"ranks_late_flights": gate}})
    assert found.config.data.split == settings.RandomSplit(test=0.3)
    assert found.settings.gates.gates["ranks_late_flights"] == settings.CalibrationGate(metric="log_loss", max=0.7)


def test_an_overlay_leaves_a_candidate_its_other_params_whatever_they_are_called(load: Load, tmp_path: Path) -> None:
    config = tmp_path / "config/config.yaml"
    own = "{C: 1.0, max_iter: 200}"
    text = config.read_text().replace(own, '{method: "sigmoid", cv: 3}')
    config.write_text(text.replace("linear_model:LogisticRegression", "calibration:CalibratedClassifierCV"))
    found = load({"candidates": {"logistic": {"params": {"method": "isotonic"}}}}).config.candidates["logistic"]
    assert found.params == {"method": "isotonic", "cv": 3}


def test_a_problem_of_an_overlay_is_not_blamed_on_the_files_line(load: Load) -> None:
    with pytest.raises(SettingsError, match=r"config/config\.yaml with overlay.*threads: found 'two'"):
        load({"threads": "two"})


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ({"seeds": [1, 1]}, "expected different seeds"),
        ({"card": {"owner": "Nobody"}}, "card.owner: found 'Nobody'; expected 'Name <"),
        ({"data": {"split": {"test": "2013-04-01"}}}, "data.split.test: 2013-04-01 isn't after validation"),
        ({"data": {"split": {"end": "2013-02-30"}}}, "data.split.end: there is no day '2013-02-30'"),
        ({"data": {"split": {"timezone": "Mars"}}}, "data.split.timezone: 'Mars' is unknown"),
        (
            {"data": {"split": {"by": "group", "validation": 0.6, "test": 0.4, "end": None, "timezone": None}}},
            "data.split.validation: found 0.6, and 0.4 for test, which leaves no rows to train on",
        ),
        ({"metrics": {"names": ["roc_auk"]}}, "'roc_auc'"),
        ({"gates": {"ranks_late_flights": {"metric": "log_lost"}}}, "log_lost"),
        ({"candidates": {"No Name": {"model": "a:b"}}}, "No Name"),
        ({"candidates": {"x": {"model": "a b"}}}, "candidates.x.model"),
        ({"candidates": {"x": {"model": "a:b", "params": {"api_key": "1"}}}}, "looks like a secret"),
        ({"candidates": {"x": {"model": "a:b", "params": {"url": "http://u:p@example.org"}}}}, "looks like a secret"),
        ({"data": {"source": "AKIA" + "A" * 16}}, "looks like a secret"),
    ],
)
def test_what_can_not_be_meant_is_refused(overlay: dict[str, Any], words: str, load: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load(overlay)
    assert words in str(caught.value)


@pytest.mark.parametrize("key", ["tokenizer", "max_tokens", "author", "key", "secretary"])
def test_harmless_names_are_no_secrets(key: str, load: Load) -> None:
    load({"candidates": {"x": {"model": "a:b", "params": {key: "some text"}}}})


def test_an_overlay_file_is_read_strictly(load: Load, tmp_path: Path) -> None:
    (tmp_path / "over.yaml").write_text("seeds: [1]\nseeds: [2]\n")
    with pytest.raises(SettingsError, match="duplicate key"):
        load({"seeds": [2]}, tmp_path / "over.yaml")


def test_an_overlay_that_is_a_program_is_refused(load: Load, tmp_path: Path) -> None:
    (tmp_path / "over.yaml").write_text("__use_yte__: true\n")
    with pytest.raises(SettingsError, match="__use_yte__"):
        load({}, tmp_path / "over.yaml")


def test_the_raw_address_follows_content_and_not_time(load: Load, tmp_path: Path) -> None:
    raw = tmp_path / paths.RAW
    raw.mkdir(parents=True)
    (raw / "a.csv").write_text("1\n")
    first = load().settings_of("fetch")
    (raw / "a.csv").touch()
    assert load().settings_of("fetch") == first
    (raw / "a.csv").write_text("2\n")
    assert load().settings_of("fetch") != first


def test_without_raw_files_the_pointer_says_what_is_to_come(load: Load, tmp_path: Path) -> None:
    address = "0" * 32 + ".dir"
    documents.write(tmp_path / paths.RAW_POINTER, f"outs:\n- md5: {address}\n  path: raw\n")
    assert json.loads(load().settings_of("fetch"))["address"] == address


class TestDefaults:
    """A short configuration is a whole one, and the one that comes with the template shows every key."""

    @pytest.mark.parametrize(
        "section",
        [
            settings.Config, settings.Card, settings.Data, settings.TimeSplit, settings.RandomSplit,
            settings.GroupSplit, settings.ColumnSplit, settings.FoldSplit, settings.Candidate, settings.Fit,
            settings.Select, settings.Metrics, settings.OwnMetric, settings.Cost, settings.Release, settings.Grid,
            settings.Random, settings.Span,
        ],
        ids=lambda section: str(section.__name__),
    )  # fmt: skip
    def test_every_key_stands_in_the_file_or_is_shown_in_a_comment(self, section: type[settings.Section]) -> None:
        text = (ROOT / paths.CONFIG).read_text()
        keys = {field.encode_name for field in msgspec.structs.fields(section)}
        missing = {key for key in keys if not re.search(rf"(^|[#\s{{]){key}:", text, re.MULTILINE)}
        assert not missing, "show these in config/config.yaml, with a line on what they do"

    def test_what_stands_there_is_the_default_where_there_is_one(self) -> None:
        config = documents.read(ROOT / paths.CONFIG).value
        for key in ("search", "custom_rules", "memory_mb", "reuse", "threads", "cost", "release"):
            less = {name: value for name, value in config.items() if name != key}
            assert msgspec.convert(less, settings.Config) == msgspec.convert(config, settings.Config)

    def test_the_search_that_is_shown_can_be_meant(self, load: Load) -> None:
        shown = (ROOT / paths.CONFIG).read_text().split("search: {}\n")[1].partition("\n\n")[0]
        text = "\n".join(line.removeprefix("#") for line in shown.splitlines())
        assert len(load({"search": documents.parse(text, "shown").value}).config.candidates) == 1 + 9 + 20

    def test_only_the_needed_keys_are_needed(self) -> None:
        split = {"by": "time", "validation": "2013-05-01", "test": "2013-06-01", "end": "2013-07-01"}
        data = {"fetch": "a:b", "load": "a:b", "schema": "a:C", "split": split, "source": "s", "licence": "l"}
        words = ("owner", "project", "description", "intended_use", "business_requirements", "limitations")
        plain = {"name": "x", "card": dict.fromkeys(words, "x"), "data": data, "candidates": {"y": {"model": "a:b"}}}
        config = msgspec.convert(plain, settings.Config)
        assert config.seeds == (0,)
        assert config.metrics.threshold == 0.5
        assert not config.release.advance_branch

    @pytest.mark.parametrize("name", ["a", "flights", "a-b_c9", "9" * 64])
    def test_names_that_are_safe_everywhere(self, name: str) -> None:
        assert msgspec.convert(name, settings.Name) == name

    @pytest.mark.parametrize(
        "name", ["", "A", "a b", "a;b", "../a", "a/b", "-a", ".a", "a\n", "$(a)", "a" * 65, "ä", "a'b"]
    )
    def test_names_that_are_not(self, name: str) -> None:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(name, settings.Name)

    @pytest.mark.parametrize("path", ["a:b", "a.b:C.d", "_a:_b"])
    def test_import_paths(self, path: str) -> None:
        assert msgspec.convert(path, settings.ImportPath) == path

    @pytest.mark.parametrize("path", ["a", "a:", ":b", "a:b()", "a b:c", "a:b;c", "a:b\n", "../a:b"])
    def test_no_import_paths(self, path: str) -> None:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(path, settings.ImportPath)
