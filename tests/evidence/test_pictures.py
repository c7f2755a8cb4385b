import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import msgspec
import pytest
from drawn import assert_readable, words
from flights_sample import (
    gate,
    make_candidates,
    make_gates,
    make_learning_curves,
    make_packaged,
    make_parts,
    make_scores,
    make_slices,
    make_verdict,
    make_weighing,
)  # fmt: skip
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from weighbridge import manifest
from weighbridge.errors import RecordError
from weighbridge.evidence import (
    curve_pictures,
    forest_pictures,
    gate_pictures,
    page,
    pictures,
    plot_tables,
)
from weighbridge.evidence.predictions import Predicted
from weighbridge.evidence.scene import Scene

HOSTILE = "$x^{<b>\n\t|late|\u202e 🛩 " + "é" * 60
NAMES = {"candidates", "learning_curves", "roc", "precision_recall", "calibration", "confusion", "slices", "gates"}
PAINTERS = [
    pictures.candidates, pictures.learning_curves, curve_pictures.roc, curve_pictures.precision_recall,
    curve_pictures.calibration, curve_pictures.confusion, forest_pictures.slices, gate_pictures.gates,
]  # fmt: skip


def finite() -> st.SearchStrategy[float]:
    return st.floats(allow_nan=False, allow_infinity=False)


def scene(folder: Path, **changes: Any) -> Scene:
    """A scene with its tables in *folder*: the flights, or changed in some way."""
    scores = make_scores(3000)
    packaged = changes.get("packaged") or make_packaged()
    weighing = changes.get("weighing") or make_weighing()
    learning = changes.get("learning_curves", make_learning_curves())
    old = scores.baseline if weighing.comparison else None
    predicted = Predicted(scores.target, scores.probability, old)
    plot_tables.write_all(folder, predicted=predicted, packaged=packaged, weighing=weighing, learning_curves=learning)
    return Scene(packaged, weighing, folder, changes.get("verdict") or make_verdict())


def hostile(folder: Path) -> Scene:
    """Names and labels as odd and as long as they may come."""
    packaged = make_packaged(candidates=make_candidates(("c" * 64, "d" * 64)), champion="c" * 64, name="n" * 64)
    outputs = (msgspec.structs.replace(packaged.interface.outputs[0], labels=(HOSTILE, HOSTILE[::-1])),)
    interface = msgspec.structs.replace(packaged.interface, outputs=outputs)
    slices = tuple(msgspec.structs.replace(part, column=HOSTILE, value=HOSTILE) for part in make_slices(3))
    rule = "w" * 30 + " at least 3 " * 40
    parts = tuple(msgspec.structs.replace(one, name=HOSTILE + one.name, reason=HOSTILE) for one in make_parts(30))
    results = (
        gate("g" * 64, "absolute", "fail", rule, value=1e9, bound=-1e9, limit=2e-9, reason=rule),
        gate("h" * 64, "change", "inconclusive", rule, value=-1e300, baseline=1e300, difference=-1e-300, low=-1e308,
             high=1e308, bound=-1e308, limit=-1e-308, rows=10**12, rows_needed=10**15, reason=rule),
        gate("i" * 64, "slices", "some other word", HOSTILE, limit=-0.01, parts=parts),
    )  # fmt: skip
    gates = msgspec.structs.replace(make_gates(), results=results)
    return scene(
        folder,
        packaged=msgspec.structs.replace(packaged, interface=interface),
        weighing=make_weighing(slices=slices, group_by=HOSTILE),
        verdict=msgspec.structs.replace(make_verdict(), gates=gates),
        learning_curves={f"{name} seed 0": make_learning_curves(1)["network seed 0"] for name in ("c" * 64, "d" * 64)},
    )


def lean(folder: Path) -> Scene:
    """One candidate with one seed, the first release, no slices, no learning curve."""
    one = {"only": make_candidates()["boosting"]}
    score = manifest.CandidateScore(seeds=one["only"].seeds[:1], mean=one["only"].mean, deviation={})
    packaged = make_packaged(candidates={"only": score}, champion="only", baseline=None)
    return scene(folder, packaged=packaged, weighing=make_weighing(slices=(), comparison=None), learning_curves=None)


def crowded(folder: Path) -> Scene:
    names = tuple(f"candidate-{i}" for i in range(8))
    packaged = make_packaged(candidates=make_candidates(names), champion="candidate-1")
    learning = {f"{name} seed {seed}": make_learning_curves(1)["network seed 0"] for name in names for seed in (0, 1)}
    gates = make_gates()
    results = tuple(
        msgspec.structs.replace(one, parts=make_parts(70) if one.kind == "slices" else one.parts)
        for one in (*gates.results, *gates.results[:5])
    )
    return scene(
        folder, packaged=packaged, weighing=make_weighing(slices=make_slices(30)), learning_curves=learning,
        verdict=msgspec.structs.replace(make_verdict(), gates=msgspec.structs.replace(gates, results=results)),
    )  # fmt: skip


def unjudged(folder: Path) -> Scene:
    """Slices that no gate has judged: their metric is shown."""
    gates = make_gates()
    results = tuple(one for one in gates.results if one.kind != "slices")
    verdict = msgspec.structs.replace(make_verdict(), gates=msgspec.structs.replace(gates, results=results))
    return scene(folder, weighing=make_weighing(slices=make_slices(30)), verdict=verdict)


SCENES = {"usual": scene, "hostile": hostile, "lean": lean, "crowded": crowded, "unjudged": unjudged}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    return {kind: make(tmp_path_factory.mktemp(kind)) for kind, make in SCENES.items()}


def chunks(png: bytes) -> list[bytes]:
    found, position = [], 8
    while position < len(png):
        (size,) = struct.unpack(">I", png[position : position + 4])
        found.append(png[position + 4 : position + 8])
        position += 12 + size
    return found


def draw(found: Scene, folder: Path) -> tuple[Path, ...]:
    return pictures.draw_all(
        folder, packaged=found.packaged, weighing=found.weighing, plots=found.plots, verdict=found.verdict
    )


@pytest.mark.parametrize("kind", SCENES)
@pytest.mark.parametrize("paint", PAINTERS, ids=lambda painter: painter.__name__)
def test_no_word_leaves_the_page_and_none_covers_another(
    scenes: dict[str, Scene], kind: str, paint: Callable[[Scene], Figure]
) -> None:
    with page.style():
        figure = paint(scenes[kind])
        assert_readable(figure)


def test_pictures_hold_no_clock_or_software_and_are_the_same_twice_whatever_the_reader_s_style(
    scenes: dict[str, Scene], tmp_path: Path
) -> None:
    paths = draw(scenes["usual"], tmp_path / "a")
    assert {path.stem for path in paths} == NAMES
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert set(chunks(path.read_bytes())) == {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "savefig.dpi": 40}):
        again = draw(scenes["usual"], tmp_path / "b")
        assert mpl.rcParams["font.size"] == 30
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]


def test_gates_are_drawn_only_once_they_were_judged(tmp_path: Path) -> None:
    found = lean(tmp_path / "plots")
    drawn = pictures.draw_all(tmp_path, packaged=found.packaged, weighing=found.weighing, plots=found.plots)
    assert {path.stem for path in drawn} == NAMES - {"gates"}


def test_a_missing_or_empty_table_is_told_with_the_next_step(tmp_path: Path) -> None:
    found = scene(tmp_path / "plots")
    (found.plots / "roc.csv").write_text("")
    with pytest.raises(RecordError, match=r"roc\.csv: no table .* run the draw stage again"):
        draw(found, tmp_path)


@pytest.mark.parametrize(
    ("paint", "said"),
    [
        (pictures.candidates, "boosting wins with ROC AUC 0.7227, 0.0052 ahead of network"),
        (curve_pictures.roc, "“late” scores above “punctual” in 72 % of pairs"),
        (curve_pictures.precision_recall, "Average precision 0.512"),
        (curve_pictures.calibration, "Probabilities are 1.4 percentage points off"),
        (curve_pictures.confusion, "of “late” are found"),
        (forest_pictures.slices, "1 of 9 slices is worse: carrier=MQ"),
        (gate_pictures.gates, "7 of 10 gates hold; missed: no-step-back, no-slice-worse, small"),
    ],
)
def test_titles_state_the_finding(scenes: dict[str, Scene], paint: Any, said: str) -> None:
    with page.style():
        title = paint(scenes["usual"]).texts[0].get_text()
    assert said in title.replace("\n", " ")


def test_slices_that_no_gate_judged_are_shown_by_the_metric(scenes: dict[str, Scene]) -> None:
    with page.style():
        title = forest_pictures.slices(scenes["unjudged"]).texts[0].get_text()
    assert "Weakest slice: dest AA24, ROC AUC 0.670 against 0.718 overall" in title.replace("\n", " ")


def test_a_verdict_is_told_by_words_beside_colour(scenes: dict[str, Scene]) -> None:
    with page.style():
        found = [text for text, _ in words(gate_pictures.gates(scenes["usual"]))]
    assert {"PASS", "FAIL", "INCONCLUSIVE", "at release", "not applicable"} <= set(found)


@pytest.mark.parametrize(
    ("result", "sides", "upwards"),
    [
        (gate("", "absolute", "inconclusive", "", value=0.7, low=0.6, high=0.8, bound=0.6, limit=0.65), (1, -1), True),
        (gate("", "absolute", "fail", "", value=0.7, low=0.66, high=0.74, bound=0.66, limit=0.75), (-1, -1), True),
        (gate("", "absolute", "pass", "", value=0.5, low=0.4, high=0.6, bound=0.6, limit=0.65), (1, 1), False),
        (gate("", "change", "inconclusive", "", value=0.8, baseline=0.799, difference=0.001, low=-0.02, high=0.022,
              bound=-0.02, limit=-0.005), (1, -1), True),
        (gate("", "change", "fail", "", value=0.6, baseline=0.5, difference=0.1, low=0.05, high=0.15, bound=0.15,
              limit=0.01), (-1, -1), False),
        (gate("", "budget", "pass", "", value=0.1, limit=5.0), (1, 1), False),
        (gate("", "budget", "fail", "", value=7.0, limit=5.0), (-1, -1), False),
        (gate("", "budget", "pass", "", value=7.0, baseline=7.0, difference=1.0, low=0.9, high=1.1, bound=1.1,
              limit=1.5), (1, 1), False),
        (gate("", "budget", "fail", "", value=400.0, limit=5000.0), (-1, -1), True),
        (gate("", "budget", "fail", "", value=9.0, baseline=3.0, difference=3.0, limit=1.5), (-1, -1), False),
        (gate("", "data", "pass", "", value=0.4, limit=0.25), (-1, -1), False),
    ],
)  # fmt: skip
def test_the_good_side_of_a_limit_is_right(
    result: manifest.GateResult, sides: tuple[int, int], *, upwards: bool
) -> None:
    place = gate_pictures.placed(result)
    assert place is not None
    assert (math.copysign(1, place.point), math.copysign(1, place.worst)) == sides
    assert place.upwards is upwards


def test_a_difference_that_is_limited_on_both_sides_has_two_limits() -> None:
    rule = "roc_auc differs from that of flights@v1.0.0 by at most 0.01 (both bounds of the paired difference, 95 %)"
    result = gate("", "change", "pass", rule, value=0.8, baseline=0.799, difference=0.001, low=-0.004, high=0.006,
                  bound=0.006, limit=0.01)  # fmt: skip
    place = gate_pictures.placed(result)
    assert place is not None
    assert place.point > 0
    assert gate_pictures.other_limit(result, place) == min(1.0, 0.02 / place.width)
    one_sided = msgspec.structs.replace(result, rule="roc_auc is worse than that of flights@v1.0.0 by at most 0.01")
    assert gate_pictures.other_limit(one_sided, place) is None


def test_both_limits_of_a_bias_are_on_the_strip_and_the_mark_is_between_them() -> None:
    rule = "bias is at most 3 in either direction (both bounds, 95 % confidence)"
    result = gate("", "calibration", "pass", rule, value=-0.3, low=-1.05, high=0.36, bound=-1.05, limit=-3.0)
    place = gate_pictures.placed(result)
    assert place is not None
    other = gate_pictures.other_limit(result, place)
    assert other is not None
    assert other < 1
    assert place.point == pytest.approx(other * 2.7 / 6)


def test_a_gate_without_numbers_has_no_place() -> None:
    assert gate_pictures.placed(gate("", "complete", "at release", "", limit=0.0)) is None


@given(finite(), finite(), finite(), finite(), st.sampled_from(["pass", "fail", "inconclusive"]))
def test_a_place_is_always_on_the_strip_with_the_mark_inside_its_bar(
    point: float, low: float, high: float, limit: float, verdict: str
) -> None:
    low, point, high = sorted((low, point, high))
    result = gate("", "absolute", verdict, "", value=point, low=low, high=high, bound=low, limit=limit)
    place = gate_pictures.placed(result)
    assert place is not None
    assert -1 <= place.worst <= place.point <= place.best <= 1


def test_a_slice_that_is_too_small_is_listed_and_not_drawn(scenes: dict[str, Scene]) -> None:
    with page.style():
        figure = forest_pictures.slices(scenes["usual"])
        found = [text for text, _ in words(figure)]
    assert {"carrier=VX", "fewer than 1,000 rows", "INCONCLUSIVE", "FAIL", "margin \N{MINUS SIGN}0.01"} <= set(found)
    assert "Grey: 1 not judged" in figure.texts[2].get_text()


def slices_of(found: Scene, **changes: Any) -> Figure:
    """The picture of slices of a scene whose gate on slices is changed."""
    verdict = found.verdict or make_verdict()
    results = tuple(
        msgspec.structs.replace(one, **changes) if one.kind == "slices" else one for one in verdict.gates.results
    )
    gates = msgspec.structs.replace(verdict.gates, results=results)
    with page.style():
        return forest_pictures.slices(found._replace(verdict=msgspec.structs.replace(verdict, gates=gates)))


def test_of_a_metric_of_which_less_is_better_the_right_side_is_worse(scenes: dict[str, Scene]) -> None:
    rule = "no slice by carrier is worse in log_loss than with flights@v1.0.0 by more than 0.01"
    figure = slices_of(scenes["usual"], rule=rule, limit=0.01)
    assert "log loss of parts of the test rows" in figure.texts[1].get_text()
    assert "Right is worse." in figure.texts[1].get_text()
    assert "margin 0.01" in {text for text, _ in words(figure)}


def test_the_limit_of_a_gap_is_not_taken_for_the_margin(scenes: dict[str, Scene]) -> None:
    figure = slices_of(scenes["usual"], difference=None, baseline=None, limit=0.1, low=0.05, high=0.2, bound=0.2)
    assert "Left is worse." in figure.texts[1].get_text()
    assert not any(text.startswith("margin") for text, _ in words(figure))


def test_a_slice_that_must_pass_and_can_t_be_told_is_in_the_title(scenes: dict[str, Scene]) -> None:
    must = msgspec.structs.replace(make_parts(1)[0], name="origin=JFK (must pass)", verdict="inconclusive")
    figure = slices_of(scenes["usual"], parts=(must, *make_parts(3)))
    assert "No slice is proven worse, but origin=JFK (must pass) can't be told" in figure.texts[0].get_text()


@pytest.mark.parametrize(("scores", "upwards"), [((0.3, 0.2), False), ((0.2, 0.3), True), ((0.2,), True)])
def test_which_way_a_metric_of_one_s_own_runs_is_seen_from_the_choice(
    tmp_path: Path,
    scores: tuple[float, ...],
    *,
    upwards: bool,
) -> None:
    """The last candidate is the champion."""
    candidates = {
        f"c{i}": manifest.CandidateScore(seeds=(), mean={"profit": score}, deviation={})
        for i, score in enumerate(scores)
    }
    packaged = make_packaged(candidates=candidates, champion=list(candidates)[-1], primary="profit")
    found = Scene(packaged, make_weighing(), tmp_path, None)
    assert found.more_is_better("profit") is upwards
    assert not found.more_is_better("log_loss")
    with page.style():
        assert f"{'more' if upwards else 'less'} is better" in str(pictures.candidates(found).axes[0].get_xlabel())


def test_of_very_many_slices_those_that_fail_are_shown(scenes: dict[str, Scene]) -> None:
    with page.style():
        figure = forest_pictures.slices(scenes["crowded"])
        found = [text for text, _ in words(figure)]
    failed = [part.name for part in make_parts(70) if part.verdict == "fail"]
    assert set(failed) <= set(found)
    assert "Not shown: 30" in figure.texts[2].get_text()


@given(st.integers(0, 100_000), st.integers(0, 100_000))
def test_a_share_says_all_or_none_only_of_all_or_none(part: int, rest: int) -> None:
    said = page.percent(part, part + rest)
    if part and rest and min(part, rest) / (part + rest) > 0.0005:
        assert said not in {"0 %", "0.0 %", "100 %", "100.0 %"}


@given(st.text(max_size=200), st.integers(9, 60))
def test_a_shortened_text_is_one_line_of_at_most_that_length(text: str, length: int) -> None:
    short = page.short(text, length)
    assert len(short) <= length
    assert "\n" not in short
