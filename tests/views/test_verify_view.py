"""``weighbridge verify``, what it says and how; what it proves is tested end to end."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import DataError, RecordError, SettingsError, SetupError
from weighbridge.manifest import Manifest
from weighbridge.verification.judgement import TOLERANCE, apart, near_zero, unlike
from weighbridge.verification.steps import FAILED, PROVED, UNPROVED, Step, UnprovedError, step
from weighbridge.verification.trust import Trust, read
from weighbridge.views import verify as view

Release = Callable[..., Manifest]


def raising(error: Exception) -> Callable[[], str]:
    def check() -> str:
        raise error

    return check


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (RecordError("it differs"), FAILED),
        (DataError("it differs"), FAILED),
        (UnprovedError("nobody knows"), UNPROVED),
        (SetupError("no DVC"), UNPROVED),
        (SettingsError("no key"), UNPROVED),
    ],
)
def test_what_contradicts_has_failed_and_what_lacks_is_not_proved(error: Exception, verdict: str) -> None:
    assert step("tag", raising(error)) == Step(name="tag", verdict=verdict, said=str(error))


def test_whatever_a_forged_file_provokes_is_no_proof() -> None:
    assert step("tag", raising(RecursionError("too deep"))).verdict == FAILED
    assert step("tag", lambda: "as the tag says") == Step(name="tag", verdict=PROVED, said="as the tag says")


def test_a_name_that_is_no_text_can_be_said() -> None:
    said = os.fsdecode(b"config/a\xff.yaml")
    found = [step("commit", check) for check in (raising(RecordError(said)), lambda: said)]
    assert [each.said for each in found] == ["config/a?.yaml"] * 2
    assert view.json(view.Report(tag="m@v1.0.0", failed=True, complete=False, steps=tuple(found)))


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_forged_numbers_are_told_from_rounded_ones_in_any_unit(unit: float) -> None:
    found = np.array([-2.0, 0.0, 1.0, 5.0]) * unit
    for rounded in (found * (1 + 1e-9), found + 1e-9 * unit):
        assert apart(found, rounded, "regression") <= TOLERANCE
    for forged in (found * 1.1, found + 0.1 * unit, found * np.nan, found[:3]):
        assert not apart(found, forged, "regression") <= TOLERANCE


def report(*verdicts: str) -> view.Report:
    steps = tuple(Step(name="a", verdict=verdict, said="") for verdict in verdicts)
    return view.Report(tag="m@v1.0.0", failed=FAILED in verdicts, complete=set(verdicts) == {PROVED}, steps=steps)


@pytest.mark.parametrize(
    ("verdicts", "lenient", "strict"),
    [([PROVED], 0, 0), ([PROVED, UNPROVED], 0, 1), ([PROVED, FAILED], 1, 1), ([UNPROVED, FAILED], 1, 1)],
)
def test_the_exit_code_tells_a_failure_and_strictly_a_doubt(verdicts: list[str], lenient: int, strict: int) -> None:
    assert (report(*verdicts).exit_code(strict=False), report(*verdicts).exit_code(strict=True)) == (lenient, strict)


def test_the_last_line_counts_and_warns() -> None:
    assert view.summary(report(PROVED, PROVED, UNPROVED)) == "m@v1.0.0: nothing failed; 2 proved, 1 not proved"
    assert view.summary(report(PROVED, PROVED)) == "m@v1.0.0: 2 proved"
    assert view.summary(report(PROVED, FAILED)) == "m@v1.0.0: 1 proved, 1 FAILED. Don't trust this release"


@given(st.text(max_size=300))
def test_no_word_of_a_release_is_obeyed_by_the_terminal(said: str) -> None:
    shown = view.line(Step(name="tag", verdict=FAILED, said=said))
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    assert shown.startswith("FAILED      tag")
    assert all(later.startswith(" " * 28) for later in shown.split("\n")[1:])


class TestWhichRelease:
    @pytest.mark.parametrize("ref", ["latest", "v1.1.0", "1.1.0", "flights@v1.1.0"])
    def test_is_named_in_each_way(self, ref: str, project: Path, release: Release) -> None:
        release("1.0.0")
        release("1.1.0")
        assert str(view.resolve(project, ref)) == "flights@v1.1.0"

    def test_is_named_by_the_tags_where_there_is_no_configuration(self, project: Path, release: Release) -> None:
        release("1.0.0")
        (project / "config/config.yaml").write_text("name: [1")
        assert str(view.resolve(project, "latest")) == "flights@v1.0.0"

    @pytest.mark.parametrize("ref", ["main", "--all", "v1", "flights@1.0.0", "../x@v1.0.0", "v1.0.0\n"])
    def test_is_refused_where_it_is_none(self, ref: str, project: Path, release: Release) -> None:
        release("1.0.0")
        with pytest.raises(SettingsError, match="expected a release, such as"):
            view.resolve(project, ref)

    def test_is_asked_for_where_there_is_none_yet(self, project: Path) -> None:
        with pytest.raises(SettingsError, match="no release yet"):
            view.resolve(project, "latest")


class TestListsOfSigners:
    def test_are_read_from_a_file_or_a_folder(self, tmp_path: Path) -> None:
        assert read(None) == Trust()
        (tmp_path / "release").write_text("a")
        assert read(tmp_path) == Trust(str(tmp_path), b"a", None)
        (tmp_path / "approve").write_text("b")
        assert read(tmp_path) == Trust(str(tmp_path), b"a", b"b")
        assert read(tmp_path / "approve") == Trust(str(tmp_path / "approve"), b"b", None)

    def test_have_to_be_there(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="no file 'release' in it"):
            read(tmp_path)
        with pytest.raises(SettingsError, match="No such file or directory; expected allowed signers"):
            read(tmp_path / "none")

    def test_and_keys_have_to_be_readable_and_small(self, project: Path, release: Release, tmp_path: Path) -> None:
        release("1.0.0")
        files = {name: tmp_path / name for name in ("pipe", "large", "long" * 100, "nonsense")}
        os.mkfifo(files["pipe"])
        files["large"].write_bytes(bytes((1 << 20) + 1))
        files["nonsense"].write_text("a")
        unread = {Path("/dev/zero"): "no regular file", files["pipe"]: "no regular file", files["large"]: "more than"}
        for file, words in {**unread, files["long" * 100]: "File name too long", tmp_path / "no": "No such"}.items():
            with pytest.raises(SettingsError, match=f"--signers .*{words}"):
                next(view.run(project, "latest", file, None))
            with pytest.raises(SettingsError, match=f"--model-key .*{words}"):
                next(view.run(project, "latest", None, file))
        with pytest.raises(SettingsError, match=r"--model-key .*: found no public key in PEM"):
            next(view.run(project, "latest", None, files["nonsense"]))

    def test_may_not_come_from_the_clone_even_by_a_link(self, project: Path, release: Release, tmp_path: Path) -> None:
        release("1.0.0")
        (project / "list").write_text("a")
        (tmp_path / "outside").symlink_to(project / "list")
        with pytest.raises(SettingsError, match=r"--signers .* proves nothing"):
            next(view.run(project, "latest", tmp_path / "outside", None))
        with pytest.raises(SettingsError, match=r"--model-key .* proves nothing"):
            next(view.run(project, "latest", None, project / "list"))

    def test_may_not_come_from_beside_a_project_in_a_folder(self, project: Path) -> None:
        inner = project / "models" / "flights"
        shutil.copytree(project / "config", inner / "config")
        for place in (project / "list", project / ".git" / "list"):
            place.write_text("a")
            with pytest.raises(SettingsError, match=r"--signers .* proves nothing"):
                next(view.run(inner, "flights@v1.0.0", place, None))


@pytest.mark.parametrize(
    ("recorded", "found", "names"),
    [
        (1.0, 1.0 + 1e-9, []),
        (1.0, 1.001, ["x"]),
        (None, 1.0, ["x"]),
        (float("inf"), 1.0, ["x"]),
        ({"a": 1, "reason": "0.1 or so"}, {"a": 1, "reason": "about 0.1"}, []),
        ({"a": 1}, {"a": 1, "b": 2}, ["x.b"]),
        ([1, {"a": "p"}], [1, {"a": "q"}], ["x[1].a"]),
        ([1], [1, 2], ["x"]),
        ("pass", "fail", ["x"]),
    ],
)
def test_only_the_last_digits_of_numbers_may_differ(recorded: Any, found: Any, names: list[str]) -> None:
    assert [problem.partition(":")[0] for problem in unlike("x", recorded, found)] == names


def test_a_release_of_made_up_records_fails_and_runs_to_its_end(project: Path, release: Release) -> None:
    """Nothing that is wrong with one part keeps the others from being told."""
    release("1.0.0")
    *steps, last = view.run(project, "latest", None, None)
    assert isinstance(last, view.Report)
    verdicts = {found.name: found.verdict for found in last.steps}
    assert len(steps) == len(verdicts) == 26
    assert verdicts["tag"] == PROVED
    assert last.exit_code(strict=False) == 1


def test_the_project_is_found_without_making_its_code_importable(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    before = list(sys.path)
    monkeypatch.chdir(project / "config")
    assert view.place() == project.resolve()
    assert sys.path == before
    monkeypatch.chdir(os.sep)
    with pytest.raises(SetupError, match="not a git repository"):
        view.place()


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e6])
def test_forged_metrics_are_told_from_rounded_ones_in_any_unit(unit: float) -> None:
    near = near_zero(np.array([-1.0, 1.0]) * unit, "regression")
    measured = {"root_mean_squared_error": 0.5 * unit, "mean_squared_error": 0.25 * unit**2, "r2": 0.75}
    rounded = {name: value * (1 + 1e-9) for name, value in measured.items()}
    forged = {name: value * 1.01 for name, value in measured.items()}
    assert list(unlike("metrics", measured, rounded, near)) == []
    assert len(list(unlike("metrics", forged, measured, near))) == len(measured)
