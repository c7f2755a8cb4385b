"""The next version follows from evidence: each rule is seen to raise it, what can't be told rounds up."""

from typing import Any

import msgspec
import pytest
from flights_sample import make_manifest, make_packaged
from hypothesis import given
from hypothesis import strategies as st

from weighbridge import manifest
from weighbridge.errors import RecordError, SettingsError
from weighbridge.evidence import version
from weighbridge.evidence.data_changes import data_changes
from weighbridge.manifest import Input, Manifest, Output
from weighbridge.settings import OwnMetric

replace = msgspec.structs.replace
NUMBERS = st.integers(0, 10**6)
BUMPS = ("patch", "minor", "major")
TREES = manifest.Graph(
    operators={"TreeEnsembleClassifier": 1}, structure_sha256="7" * 64, parameter_count=6200, opsets={"ai.onnx.ml": 3}
)
NETWORK = replace(TREES, operators={"Gemm": 3, "Relu": 2}, structure_sha256="8" * 64)
DEEPER = replace(NETWORK, operators={"Gemm": 4, "Relu": 3}, structure_sha256="9" * 64)


def interval(value: float, low: float, high: float) -> manifest.Interval:
    return manifest.Interval(value=value, low=low, high=high)


def noise(high: float) -> manifest.Noise:
    return manifest.Noise(
        seeds=3,
        pairs=3,
        changed_decisions=interval(0.9 * high, 0.8 * high, high),
        negative_flips=interval(0.4 * high, 0.3 * high, 0.5 * high),
    )


def same_again() -> manifest.Comparison:
    """Return a comparison in which nothing differs."""
    return manifest.Comparison(
        release="flights@v1.2.3",
        comparable=True,
        reason="",
        metrics={},
        changed_decisions=0.0,
        serving=None,
        threshold=0.5,
        changed=interval(0.0, 0.0, 0.0),
        negative_flips=interval(0.0, 0.0, 0.0),
        graph=TREES,
        runs_there=True,
    )


@pytest.fixture
def packaged() -> manifest.Packaged:
    return make_packaged()


@pytest.fixture
def last() -> Manifest:
    """The last release, 1.2.3; as a proposal it is the same again."""
    sample = make_manifest()
    info = replace(sample.model_info, version="1.2.3")
    test = replace(sample.performance.test, comparison=same_again(), graph=TREES)
    return replace(sample, model_info=info, performance=replace(sample.performance, test=test, noise=noise(0.046)))


def derive(
    last: Manifest | None, now: Manifest, packaged: manifest.Packaged, own: dict[str, OwnMetric] | None = None
) -> version.Derived:
    performance = now.performance
    return version.derive(
        last,
        packaged=replace(
            packaged,
            interface=now.interface,
            primary=performance.primary,
            artifacts=now.artifacts,
            noise=performance.noise,
        ),
        parameters=now.parameters,
        data=now.data,
        weighing=performance.test,
        intended_use=now.card.intended_use,
        own=own,
    )


def with_test(now: Manifest, **changes: Any) -> Manifest:
    return replace(now, performance=replace(now.performance, test=replace(now.performance.test, **changes)))


def with_comparison(now: Manifest, **changes: Any) -> Manifest:
    comparison = now.performance.test.comparison
    assert comparison is not None
    return with_test(now, comparison=replace(comparison, **changes))


def with_noise(now: Manifest, floor: manifest.Noise | None) -> Manifest:
    return replace(now, performance=replace(now.performance, noise=floor))


def with_graphs(now: Manifest, old: manifest.Graph | None, new: manifest.Graph | None) -> Manifest:
    return with_comparison(with_test(now, graph=new), graph=old)


def with_inputs(now: Manifest, *inputs: Input) -> Manifest:
    return replace(now, interface=replace(now.interface, inputs=inputs))


def with_outputs(now: Manifest, *outputs: Output) -> Manifest:
    return replace(now, interface=replace(now.interface, outputs=outputs))


def with_parameters(now: Manifest, **changes: Any) -> Manifest:
    return replace(now, parameters=replace(now.parameters, **changes))


def with_feature(now: Manifest, **changes: Any) -> Manifest:
    first, *others = now.data.features
    return replace(now, data=replace(now.data, features=(replace(first, **changes), *others)))


def with_difference(now: Manifest, metric: str, low: float, high: float) -> Manifest:
    change = manifest.Change(baseline=0.7, difference=interval((low + high) / 2, low, high))
    compared = with_comparison(now, metrics={metric: change})
    return replace(compared, performance=replace(compared.performance, primary=metric))


def test_the_first_release_is_one(last: Manifest, packaged: manifest.Packaged) -> None:
    assert derive(None, last, packaged) == ("1.0.0", "first", ("no release before it",), (), "")


def test_the_same_again_is_a_patch(last: Manifest, packaged: manifest.Packaged) -> None:
    assert derive(last, last, packaged) == ("1.2.4", "patch", ("same model and data, made again",), (), "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda i: i[:2], "input wind_gust removed"),
        (lambda i: (*i[:2], replace(i[2], name="gust")), "input wind_gust removed; input gust added, required"),
        (lambda i: (i[0], replace(i[1], type="string"), i[2]), "input distance: type number became string"),
        (lambda i: (i[0], replace(i[1], unit="km"), i[2]), "input distance: unit miles became km"),
        (lambda i: (*i, replace(i[1], name="seats")), "input seats added, required"),
    ],
)
def test_inputs_that_break_callers_are_major(
    last: Manifest, packaged: manifest.Packaged, change: Any, reason: str
) -> None:
    found = derive(last, with_inputs(last, *change(last.interface.inputs)), packaged)
    assert (found.version, found.bump, found.reasons) == ("2.0.0", "major", (reason,))


def renamed(now: Manifest, old: str, new: str, **changes: Any) -> Manifest:
    """Rename a column everywhere; *changes* are to its feature."""
    features = tuple(replace(f, name=new, **changes) if f.name == old else f for f in now.data.features)
    inputs = [replace(each, name=new) if each.name == old else each for each in now.interface.inputs]
    return with_inputs(replace(now, data=replace(now.data, features=features)), *inputs)


def test_an_input_of_another_name_that_is_described_alike_was_renamed(
    last: Manifest, packaged: manifest.Packaged
) -> None:
    found = derive(last, renamed(last, "wind_gust", "gust"), packaged)
    assert found[:3] == ("2.0.0", "major", ("input wind_gust renamed to gust", *found.reasons[1:]))
    assert not any("added" in reason and "input" in reason for reason in found.reasons)


@pytest.mark.parametrize("changes", [{"description": "Something else"}, {"description": " "}])
def test_an_input_that_is_described_otherwise_or_not_at_all_was_not_renamed(
    last: Manifest, packaged: manifest.Packaged, changes: dict[str, Any]
) -> None:
    found = derive(last, renamed(last, "wind_gust", "gust", **changes), packaged)
    assert found.reasons[0] == "input wind_gust removed; input gust added, required"


def test_two_inputs_can_not_both_have_become_one(last: Manifest, packaged: manifest.Packaged) -> None:
    first = last.data.features[0]
    twin = replace(last.interface.inputs[0], name="operator")
    two = replace(last, data=replace(last.data, features=(*last.data.features, replace(first, name="operator"))))
    two = with_inputs(two, *last.interface.inputs, twin)
    now = renamed(with_inputs(two, *last.interface.inputs), "carrier", "airline")
    found = derive(two, now, packaged)
    assert found.reasons[0] == "input carrier renamed to airline; input operator removed"


def test_an_input_that_becomes_required_is_major(last: Manifest, packaged: manifest.Packaged) -> None:
    first, *others = last.interface.inputs
    optional = with_inputs(last, replace(first, optional=True), *others)
    assert derive(optional, last, packaged).reasons == ("input carrier became required",)
    assert derive(optional, last, packaged).bump == "major"


def test_the_order_of_inputs_is_no_change(last: Manifest, packaged: manifest.Packaged) -> None:
    assert derive(last, with_inputs(last, *reversed(last.interface.inputs)), packaged).bump == "patch"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda o: o[1:], "output label removed"),
        (lambda o: (replace(o[0], name="decision"), o[1]), "output label renamed to decision"),
        (lambda o: (replace(o[0], type="string"), o[1]), "output label: type int64 became string"),
        (lambda o: (replace(o[0], labels=("on time", "late")), o[1]),
         "output label: classes added: on time; gone: punctual"),
    ],
)  # fmt: skip
def test_outputs_that_break_callers_are_major(
    last: Manifest, packaged: manifest.Packaged, change: Any, reason: str
) -> None:
    found = derive(last, with_outputs(last, *change(last.interface.outputs)), packaged)
    assert (found.version, found.bump, found.reasons) == ("2.0.0", "major", (reason,))


def test_other_labels_or_another_target_are_major(last: Manifest, packaged: manifest.Packaged) -> None:
    data = replace(last.data, labels=("late", "punctual"), target="late30")
    found = derive(last, replace(last, data=data), packaged)
    assert found.bump == "major"
    assert found.reasons == ("target late became late30; classes in another order",)


def test_other_labels_are_told_once_and_in_words(last: Manifest, packaged: manifest.Packaged) -> None:
    def labelled(*labels: str) -> Manifest:
        label = replace(last.interface.outputs[0], labels=labels)
        changed = with_outputs(last, label, *last.interface.outputs[1:])
        return replace(changed, data=replace(changed.data, labels=labels))

    found = derive(labelled("a", "b", "c"), labelled("d", "c", "b"), packaged)
    assert found.reasons == ("classes added: d; gone: a; in another order",)


def test_labels_that_came_or_went_are_named(last: Manifest, packaged: manifest.Packaged) -> None:
    letters = tuple("abcdefghijklmnopqrstuvwxyz")

    def told(labels: tuple[str, ...]) -> tuple[str, ...]:
        before, now = (replace(last, data=replace(last.data, labels=each)) for each in (letters, labels))
        return derive(before, now, packaged).reasons

    assert told((*letters[1:], "ä", "ö")) == ("classes added: ä, ö; gone: a",)
    assert told(letters[::-1]) == ("classes in another order",)
    assert told(())[0].endswith(", s, t and 6 more")


def test_another_task_and_another_unit_are_major(last: Manifest, packaged: manifest.Packaged) -> None:
    found = derive(last, with_test(last, task="multiclass"), packaged)
    assert (found.bump, found.reasons[0]) == ("major", "task binary became multiclass")
    found = derive(last, replace(last, data=replace(last.data, target_unit="h")), packaged)
    assert (found.bump, found.reasons[0]) == ("major", "unit of the target (none) became h")


def test_another_shape_is_major(last: Manifest, packaged: manifest.Packaged) -> None:
    image = Input(name="image", type="float32", unit="", may_be_missing=False, shape=(1, 8, 8))
    chance = Output(name="probability", type="float32", labels=(), meaning="of each", shape=(3,))
    before = with_outputs(with_inputs(last, image), chance)
    larger = with_inputs(before, replace(image, shape=(1, 16, 16)))
    assert derive(before, larger, packaged).reasons[0] == "input image: shape (1, 8, 8) became (1, 16, 16)"
    single = with_outputs(before, replace(chance, shape=()))
    assert derive(before, single, packaged).reasons[0] == "output probability: shape (3) became of a single value"


def test_another_intended_use_is_major_but_not_another_line_break(last: Manifest, packaged: manifest.Packaged) -> None:
    other = replace(last, card=replace(last.card, intended_use="Pricing."))
    assert derive(last, other, packaged)[:3] == ("2.0.0", "major", ("intended use changed",))
    wrapped = replace(last, card=replace(last.card, intended_use=last.card.intended_use.replace(" ", "\n")))
    assert derive(last, wrapped, packaged).bump == "patch"


def test_optional_inputs_and_further_outputs_are_minor(last: Manifest, packaged: manifest.Packaged) -> None:
    seats = Input(name="seats", type="number", unit="", may_be_missing=True, optional=True)
    more = Output(name="margin", type="float", labels=(), meaning="log odds")
    grown = with_outputs(with_inputs(last, *last.interface.inputs, seats), *last.interface.outputs, more)
    found = derive(last, grown, packaged)
    assert found[:3] == ("1.3.0", "minor", ("optional input seats added; output margin added",))


def test_another_threshold_is_minor(last: Manifest, packaged: manifest.Packaged) -> None:
    assert derive(last, with_test(last, threshold=0.4), packaged)[:3] == (
        "1.3.0",
        "minor",
        ("threshold 0.5 became 0.4",),
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "sklearn.svm:SVC"}, "model sklearn.ensemble:HistGradientBoostingClassifier became sklearn.svm:SVC"),
        ({"hyperparameters": {"max_iter": 300, "learning_rate": 0.08}}, "max_iter 200 became 300"),
        ({"hyperparameters": {"max_iter": 200}}, "learning_rate 0.08 became (default)"),
        ({"fit": {"strings": "ordinal"}}, "strings (default) became 'ordinal'"),
    ],
)  # fmt: skip
def test_another_model_or_other_parameters_are_minor(
    last: Manifest, packaged: manifest.Packaged, changes: dict[str, Any], reason: str
) -> None:
    assert derive(last, with_parameters(last, **changes), packaged)[:3] == ("1.3.0", "minor", (reason,))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"known_hours_before": 2.0}, "feature carrier: known 720 h before became 2 h"),
        ({"description": "Operator"}, "feature carrier: described anew"),
    ],
)
def test_features_that_mean_something_else_are_minor(
    last: Manifest, packaged: manifest.Packaged, changes: dict[str, Any], reason: str
) -> None:
    assert derive(last, with_feature(last, **changes), packaged)[:3] == ("1.3.0", "minor", (reason,))


@pytest.mark.parametrize(
    ("metric", "limits", "bump"),
    [
        ("roc_auc", (0.001, 0.02), "minor"),
        ("roc_auc", (-0.001, 0.02), "patch"),
        ("roc_auc", (0.0, 0.02), "patch"),
        ("roc_auc", (-0.02, -0.001), "patch"),
        ("log_loss", (-0.02, -0.001), "minor"),
        ("log_loss", (0.001, 0.02), "patch"),
    ],
)
def test_significantly_better_is_minor(
    last: Manifest, packaged: manifest.Packaged, metric: str, limits: tuple[float, float], bump: str
) -> None:
    low, high = limits
    found = derive(last, with_difference(last, metric, low, high), packaged)
    assert found.bump == bump
    if bump == "minor":
        middle = (low + high) / 2
        expected = f"{metric} significantly better than flights@v1.2.3: {middle:+.4f} ({low:+.4f} to {high:+.4f})"
        assert found.reasons == (expected,)


@pytest.mark.parametrize(("better", "bump"), [("greater", "minor"), ("lower", "patch")])
def test_a_metric_of_ones_own_is_better_in_its_own_direction(
    last: Manifest, packaged: manifest.Packaged, better: Any, bump: str
) -> None:
    own = {"profit": OwnMetric(function="project.metrics:profit", better=better)}
    assert derive(last, with_difference(last, "profit", 0.01, 0.02), packaged, own).bump == bump


def test_another_task_is_major(last: Manifest, packaged: manifest.Packaged) -> None:
    found = derive(last, with_test(last, task="regression"), packaged)
    assert (found.bump, found.reasons[0]) == ("major", "task binary became regression")


def test_a_graph_of_another_family_is_major(last: Manifest, packaged: manifest.Packaged) -> None:
    found = derive(last, with_graphs(last, TREES, NETWORK), packaged)
    assert found[:3] == ("2.0.0", "major", ("graph of another family: similarity of the operators 0.00, below 0.5",))


def test_a_graph_that_changed_within_its_family_is_minor(last: Manifest, packaged: manifest.Packaged) -> None:
    found = derive(last, with_graphs(last, NETWORK, DEEPER), packaged)
    assert found[:3] == ("1.3.0", "minor", ("graph changed within its family: similarity of the operators 0.71",))


def test_what_retraining_alone_changes_of_a_graph_is_no_change(last: Manifest, packaged: manifest.Packaged) -> None:
    retrained = with_graphs(last, TREES, replace(TREES, parameter_count=6350))
    artifacts = replace(last.artifacts, parameter_count=6350)
    assert derive(last, replace(retrained, artifacts=artifacts), packaged).bump == "patch"


def test_a_graph_on_record_serves_where_none_was_measured_beside(last: Manifest, packaged: manifest.Packaged) -> None:
    assert derive(last, with_graphs(last, None, TREES), packaged).bump == "patch"


@pytest.mark.parametrize("absent", ["the last release", "this bundle"])
def test_a_graph_that_is_unknown_rounds_up(last: Manifest, packaged: manifest.Packaged, absent: str) -> None:
    before = with_test(last, graph=None) if absent == "the last release" else last
    now = with_graphs(last, None, TREES) if absent == "the last release" else with_graphs(last, TREES, None)
    found = derive(before, now, packaged)
    assert found.bump == "major"
    assert found.reasons == (f"whether the graph is of another family can't be told: that of {absent} is unknown",)


@pytest.mark.parametrize(
    ("low", "floor", "bump"),
    [
        (0.101, None, "major"),
        (0.101, 0.046, "major"),
        (0.101, 0.06, "minor"),  # twice the noise floor is more than a tenth
        (0.121, 0.06, "major"),
        (0.10, 0.046, "minor"),
        (0.09, None, "minor"),
    ],
)
def test_decisions_changed_by_more_than_a_tenth_and_twice_the_noise_are_major(
    last: Manifest, packaged: manifest.Packaged, low: float, floor: float | None, bump: str
) -> None:
    now = with_comparison(last, changed=interval(low + 0.01, low, low + 0.02))
    found = derive(last, with_noise(now, noise(floor) if floor else None), packaged)
    assert found.bump == bump
    assert found.reasons[0].startswith(f"decisions changed by {low + 0.01:.1%} ({low:.1%} to {low + 0.02:.1%})")
    assert ("by the lower bound more than" in found.reasons[0]) == (bump == "major")


@pytest.mark.parametrize(
    ("changed", "bump", "words"),
    [
        (interval(0.055, 0.047, 0.06), "minor", "more than another seed changes (up to 4.6%)"),
        (interval(0.050, 0.041, 0.06), "minor", "can't be told"),
        (interval(0.046, 0.041, 0.06), "patch", "within what another seed changes (up to 4.6%)"),
        (interval(0.010, 0.005, 0.02), "patch", "within what another seed changes (up to 4.6%)"),
    ],
)
def test_changed_decisions_are_held_against_what_another_seed_changes(
    last: Manifest, packaged: manifest.Packaged, changed: manifest.Interval, bump: str, words: str
) -> None:
    found = derive(last, with_comparison(last, changed=changed), packaged)
    assert found.bump == bump
    assert found.reasons[0].endswith(words)


def test_any_changed_decision_is_minor_where_a_single_seed_tells_no_noise(
    last: Manifest, packaged: manifest.Packaged
) -> None:
    alone = with_noise(last, None)
    assert derive(last, alone, packaged).bump == "patch"
    found = derive(last, with_comparison(alone, changed=interval(0.0001, 0.0, 0.0003)), packaged)
    assert found.bump == "minor"
    assert "a single seed tells no noise floor" in found.reasons[0]


def test_a_bundle_that_runs_no_more_where_the_last_one_did_is_major(
    last: Manifest, packaged: manifest.Packaged
) -> None:
    because = "needs operator set 21, there it is 18"
    found = derive(last, with_comparison(last, runs_there=False, runs_there_because=because), packaged)
    assert found.bump == "major"
    assert found.reasons == (f"doesn't run in the serving environment of flights@v1.2.3: {because}",)


def test_an_environment_that_can_not_be_told_rounds_up(last: Manifest, packaged: manifest.Packaged) -> None:
    found = derive(last, with_comparison(last, runs_there=None), packaged)
    assert found.bump == "major"
    assert found.reasons == ("whether it runs in the serving environment of flights@v1.2.3 can't be told",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"comparable": False, "reason": "its files aren't at hand"}, "its files aren't at hand"),
        ({"changed": None}, "the share of changed decisions against flights@v1.2.3 is unknown"),
    ],
)
def test_what_cannot_be_compared_rounds_up(
    last: Manifest, packaged: manifest.Packaged, changes: dict[str, Any], words: str
) -> None:
    better = with_difference(last, "roc_auc", 0.01, 0.02)
    found = derive(last, with_comparison(better, **changes), packaged)
    assert found.bump == "major"
    assert found.reasons[0] == f"decisions can't be compared: {words}"
    assert any("significantly better" in reason for reason in found.reasons) == ("comparable" not in changes)


def test_a_last_release_that_was_not_weighed_rounds_up(last: Manifest, packaged: manifest.Packaged) -> None:
    assert derive(last, with_test(last, comparison=None), packaged).bump == "major"


def test_a_regression_has_no_decisions_to_compare_and_no_noise_floor(
    last: Manifest, packaged: manifest.Packaged
) -> None:
    before = with_test(last, task="regression")
    same = with_difference(with_comparison(before, changed=None), "roc_auc", 0.0, 0.0)
    assert derive(before, same, packaged).bump == "patch"
    other = with_difference(same, "roc_auc", -0.02, 0.02)
    found = derive(before, other, packaged)
    assert found.bump == "minor"
    assert found.reasons == (
        "roc_auc changed by +0 (-0.02 to +0.02); numbers have no noise floor to hold that against",
    )
    unknown = derive(before, with_comparison(same, metrics={}), packaged)
    assert unknown.reasons == ("whether predictions changed can't be told: roc_auc of flights@v1.2.3 is unknown",)


@pytest.mark.parametrize(("count", "bump"), [(7750, "patch"), (7751, "minor"), (4650, "patch"), (4649, "minor")])
def test_a_quarter_more_or_fewer_parameters_are_another_capacity(
    last: Manifest, packaged: manifest.Packaged, count: int, bump: str
) -> None:
    now = replace(last, artifacts=replace(last.artifacts, parameter_count=count))
    found = derive(last, now, packaged)
    assert found.bump == bump
    assert bump == "patch" or found.reasons == (f"parameters: 6200 became {count}",)


def test_a_new_seed_or_new_data_is_a_patch(last: Manifest, packaged: manifest.Packaged) -> None:
    assert derive(last, with_parameters(last, seed=7), packaged)[:3] == ("1.2.4", "patch", ("seed 0 became 7",))
    test = replace(last.data.splits["test"], rows=30_000, last="2013-08-02")
    raw = replace(last.data.raw, sha256="0" * 64)
    data = replace(last.data, raw=raw, rows=340_000, splits={**last.data.splits, "test": test})
    found = derive(last, replace(last, data=data), packaged)
    assert (found.version, found.bump) == ("1.2.4", "patch")
    assert found.data_changes == (
        "new raw data: 336776 rows became 340000",
        "test rows: 28000 from 2013-07-01 to 2013-07-31 became 30000 from 2013-07-01 to 2013-08-02",
    )
    assert found.reasons == ("; ".join(found.data_changes),)


def test_the_same_raw_data_prepared_otherwise_is_said(last: Manifest, packaged: manifest.Packaged) -> None:
    train = replace(last.data.splits["train"], sha256="0" * 64)
    data = replace(last.data, splits={**last.data.splits, "train": train})
    assert derive(last, replace(last, data=data), packaged).data_changes == ("the same raw data prepared otherwise",)


def test_another_split_and_other_features_are_said(last: Manifest) -> None:
    features = (replace(last.data.features[0], name="airline"), *last.data.features[1:])
    data = replace(last.data, split_rule="by day", features=features)
    found = data_changes(last.data, data)
    assert found == (
        "split by 'by time_hour: train before 2013-06-01' became 'by day'",
        "feature carrier removed",
        "feature airline added",
    )


def test_the_greatest_change_decides_and_all_are_recorded(last: Manifest, packaged: manifest.Packaged) -> None:
    now = with_difference(with_parameters(last, seed=1, model="project.models:MLP"), "roc_auc", 0.01, 0.02)
    found = derive(last, with_inputs(now, *now.interface.inputs[:2]), packaged)
    assert (found.version, found.bump) == ("2.0.0", "major")
    starts = ("input wind_gust removed", "roc_auc significantly better", "model sklearn", "seed 0 became 1")
    assert len(found.reasons) == len(starts)
    assert all(reason.startswith(start) for reason, start in zip(found.reasons, starts, strict=True))


def test_the_rules_are_asked_from_the_greatest_bump_down() -> None:
    order = [version.MAJOR, version.MINOR, version.PATCH]
    bumps = [order.index(bump) for bump, _ in version.RULES]
    assert bumps == sorted(bumps)


@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["major", "minor", "patch"]))
def test_a_raised_version_is_the_next_of_its_kind(major: int, minor: int, patch: int, bump: str) -> None:
    found = tuple(map(int, version.raised(f"{major}.{minor}.{patch}", bump).split(".")))
    assert found > (major, minor, patch)
    assert found in {(major + 1, 0, 0), (major, minor + 1, 0), (major, minor, patch + 1)}


@pytest.mark.parametrize("text", ["1.2", "v1.2.3", "1.2.3-rc1", "01.2.3", "", "1.2.3\n", "1.2.1\u0661"])
def test_a_version_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match=r"expected MAJOR\.MINOR\.PATCH"):
        version.raised(text, "patch")


def asked(bump: str, *values: str) -> version.Derived:
    """Return what becomes of a version derived after 1.2.3 where commits ask for *values*."""
    derived = version.Derived(version.raised("1.2.3", bump), bump, ("a reason",), ("new rows",))
    return version.asked(derived, "1.2.3", [(f"c0ffee{i}", value) for i, value in enumerate(values)])


def test_a_trailer_raises_the_version_and_says_by_which_commit() -> None:
    found = asked("patch", "minor", "Major")
    words = "raised to major by c0ffee1: Semver: major; derived: patch"
    assert found == ("2.0.0", "major", (words, "a reason"), ("new rows",), "")


def test_a_trailer_that_lowers_is_told_for_approval() -> None:
    found = asked("major", "patch", "minor")
    assert found[:2] == ("1.3.0", "minor")
    assert found.reasons[0] == "lowered to minor by c0ffee1: Semver: minor; derived: major"
    assert found.lowered == "version lowered from major to minor"


def test_the_first_version_stays_the_first() -> None:
    first = version.Derived("1.0.0", "first", ("no release before it",), ())
    assert version.asked(first, None, [("c0ffee", "major")]) == first


@pytest.mark.parametrize("value", ["", "big", "major!", "2.0.0"])
def test_a_trailer_of_another_word_is_refused_with_its_commit(value: str) -> None:
    with pytest.raises(SettingsError, match=r"commit c0ffee1: found 'Semver: .*'\nExpected 'Semver: major'"):
        asked("minor", "major", value)


@given(st.sampled_from(BUMPS), st.lists(st.sampled_from(BUMPS)))
def test_the_highest_trailer_decides_and_only_lowering_asks(bump: str, values: list[str]) -> None:
    found = asked(bump, *values)
    wanted = max(values, key=BUMPS.index, default=bump)
    assert found.bump == wanted
    assert found.version == version.raised("1.2.3", wanted)
    assert bool(found.lowered) == (BUMPS.index(wanted) < BUMPS.index(bump))
    assert len(found.reasons) == (1 if wanted == bump else 2)
