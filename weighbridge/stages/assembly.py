"""The manifest, put together from what the stages have left."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from weighbridge import code, documents, manifest
from weighbridge.digest import sha256_file
from weighbridge.evidence.version import Derived
from weighbridge.plan import Plan
from weighbridge.registry import engines, git
from weighbridge.root import located
from weighbridge.stages.agreement import Evidence
from weighbridge.tasks import ReleaseTask, plain

_TASKS = {
    "binary": "binary classification",
    "multiclass": "multiclass classification",
    "regression": "regression",
}


def sources(plan: Plan, champion: str) -> dict[str, tuple[str, ...]]:
    """Return the source files of each stage."""
    candidate = {"train": champion, "evaluate": champion}
    return {stage: tuple(plan.code_of(stage, candidate.get(stage, ""))) for stage in code.STAGES}


def code_section(root: Path, files: dict[str, tuple[str, ...]], dirty: tuple[str, ...]) -> manifest.CodeSection:
    """Return what is known of the code: *files* are those of each stage, *dirty* those that aren't committed."""
    return manifest.CodeSection(
        commit=git.head(root),
        branch=git.branch(root) or "",
        repository=git.remote_url(root) or "",
        dirty_files=dirty,
        dirty_sha256=git.dirty_sha256(root, dirty) if dirty else None,
        stages={stage: code.digest(root, names) for stage, names in files.items()},
        sources=tuple(_sources(root, files)),
        engine=engines.apart(root),
    )


def _sources(root: Path, files: dict[str, tuple[str, ...]]) -> Iterator[manifest.Source]:
    """Yield each source file once, with the stages that run it: what their digests are made of."""
    for path in sorted({name for names in files.values() for name in names}):
        stages = tuple(stage for stage, names in files.items() if path in names)
        yield manifest.Source(path=path, sha256=sha256_file(located(root, path)), stages=stages)


def assemble(
    root: Path, task: ReleaseTask, seen: Evidence, derived: Derived, made_by: manifest.CodeSection
) -> manifest.Manifest:
    """Return the manifest of version *derived*; its gates are those of the judge, not finished yet."""
    return put_together(task, seen, derived, made_by, code_changes(root, seen.packaged.baseline))


def put_together(
    task: ReleaseTask, seen: Evidence, derived: Derived, made_by: manifest.CodeSection, changes: tuple[str, ...]
) -> manifest.Manifest:
    """Return the manifest; nothing is read."""
    weighing, packaged = seen.weighing, seen.packaged
    needed = weighing.serving.peak_memory_mib
    return manifest.Manifest(
        schema=manifest.SCHEMA,
        model_info=_model_info(task, seen, derived.version),
        data=seen.data,
        code=made_by,
        environment=seen.run.environment,
        hardware=msgspec.structs.replace(seen.run.hardware, required_memory_mib=needed),
        parameters=msgspec.structs.replace(seen.run.parameters, settings=plain(task)),
        training=seen.run.training,
        interface=packaged.interface,
        artifacts=msgspec.structs.replace(packaged.artifacts, loaded_memory_mib=needed),
        performance=manifest.Performance(
            primary=packaged.primary,
            selected_from=packaged.candidates,
            parity=packaged.parity,
            test=weighing,
            noise=packaged.noise,
            cost=packaged.cost,
        ),
        gates=seen.verdict.gates,
        lineage=manifest.Lineage(
            previous=packaged.baseline,
            bump=derived.bump,
            reasons=derived.reasons,
            data_changes=derived.data_changes,
            code_changes=changes,
        ),
        card=_card(task),
    )


def _owner(task: ReleaseTask) -> tuple[str, str]:
    name, _, address = task.config.card.owner.rstrip(">").partition(" <")
    return name, address


def _model_info(task: ReleaseTask, seen: Evidence, version: str) -> manifest.ModelInfo:
    config, weighing = task.config, seen.weighing
    owner, _ = _owner(task)
    performance = {name: interval.value for name, interval in weighing.metrics.items()}
    return manifest.ModelInfo(
        id=f"{config.name}-v{version}",
        name=config.name,
        version=version,
        run=seen.packaged.run,
        created=documents.utc_now(),
        author=owner,
        team=config.card.team or owner,
        project=config.card.project,
        task=_TASKS.get(weighing.task, weighing.task),
        description=config.card.description,
        framework=seen.run.framework,
        performance=performance | {"latency_ms": weighing.serving.latency_ms_p50},
    )


def _card(task: ReleaseTask) -> manifest.CardSection:
    card = task.config.card
    owner, address = _owner(task)
    return manifest.CardSection(
        description=card.description,
        intended_use=card.intended_use,
        business_requirements=card.business_requirements,
        limitations=card.limitations,
        owner=owner,
        contact=card.contact or address,
        licence=card.licence,
    )


def code_changes(root: Path, previous: str | None, until: str = "HEAD") -> tuple[str, ...]:
    """Return the subjects of the commits since the last release's parent, newest first."""
    if previous is None:
        return ()
    text = git.run(root, "log", "--format=%h %s", "--max-count=50", f"{previous}^..{until}", "--", ".").decode(
        "utf-8", "replace"
    )
    return tuple(text.splitlines())
