from typing import Any

import msgspec
import pytest
from flights_sample import make_manifest, make_packaged
from hypothesis import given
from hypothesis import strategies as st

from weighbridge import manifest
from weighbridge.errors import RecordError
from weighbridge.evidence import version
from weighbridge.manifest import Input, Manifest, Output

replace = msgspec.structs.replace
NUMBERS = st.integers(0, 10**6)


@pytest.fixture
def packaged() -> manifest.Packaged:
    return make_packaged()


@pytest.fixture
def last() -> Manifest:
    """The last release, 1.2.3, with nothing of its own to compare with."""
    flights_manifest = make_manifest()
    info = replace(flights_manifest.model_info, version="1.2.3")
    test = replace(flights_manifest.performance.test, comparison=None)
    return replace(flights_manifest, model_info=info, performance=replace(flights_manifest.performance, test=test))


def derive(last: Manifest | None, now: Manifest, packaged: manifest.Packaged) -> version.Derived:
    return version.derive(
        last,
        packaged=replace(packaged, interface=now.interface, primary=now.performance.primary),
        parameters=now.parameters,
        data=now.data,
        weighing=now.performance.test,
        intended_use=now.card.intended_use,
    )


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
    difference = manifest.Interval(value=(low + high) / 2, low=low, high=high)
    comparison = manifest.Comparison(
        release="flights@v1.2.3",
        comparable=True,
        reason="",
        metrics={metric: manifest.Change(baseline=0.7, difference=difference)},
        changed_decisions=0.1,
        serving=None,
    )
    performance = replace(now.performance, primary=metric, test=replace(now.performance.test, comparison=comparison))
    return replace(now, performance=performance)


def test_the_first_release_is_one(last: Manifest, packaged: manifest.Packaged) -> None:
    assert derive(None, last, packaged) == ("1.0.0", "first", ("no release before it",), ())


def test_the_same_again_is_a_patch(last: Manifest, packaged: manifest.Packaged) -> None:
    assert derive(last, last, packaged) == ("1.2.4", "patch", ("same model and data, made again",), ())


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
        (lambda o: (replace(o[0], type="string"), o[1]), "output label: type int64 became string"),
        (lambda o: (replace(o[0], labels=("on time", "late")), o[1]),
         "output label: labels ['punctual', 'late'] became ['on time', 'late']"),
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
    assert found.reasons == ("target late became late30; labels ['punctual', 'late'] became ['late', 'punctual']",)


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
    test = replace(last.performance.test, threshold=0.4)
    now = replace(last, performance=replace(last.performance, test=test))
    assert derive(last, now, packaged)[:3] == ("1.3.0", "minor", ("threshold 0.5 became 0.4",))


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


def test_what_cannot_be_compared_is_not_better(last: Manifest, packaged: manifest.Packaged) -> None:
    better = with_difference(last, "roc_auc", 0.01, 0.02)
    comparison = better.performance.test.comparison
    assert comparison is not None
    test = replace(better.performance.test, comparison=replace(comparison, comparable=False, reason="absent"))
    hidden = replace(better, performance=replace(better.performance, test=test))
    assert derive(last, hidden, packaged).bump == "patch"


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
    found = version.data_changes(last.data, data)
    assert found == (
        "split by 'by time_hour: train before 2013-06-01' became 'by day'",
        "feature carrier removed",
        "feature airline added",
    )


def test_the_greatest_change_decides_and_all_are_recorded(last: Manifest, packaged: manifest.Packaged) -> None:
    now = with_difference(with_parameters(last, seed=1, model="project.models:MLP"), "roc_auc", 0.01, 0.02)
    found = derive(last, with_inputs(now, *now.interface.inputs[:2]), packaged)
    assert (found.version, found.bump) == ("2.0.0", "major")
    starts = ("input wind_gust removed", "model sklearn", "roc_auc significantly better", "seed 0 became 1")
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
