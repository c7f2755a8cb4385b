"""judge: the gates applied to the weighing, and the version that follows. Always succeeds."""

from pathlib import Path

from weighbridge import documents, manifest, paths
from weighbridge.digest import sha256_json
from weighbridge.evidence import gates, version
from weighbridge.tasks import JudgeTask, plain


def run(root: Path, task: JudgeTask) -> manifest.Verdict:
    """Write ``verdict.yaml``: each gate with value, bound and limit, the derived version and why."""
    verdict = decide(root, task)
    documents.write_record(root / paths.VERDICT, verdict)
    for row in gates.table(verdict.gates.results):
        print("  ".join(row))
    reasons = "; ".join(verdict.lineage.reasons)
    print(f"verdict: {verdict.gates.verdict}; version {verdict.version}: {reasons}")
    return verdict


def decide(root: Path, task: JudgeTask) -> manifest.Verdict:
    """Return the verdict on what the stages before have left."""
    packaged = documents.read_record(root / paths.PACKAGE, manifest.Packaged)
    weighing = documents.read_record(root / paths.WEIGHING, manifest.Weighing)
    data = documents.read_record(root / paths.PROFILE, manifest.DataSection)
    folder = root / paths.run(packaged.champion, packaged.seed)
    run_record = documents.read_record(folder / "run.yaml", manifest.RunRecord)
    previous = _previous(root, packaged.baseline)
    results = gates.judge(task.gates, weighing, packaged.parity)
    derived = version.derive(
        previous,
        packaged=packaged,
        parameters=run_record.parameters,
        data=data,
        weighing=weighing,
        intended_use=task.intended_use,
    )
    return manifest.Verdict(
        gates=manifest.Gates(
            verdict=gates.verdict(results),
            results=results,
            gates_sha256=sha256_json(plain(task.gates)),
            loosened=gates.loosened(_old_gates(previous), plain(task.gates)["gates"]) if previous else (),
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


def _previous(root: Path, baseline: str | None) -> manifest.Manifest | None:
    """Return the manifest of the release to beat; without one there is no earlier version to count from."""
    return documents.read_record(root / paths.BASELINE / "manifest.yaml", manifest.Manifest) if baseline else None


def _old_gates(previous: manifest.Manifest) -> dict[str, object]:
    found = previous.parameters.settings.get("gates", {})
    return dict(found.get("gates", {}))
