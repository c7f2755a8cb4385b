"""release: the manifest, complete, on a commit beside the branch, under an annotated tag; or a refusal."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from weighbridge import documents, manifest, paths, secrets_guard
from weighbridge.digest import sha256_bytes
from weighbridge.errors import RecordError, ReleaseRefused
from weighbridge.evidence import card, statement, summary
from weighbridge.plan import Plan, load
from weighbridge.registry import (
    adoption,
    commit,
    content,
    engines,
    git,
    index,
    ledger,
    pickles,
    releases,
    sealing,
    tags,
)
from weighbridge.settings import Config, Settings
from weighbridge.stages import agreement, assembly, finishing, papers, publishing
from weighbridge.stages.agreement import Evidence
from weighbridge.stages.refusal import refusal
from weighbridge.tasks import ReleaseTask, plain


def run(root: Path, task: ReleaseTask) -> manifest.Released:
    """Tag the bundle, or say that this content is released already.

    Raises:
        ReleaseRefused: where a gate fails, an approval is lacking, something is uncommitted, or the manifest lacks a
            field or would publish a secret; the message is the table of what fell short and by how much. Nothing
            before is undone.
        RecordError: where records disagree, or the ledger is damaged.
        SettingsError: where a commit's trailer asks for no known part of the version.
        SetupError: where Git or DVC can't be used, or who releases isn't among those who may.
    """
    git.require_repository(root)
    adoption.attempt(root, print)
    _check_ledger(root)
    seen = agreement.read(root)
    plan = Plan(Settings(config=task.config, gates=task.gates), root)
    agreement.require(root, plan, seen)
    pickles.refuse(root / paths.bundle(task.config.name), str(paths.bundle(task.config.name)))
    same = releases.with_content(root, task.config.name, seen.packaged.artifacts.content_sha256)
    if same is None:
        _check_baseline(root, task.config.name, seen.packaged)
    ready = _prepared(root, task, plan, seen)
    if ready.gates.verdict != "pass" and not (same and ready.gates.verdict == "needs approval"):
        ledger.append(root, _decision(seen, "rejected", documents.utc_now()) | {"gates": _standing(ready.gates)})
        raise ReleaseRefused(refusal(ready.gates, ready.code.dirty_files), on_record=True)
    if same is not None:
        done = manifest.Released(
            tag=str(same.tag), made=False, commit=same.commit, manifest_sha256=same.notes.manifest_sha256
        )
        print(f"The same content is released already, as {same.tag}: no new tag.")
        if task.release.advance_branch:  # then the branch has its papers
            index.complete(root, same.commit)
        _bring_papers(root, same)
    else:
        done = _tag(root, task, ready, seen)
    if task.release.push:
        publishing.publish(root, task, done.tag)
    lineage = ready.lineage if done.made else None
    text = summary.summary(seen.packaged, seen.weighing, ready.gates, done, lineage)
    documents.write(root / paths.SUMMARY, text + "\n")
    documents.write_record(root / paths.RELEASE, done)
    return done


def _prepared(root: Path, task: ReleaseTask, plan: Plan, seen: Evidence) -> manifest.Manifest:
    """Return the manifest as it would be released, with all gates finished."""
    sources = assembly.sources(plan, seen.packaged.champion)
    dirty = uncommitted(root, plan.settings, sources)
    ahead = finishing.ahead(root, task.gates, seen.packaged, seen.verdict)
    draft = assembly.assemble(root, task, seen, ahead.derived, assembly.code_section(root, sources, dirty))
    known = finishing.Known(manifest.missing_fields(draft), dirty, task.config.card, finishing.today())
    judged = finishing.finish(root, task.gates, ahead, known)
    count = finishing.decided(root, seen.weighing.outcomes_sha256, ahead)
    return msgspec.structs.replace(draft, gates=msgspec.structs.replace(judged, test_decisions=count))


def _check_ledger(root: Path) -> None:
    """Refuse to carry damaged records into a tag that vouches for them."""
    damage = ledger.problems(root)
    if damage:
        raise RecordError(
            "the ledger is damaged, and a release would carry it on:\n"
            + "\n".join(f"  {problem}" for problem in damage)
            + "\n'weighbridge audit' says how to bring each back; where nobody has one any more, 'weighbridge audit "
            "--accept-loss WHY' puts that on record. Then run snakemake again"
        )


def _check_baseline(root: Path, name: str, packaged: manifest.Packaged) -> None:
    newest = releases.latest(root, name, other_than_content=packaged.artifacts.content_sha256)
    found = str(newest.tag) if newest else None
    if found != packaged.baseline:
        publishing.weigh_anew(root)
        raise ReleaseRefused(
            f"{found or 'no release'} is the last release now; the weighing compared with "
            f"{packaged.baseline or 'none'}. Run snakemake again, or 'snakemake --cores all --forcerun package', to "
            "weigh against it"
        )


def uncommitted(root: Path, settings: Settings, sources: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return what differs from HEAD among the files a release is made of, and raw data that isn't its pointer's.

    Of the code that has run, contents are compared as well: Git's status tells nothing of a file that it ignores.
    """
    written = load(root)
    own = written.config.custom_rules
    files = set(git.dirty_files(root, (*paths.SOURCES, *own), generated=paths.generated(settings.config.name)))
    fixed = {paths.CONFIG.as_posix(), paths.GATES.as_posix(), *own}
    ran = {file for stage in sources.values() for file in stage}
    files |= engines.uncommitted(root, fixed | ran | {paths.LOCK.as_posix()})
    files |= set(_overlaid(written, settings))
    pointer = root / paths.RAW_POINTER
    expected = content.pointer_address(pointer) if pointer.is_file() else None
    if content.folder_address(root / paths.RAW)[0] != expected:
        files.add(f"{paths.RAW} (differs from {paths.RAW_POINTER}: run 'dvc add {paths.RAW}', then commit)")
    return tuple(sorted(files))


def _overlaid(written: Settings, settings: Settings) -> Iterator[str]:
    """Yield the files of ``config/`` that an overlay overrules; where a release goes to is no part of what it is."""
    # Where to push and whether to restore runs change nothing that is released; of own rules only others are told.
    free = {"release": written.config.release, "reuse": written.config.reuse}
    config = msgspec.structs.replace(settings.config, **free)
    own = msgspec.structs.replace(written.config, custom_rules=())
    for path, used, said in ((paths.CONFIG, config, own), (paths.GATES, settings.gates, written.gates)):
        if used != said:
            yield f"{path} (an overlay says otherwise: write that into the file, then commit)"


def _standing(judged: manifest.Gates) -> list[str]:
    return [result.name for result in judged.results if result.verdict not in {"pass", "not applicable"}]


def _decision(seen: Evidence, status: str, when: str) -> dict[str, object]:
    """Return what the ledger holds of a bundle that was released or refused, and of the rows that decided."""
    return {
        "kind": "release",
        "status": status,
        "run": seen.packaged.run,
        "content_sha256": seen.packaged.artifacts.content_sha256,
        "outcomes_sha256": seen.weighing.outcomes_sha256,
        "when": when,
    }


def _tag(root: Path, task: ReleaseTask, complete: manifest.Manifest, seen: Evidence) -> manifest.Released:
    config = task.config
    name = config.name
    tag = tags.Tag(name, tags.Version.parse(complete.model_info.version))
    secrets_guard.refuse_values(plain(complete), paths.manifest(name).as_posix())
    text = documents.dump(complete).encode()
    page = card.card(complete, _sample(root, name)).encode()
    allowed, proofs = papers.who_may_release(root, name), papers.papers(root, complete)
    content.add(root, paths.PREDICTIONS)  # with these and the test rows anyone can judge the gates again
    entry = _decision(seen, "accepted", complete.model_info.created)
    sealed = sealing.seal(root, entry | {"tag": str(tag), "manifest_sha256": sha256_bytes(text)})
    files = {
        paths.manifest(name).as_posix(): text,
        paths.card(name).as_posix(): page,
        paths.METRICS.as_posix(): documents.dump(seen.weighing.flat()).encode(),
        paths.statement(name).as_posix(): statement.statement(complete.gates, seen.packaged, seen.weighing).encode(),
        **proofs,
        **_carried(root, config),
        **sealed.files,
    }
    made = commit.create(
        root,
        tag=str(tag),
        message=releases.message(
            releases.notes_of(
                tag,
                complete,
                sha256_bytes(text),
                ledger_root=sealed.root,
                ledger_count=sealed.number,
            )
        ),
        files=files,
        identity_env=git.identity(root, config.card.owner),
        advance_branch=config.release.advance_branch,
        allowed=allowed,
    )
    sealing.keep(root, sealed)
    documents.write(root / paths.manifest(name), text)
    documents.write(root / paths.card(name), page)
    return manifest.Released(tag=str(tag), made=made.made, commit=made.commit, manifest_sha256=sha256_bytes(text))


def _bring_papers(root: Path, same: releases.Release) -> None:
    """Lay manifest and card into the working tree: a kill may have come between the tag and them."""
    for path in (paths.manifest(same.name), paths.card(same.name)):
        documents.write(root / path, releases.blob(root, same.commit, path.as_posix()))


def _sample(root: Path, name: str) -> dict[str, list[object]]:
    golden = json.loads((root / paths.bundle(name) / "golden.json").read_text(encoding="utf-8"))
    return dict(golden["inputs"])


def _carried(root: Path, config: Config) -> dict[str, bytes]:
    """Return the files of the working tree that the release commit holds besides manifest, card and ledger."""
    plots = [paths.PLOTS / f"{plot}.csv" for plot in paths.plot_names(config.data.task)]
    ignored = [path for path in paths.IGNORED if (root / path).is_file()]
    found = [paths.pointer(config.name), paths.PROCESSED_POINTER, paths.PREDICTIONS_POINTER, *plots, *ignored]
    return {path.as_posix(): (root / path).read_bytes() for path in found}
