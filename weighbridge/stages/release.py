"""release: the manifest, complete, on a commit beside the branch, under an annotated tag; or a refusal."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from weighbridge import code, documents, manifest, paths
from weighbridge.digest import sha256_bytes
from weighbridge.errors import RecordError, ReleaseRefused
from weighbridge.evidence import card, gates, summary
from weighbridge.plan import Plan, load
from weighbridge.registry import commit, content, git, ledger, releases, tags
from weighbridge.settings import Settings
from weighbridge.stages import agreement
from weighbridge.stages.agreement import Evidence
from weighbridge.tasks import ReleaseTask, plain

_STAGES = ("fetch", "preprocess", "train", "evaluate", "package", "weigh", "judge", "draw", "release")


def run(root: Path, task: ReleaseTask) -> manifest.Released:
    """Tag the bundle, or say that this content is released already.

    Raises:
        ReleaseRefused: where a gate fails, something is uncommitted, or the manifest lacks a field; the message is
            the table of what fell short and by how much. Nothing before is undone.
        RecordError: where records disagree, or the ledger is damaged.
        SetupError: where Git or DVC can't be used.
    """
    git.require_repository(root)
    _check_ledger(root)
    seen = agreement.read(root)
    plan = Plan(Settings(config=task.config, gates=task.gates), root)
    agreement.require(root, plan, seen)
    sources = _sources(plan, seen.packaged.champion)
    dirty = uncommitted(root, plan.settings, sources)
    draft = _manifest(root, task, seen, _code(root, sources, dirty))
    judged = _finish_gates(seen.verdict.gates, draft, dirty)
    same = releases.with_content(root, task.config.name, seen.packaged.artifacts.content_sha256)
    if judged.verdict != "pass":
        ledger.append(root, _rejection(seen, judged))
        raise ReleaseRefused(refusal(judged, dirty))
    if same is not None:
        done = manifest.Released(
            tag=str(same.tag), made=False, commit=same.commit, manifest_sha256=same.notes.manifest_sha256
        )
        print(f"The same content is released already, as {same.tag}: no new tag.")
    else:
        _check_baseline(root, task.config.name, seen.packaged)
        done = _tag(root, task, msgspec.structs.replace(draft, gates=judged), seen)
    if task.release.push:
        _push(root, task, done.tag)
    documents.write(
        root / paths.SUMMARY,
        summary.summary(seen.packaged, seen.weighing, judged, done, seen.verdict.lineage if done.made else None) + "\n",
    )
    documents.write_record(root / paths.RELEASE, done)
    return done


def _check_ledger(root: Path) -> None:
    """Refuse to carry damaged records into a tag that vouches for them."""
    damage = ledger.problems(root)
    if damage:
        raise RecordError(
            "the ledger is damaged, and a release would carry it on:\n"
            + "\n".join(f"  {problem}" for problem in damage)
            + f"\nBring these files back from a backup or from the last release ('git show TAG:{paths.LEDGER}/…'), or "
            "move them away, which the next release's count will show; then run snakemake again"
        )


def _check_baseline(root: Path, name: str, packaged: manifest.Packaged) -> None:
    newest = releases.latest(root, name, other_than_content=packaged.artifacts.content_sha256)
    found = str(newest.tag) if newest else None
    if found != packaged.baseline:
        raise ReleaseRefused(
            f"{found or 'no release'} is the last release now; the weighing compared with "
            f"{packaged.baseline or 'none'}. Run 'snakemake --cores all --forcerun package' to weigh against it"
        )


def _sources(plan: Plan, champion: str) -> dict[str, tuple[str, ...]]:
    """Return the source files of each stage."""
    candidate = {"train": champion, "evaluate": champion}
    return {stage: tuple(plan.code_of(stage, candidate.get(stage, ""))) for stage in _STAGES}


def uncommitted(root: Path, settings: Settings, sources: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return what differs from HEAD among the files a release is made of, and raw data that isn't its pointer's.

    Of the code that has run, contents are compared as well: Git's status tells nothing of a file that it ignores.
    """
    files = set(git.dirty_files(root, paths.SOURCES, generated=paths.generated(settings.config.name)))
    fixed = [path.as_posix() for path in (paths.CONFIG, paths.GATES, paths.LOCK)]
    files |= set(git.unlike_head(root, sorted({*fixed, *(file for stage in sources.values() for file in stage)})))
    files |= set(_overlaid(root, settings))
    pointer = root / paths.RAW_POINTER
    expected = content.pointer_address(pointer) if pointer.is_file() else None
    if content.folder_address(root / paths.RAW)[0] != expected:
        files.add(f"{paths.RAW} (differs from {paths.RAW_POINTER}: run 'dvc add {paths.RAW}', then commit)")
    return tuple(sorted(files))


def _overlaid(root: Path, settings: Settings) -> Iterator[str]:
    """Yield the files of ``config/`` that an overlay overrules; where a release goes to is no part of what it is."""
    written = load(root)
    config = msgspec.structs.replace(settings.config, release=written.config.release)
    for path, used, said in ((paths.CONFIG, config, written.config), (paths.GATES, settings.gates, written.gates)):
        if used != said:
            yield f"{path} (an overlay says otherwise: write that into the file, then commit)"


def _finish_gates(judged: manifest.Gates, draft: manifest.Manifest, dirty: tuple[str, ...]) -> manifest.Gates:
    """Judge what only the release can know: completeness and a clean tree, whether or not the gate file names them."""
    kinds = {result.kind: result.name for result in judged.results}
    others = [result for result in judged.results if result.kind not in {"complete", "clean"}]
    results = (
        *others,
        gates.complete_gate(kinds.get("complete", "complete"), manifest.missing_fields(draft)),
        gates.clean_gate(kinds.get("clean", "clean"), dirty),
    )
    return msgspec.structs.replace(judged, results=results, verdict=gates.verdict(results))


def refusal(judged: manifest.Gates, dirty: tuple[str, ...]) -> str:
    """Return the message of a refused release: the table, the files that stand in the way, and what to do."""
    rows = [
        ("gate", "value", "limit", "short by", "verdict"),
        *(
            (name, value, limit, short_by, verdict)
            for name, _, value, limit, verdict, short_by in gates.table(judged.results)
        ),
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [
        f"{result.name}: {result.rule}" + (f"; {result.reason}" if result.reason and result.kind != "clean" else "")
        for result in judged.results
        if result.verdict not in {"pass", "not applicable"}
    ]
    lines += [f"  uncommitted: {file}" for file in dirty]
    look = f"See {paths.VERDICT} and {paths.FIGURES}."
    next_step = "Commit these files and run snakemake again." if dirty else look
    return "\n".join(
        [f"no release: the verdict is {judged.verdict}", *lines, f"Everything before the release stays. {next_step}"]
    )


def _rejection(seen: Evidence, judged: manifest.Gates) -> dict[str, object]:
    failed = [result.name for result in judged.results if result.verdict not in {"pass", "not applicable"}]
    return {
        "kind": "release",
        "status": "rejected",
        "run": seen.packaged.run,
        "content_sha256": seen.packaged.artifacts.content_sha256,
        "gates": failed,
        "when": documents.utc_now(),
    }


def _manifest(root: Path, task: ReleaseTask, seen: Evidence, made_by: manifest.CodeSection) -> manifest.Manifest:
    config = task.config
    weighing, packaged = seen.weighing, seen.packaged
    version = seen.verdict.version
    owner, _, address = config.card.owner.rstrip(">").partition(" <")
    performance = {name: interval.value for name, interval in weighing.metrics.items()}
    needed = weighing.serving.peak_memory_mib
    return manifest.Manifest(
        schema=manifest.SCHEMA,
        model_info=manifest.ModelInfo(
            id=f"{config.name}-v{version}",
            name=config.name,
            version=version,
            run=packaged.run,
            created=documents.utc_now(),
            author=owner,
            team=config.card.team or owner,
            project=config.card.project,
            task="binary classification",
            description=config.card.description,
            framework=seen.run.framework,
            performance=performance | {"latency_ms": weighing.serving.latency_ms_p50},
        ),
        data=seen.data,
        code=made_by,
        environment=seen.run.environment,
        hardware=msgspec.structs.replace(seen.run.hardware, required_memory_mib=needed),
        parameters=msgspec.structs.replace(seen.run.parameters, settings=plain(task)),
        training=seen.run.training,
        interface=packaged.interface,
        artifacts=msgspec.structs.replace(packaged.artifacts, loaded_memory_mib=needed),
        performance=manifest.Performance(
            primary=packaged.primary, selected_from=packaged.candidates, parity=packaged.parity, test=weighing
        ),
        gates=seen.verdict.gates,
        lineage=msgspec.structs.replace(seen.verdict.lineage, code_changes=_code_changes(root, packaged.baseline)),
        card=manifest.CardSection(
            description=config.card.description,
            intended_use=config.card.intended_use,
            business_requirements=config.card.business_requirements,
            limitations=config.card.limitations,
            owner=owner,
            contact=config.card.contact or address,
            licence=config.card.licence,
        ),
    )


def _code(root: Path, sources: dict[str, tuple[str, ...]], dirty: tuple[str, ...]) -> manifest.CodeSection:
    return manifest.CodeSection(
        commit=git.head(root),
        branch=git.branch(root) or "",
        repository=git.remote_url(root) or "",
        dirty_files=dirty,
        dirty_sha256=git.dirty_sha256(root, dirty) if dirty else None,
        stages={stage: code.digest(root, files) for stage, files in sources.items()},
    )


def _code_changes(root: Path, previous: str | None) -> tuple[str, ...]:
    """Return the subjects of the commits since the last release's parent, newest first."""
    if previous is None:
        return ()
    text = git.run(root, "log", "--format=%h %s", "--max-count=50", f"{previous}^..HEAD", "--", ".").decode(
        "utf-8", "replace"
    )
    return tuple(text.splitlines())


def _tag(root: Path, task: ReleaseTask, complete: manifest.Manifest, seen: Evidence) -> manifest.Released:
    config = task.config
    name = config.name
    tag = tags.Tag(name, tags.Version.parse(seen.verdict.version))
    text = documents.dump(complete).encode()
    page = card.card(complete, _sample(root, name)).encode()
    entry = {
        "kind": "release",
        "status": "accepted",  # the tag, made next, holds this record
        "tag": str(tag),
        "run": seen.packaged.run,
        "content_sha256": complete.artifacts.content_sha256,
        "manifest_sha256": sha256_bytes(text),
        "when": complete.model_info.created,
    }
    ledger.append(root, entry)
    files = {
        paths.manifest(name).as_posix(): text,
        paths.card(name).as_posix(): page,
        paths.METRICS.as_posix(): documents.dump(seen.weighing.flat()).encode(),
        **_carried(root, name),
    }
    made = commit.create(
        root,
        tag=str(tag),
        message=releases.message(_notes(root, tag, complete, sha256_bytes(text))),
        files=files,
        identity_env=git.identity(root, config.card.owner),
        advance_branch=config.release.advance_branch,
    )
    documents.write(root / paths.manifest(name), text)
    documents.write(root / paths.card(name), page)
    return manifest.Released(tag=str(tag), made=made.made, commit=made.commit, manifest_sha256=sha256_bytes(text))


def _sample(root: Path, name: str) -> dict[str, list[object]]:
    golden = json.loads((root / paths.bundle(name) / "golden.json").read_text(encoding="utf-8"))
    return dict(golden["inputs"])


def _notes(root: Path, tag: tags.Tag, complete: manifest.Manifest, manifest_sha256: str) -> releases.Notes:
    return releases.Notes(
        tag=tag,
        bump=complete.lineage.bump,
        reasons=complete.lineage.reasons,
        candidate=complete.parameters.candidate,
        primary=complete.performance.primary,
        metrics=complete.performance.test.metrics,
        verdict=complete.gates.verdict,
        content_sha256=complete.artifacts.content_sha256,
        manifest_sha256=manifest_sha256,
        ledger_root=ledger.root_digest(root),
        ledger_count=ledger.count(root),
    )


def _push(root: Path, task: ReleaseTask, tag: str) -> None:
    """Push the data first, then the tag: who sees the tag can have its data. Done again where it was cut short."""
    pointers = (paths.RAW_POINTER, paths.PROCESSED_POINTER, paths.pointer(task.config.name))
    addresses = [content.pointer_address(root / pointer) for pointer in pointers]
    content.push(root, [address for address in addresses if address])
    branch = git.branch(root) if task.release.advance_branch else None
    commit.push(root, task.release.push, tag, branch)


def _carried(root: Path, name: str) -> dict[str, bytes]:
    """Return the files of the working tree that the release commit holds besides manifest and card."""
    plots = [paths.PLOTS / f"{plot}.csv" for plot in paths.PLOT_NAMES]
    ignored = [path for path in paths.IGNORED if (root / path).is_file()]
    found = [paths.pointer(name), paths.PROCESSED_POINTER, *plots, *ignored]
    return {path.as_posix(): (root / path).read_bytes() for path in found} | ledger.files(root)
