"""judge: the gates applied to the weighing, and the version that follows. Always succeeds where it can be judged.

Gates are judged on the rows themselves: the predictions that ``weigh`` left, joined by id with the test rows, whose
columns cut slices and name groups. What ``weighing.yaml`` says of a metric is for people; no gate takes its word.
"""

import difflib
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from weighbridge import documents, manifest, paths, settings
from weighbridge.data import columns, tables
from weighbridge.data.schema import Schema, schema_at
from weighbridge.digest import sha256_file, sha256_json
from weighbridge.errors import DataError, SettingsError
from weighbridge.evidence import gates, statement, verdict_page, version
from weighbridge.evidence.predictions import arrays
from weighbridge.evidence.rows import Rows
from weighbridge.stages import baseline
from weighbridge.tasks import JudgeTask, plain

_OF_TEST = "test:"
_AGAIN = "run 'snakemake --cores all --forcerun weigh'"


class Case(NamedTuple):
    """What is judged: the bundle, what was weighed, on which data, how it was trained, and the last release."""

    packaged: manifest.Packaged
    weighing: manifest.Weighing
    data: manifest.DataSection
    parameters: manifest.Parameters
    previous: manifest.Manifest | None


def run(root: Path, task: JudgeTask) -> manifest.Verdict:
    """Write ``verdict.yaml`` (each gate with value, bound and limit, the version and why), a page and a statement."""
    verdict = decide(root, task)
    packaged = documents.read_record(root / paths.PACKAGE, manifest.Packaged)
    weighing = documents.read_record(root / paths.WEIGHING, manifest.Weighing)
    documents.write(root / paths.VERDICT_PAGE, verdict_page.page(verdict, packaged, weighing))
    documents.write(root / paths.STATEMENT, statement.statement(verdict.gates, packaged))
    documents.write_record(root / paths.VERDICT, verdict)
    for row in gates.table(verdict.gates.results):
        print("  ".join(row))
    reasons = "; ".join(verdict.lineage.reasons)
    print(f"verdict: {verdict.gates.verdict}; version {verdict.version}: {reasons}")
    return verdict


def decide(root: Path, task: JudgeTask) -> manifest.Verdict:
    """Return the verdict on what the stages before have left.

    Raises:
        DataError: where predictions and test rows aren't the same rows, or not those on record.
        RecordError: where a record is missing or damaged.
        SettingsError: where a gate names a column that the test rows lack.
    """
    packaged = documents.read_record(root / paths.PACKAGE, manifest.Packaged)
    folder = root / paths.run(packaged.champion, packaged.seed)
    case = Case(
        packaged=packaged,
        weighing=documents.read_record(root / paths.WEIGHING, manifest.Weighing),
        data=documents.read_record(root / paths.PROFILE, manifest.DataSection),
        parameters=documents.read_record(folder / "run.yaml", manifest.RunRecord).parameters,
        previous=baseline.read(root, packaged.baseline),
    )
    _refuse_other_rows(root, case.weighing, case.data)
    schema = schema_at(task.data_schema)
    test = tables.read_split(root, "test", case.data, test_columns(task.gates, schema, case.data))
    return judged(task, case, rows(task, schema, case, tables.read_parquet(root / paths.PREDICTIONS), test))


def judged(task: JudgeTask, case: Case, seen: Rows) -> manifest.Verdict:
    """Return the verdict on a case, judged on the rows *seen*; nothing is read besides.

    Raises:
        DataError: where the rows can't be measured.
        SettingsError: where a gate names what isn't there.
    """
    packaged, weighing, data, previous = case.packaged, case.weighing, case.data, case.previous
    evidence = gates.Evidence(
        rows=seen,
        weighing=weighing,
        packaged=packaged,
        data=data,
        cost=task.cost,
        resamples=weighing.resamples,
        previous=previous,
    )
    results = gates.judge(task.gates, evidence)
    self_test = gates.self_test(task.gates, evidence)
    return concluded(task, case, (*results, gates.self_test_gate(self_test)), self_test)


def concluded(
    task: JudgeTask, case: Case, results: tuple[manifest.GateResult, ...], self_test: tuple[manifest.SelfTest, ...]
) -> manifest.Verdict:
    """Return the verdict that follows from the gates' results, and the version, which needs no rows."""
    packaged, weighing, data, previous = case.packaged, case.weighing, case.data, case.previous
    derived = version.derive(
        previous,
        packaged=packaged,
        parameters=case.parameters,
        data=data,
        weighing=weighing,
        intended_use=task.intended_use,
        own=task.own,
    )
    old_gates = _old_gates(previous) if previous else {}
    loosened = _loosened(task, previous, old_gates, weighing)
    needed = gates.needs_approval(
        task.gates, results, loosened, derived.bump, old_gates=old_gates, reasons=derived.reasons
    )
    return manifest.Verdict(
        gates=manifest.Gates(
            verdict=gates.verdict(results, needed),
            results=results,
            gates_sha256=sha256_json(plain(task.gates)),
            loosened=loosened,
            self_test=self_test,
            needs_approval=needed,
        ),
        version=derived.version,
        lineage=manifest.Lineage(
            previous=packaged.baseline,
            bump=derived.bump,
            reasons=derived.reasons,
            data_changes=derived.data_changes,
            code_changes=(),
        ),
    )


def _loosened(
    task: JudgeTask, previous: manifest.Manifest | None, old_gates: dict[str, object], weighing: manifest.Weighing
) -> tuple[str, ...]:
    """Return, in words, what became easier since the last release: limits, and what they are held against."""
    if previous is None:
        return ()
    beside = gates.loosened_beside(previous, weighing=weighing, own=task.own, cost=task.cost)
    return (*gates.loosened(old_gates, plain(task.gates)["gates"]), *beside)


def rows(task: JudgeTask, schema: Schema, case: Case, predictions: pd.DataFrame, test: pd.DataFrame) -> Rows:
    """Return the test rows with the predictions of both models, joined by id.

    Args:
        task: the gates, and the project's own metrics.
        schema: what the columns are; ranges and descriptions are of no account.
        case: what is judged.
        predictions: as ``weigh`` wrote them.
        test: the test rows, with the columns of :func:`test_columns` at least.

    Raises:
        DataError: where the two aren't the same rows.
        SettingsError: where a gate names a column that isn't there.
    """
    weighing = case.weighing
    wanted = _columns(task.gates, schema, case.data)
    joined = _joined(predictions, test, schema)
    found = arrays(joined, weighing.task)
    compared = weighing.comparison is not None and weighing.comparison.comparable
    threshold = weighing.threshold
    other = weighing.comparison.threshold if weighing.comparison else None
    return Rows(
        task=weighing.task,
        y=found.target,
        new=found.new,
        old=found.old if compared else None,
        thresholds=(threshold, threshold if other is None else other),
        columns={name: columns.labels(joined[_OF_TEST + name]) for name in wanted},
        group_by=schema.group,
        own=task.own,
    )


def test_columns(gate_file: settings.GateFile, schema: Schema, data: manifest.DataSection) -> list[str]:
    """Return the columns of the test rows that judging needs.

    Raises:
        SettingsError: where a gate names a column that isn't there.
    """
    return [schema.id, schema.target, *_columns(gate_file, schema, data)]


def _refuse_other_rows(root: Path, weighing: manifest.Weighing, data: manifest.DataSection) -> None:
    test = data.splits["test"].sha256
    if weighing.test_sha256 != test:
        raise DataError(
            f"{paths.WEIGHING} is about test rows of sha256 {weighing.test_sha256[:12]}, {paths.PROFILE} names "
            f"{test[:12]}; {_AGAIN}"
        )
    path = root / paths.PREDICTIONS
    found = sha256_file(path) if path.is_file() else "nothing"
    if found != weighing.predictions_sha256:
        raise DataError(
            f"{paths.PREDICTIONS}: found sha256 {found[:12]}, expected {weighing.predictions_sha256[:12]} by "
            f"{paths.WEIGHING}; it was edited or left out. {_AGAIN.capitalize()}"
        )


def _columns(gate_file: settings.GateFile, schema: Schema, data: manifest.DataSection) -> list[str]:
    """Return the columns of the test rows that gates cut or group by.

    Raises:
        SettingsError: naming each gate whose column isn't there, with the nearest that is.
    """
    singles = (feature.name for feature in data.features if not feature.shape)
    known = [name for name in (schema.group, *singles, schema.time) if name]
    asked = gates.columns(gate_file)
    problems = []
    for gate, names in asked.items():
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"
                problems.append(f"{paths.GATES}: gates.{gate}: found column {name!r}; {hint}")
    if problems:
        raise SettingsError("\n".join(problems))
    group = [schema.group] if schema.group else []
    return list(dict.fromkeys([*group, *(name for names in asked.values() for name in names)]))


def _joined(predictions: pd.DataFrame, test: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Join by id; both sides must have the same ids, each once, and the same outcomes."""
    left, right = predictions["id"], test[schema.id]
    problems = [
        f"{count} {what}, e.g. {ids.iloc[0]!r}"
        for what, ids in (
            ("ids stand twice in the predictions", left[left.duplicated()]),
            ("ids stand twice in the test rows", right[right.duplicated()]),
            ("test rows have no prediction", right[~right.isin(left)]),
            ("predictions have no test row", left[~left.isin(right)]),
        )
        if (count := len(ids))
    ]
    if problems:
        raise DataError(
            f"{paths.PREDICTIONS} and {paths.split('test')} can't be joined by id: {'; '.join(problems)}. "
            f"{_AGAIN.capitalize()}"
        )
    beside = test.drop(columns=schema.id).add_prefix(_OF_TEST)  # a feature may be called "baseline"
    beside.index = right
    joined = predictions.join(beside, on="id")
    unlike = int((joined["target"] != joined[_OF_TEST + schema.target]).sum())
    if unlike:
        raise DataError(f"{paths.PREDICTIONS}: {unlike} outcomes differ from those of the test rows; {_AGAIN}")
    return joined


def _old_gates(previous: manifest.Manifest) -> dict[str, object]:
    found = previous.parameters.settings.get("gates", {})
    return dict(found.get("gates", {}))
