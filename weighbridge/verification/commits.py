"""Tag, manifest, commit, sources, settings and ledger: all that Git's objects alone can prove."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from weighbridge import documents, manifest, paths, plan
from weighbridge.code import STAGES
from weighbridge.digest import sha256_bytes, sha256_json
from weighbridge.errors import RecordError, SettingsError
from weighbridge.registry import ledger, losses, releases
from weighbridge.registry.objects import EXECUTABLE, FILE, FOLDER
from weighbridge.root import is_engines
from weighbridge.settings import Config
from weighbridge.tasks import ReleaseTask
from weighbridge.verification import engine
from weighbridge.verification.steps import UnprovedError
from weighbridge.verification.subject import Subject

_SHOWN = 5


def tag(subject: Subject) -> str:
    """Prove that the reference holds a release's tag of that very name."""
    found = subject.tagged
    return f"{subject.tag} is an annotated tag, and its own name; commit {found.commit[:12]}"


def manifest_of_tag(subject: Subject) -> str:
    """Prove that the manifest is the one the tag names, and says what the tag says."""
    found, notes = subject.manifest, subject.tagged.notes
    info = found.model_info
    if (info.name, info.version) != (subject.name, str(subject.tag.version)):
        raise RecordError(f"the manifest is that of {info.name} {info.version}, the tag is {subject.tag}")
    again = releases.message(
        releases.notes_of(
            subject.tag, found, notes.manifest_sha256, ledger_root=notes.ledger_root, ledger_count=notes.ledger_count
        )
    )
    if again != subject.tagged.text:
        raise RecordError(f"the message of {subject.tag} says otherwise than its manifest; don't trust it")
    missing = manifest.missing_fields(found)
    if missing:
        raise RecordError(f"the manifest lacks {', '.join(missing)}; a release needs each field")
    return f"sha256 {notes.manifest_sha256[:12]}, as the tag says; complete, and the tag's message follows from it"


def commit(subject: Subject) -> str:
    """Prove that the release commit adds to the commit it was made of nothing but what a release makes."""
    found, made_of = subject.commit, subject.manifest.code
    if found.parent != made_of.commit:
        raise RecordError(
            f"the release commit stands on {found.parent[:12]}, the manifest says it was made of {made_of.commit[:12]}"
        )
    if made_of.dirty_files:
        raise RecordError(f"the manifest names uncommitted files: {_some(list(made_of.dirty_files))}")
    changes = list(subject.objects.differing(found.parent_top, found.top))
    strange = [
        path
        for path, _, new in changes
        if new is None or new.mode not in {FILE, EXECUTABLE} or not _generated(path, subject)
    ]
    if strange:
        raise RecordError(f"the release commit changes what a release doesn't make: {_some(strange)}; look at each")
    for path in paths.IGNORED:
        _require_ignored(subject, path)
    return (
        f"made of {found.parent[:12]}; {len(changes)} files beside it, none but a release's own; what the tables in "
        f"{paths.PLOTS} say is the releaser's word"
    )


def _require_ignored(subject: Subject, path: Path) -> None:
    """Refuse lines of a ``.gitignore`` that DVC doesn't write: they would hide files from whoever looks at a clone."""
    before = (subject.source(path) or b"").splitlines()
    after = (subject.objects.file(subject.commit.tree, path.as_posix()) or b"").splitlines()
    tracked = (paths.RAW, paths.PROCESSED, paths.PREDICTIONS, paths.bundle(subject.name))
    own = {f"/{place.name}".encode() for place in tracked if place.parent == path.parent}
    added = [line.decode(errors="replace") for line in after if line not in {*before, *own}]
    if added or not set(before) <= set(after):
        raise RecordError(
            f"{path}: changed by the release commit otherwise than DVC does ({_some(added) or 'lines are gone'}); look "
            "at it"
        )


def _generated(path: str, subject: Subject) -> bool:
    if not path.startswith(subject.prefix):
        return False
    own = path.removeprefix(subject.prefix)
    name = subject.name
    single = {paths.provenance(name), paths.bill_of_materials(name), paths.signature(name)}
    plots = {(paths.PLOTS / f"{plot}.csv").as_posix() for plot in paths.plot_names(subject.manifest.data.task)}
    known = {*paths.generated(name), *(file.as_posix() for file in single), *plots} - {paths.PLOTS.as_posix()}
    return own in known or own.startswith(f"{paths.LEDGER.as_posix()}/")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def code(subject: Subject) -> str:
    """Prove that the commit holds each source file that ran, and that the stages' digests are made of these.

    Which files ran is the manifest's word; but a stage that has run has run its own module at least.
    """
    found = subject.manifest.code
    named = {(one.path, stage) for one in found.sources for stage in one.stages}
    silent = [stage for stage in STAGES if (f"weighbridge/stages/{stage}.py", stage) not in named]
    unlike = sorted({stage for _, stage in named} ^ set(found.stages)) or sorted(set(found.stages) ^ set(STAGES))
    if silent or unlike:
        raise RecordError(
            f"the manifest doesn't say what code ran in {_some(silent or unlike)}; expected the stages "
            f"{', '.join(STAGES)}, each with the engine's source files"
        )
    twice = len(found.sources) - len({one.path for one in found.sources})
    if twice:
        raise RecordError(f"the manifest names {twice} source files twice; don't trust it")
    elsewhere = {one.path for one in found.sources if found.engine and is_engines(one.path)}
    held = [one for one in found.sources if one.path not in elsewhere]
    wrong = [one.path for one in held if _digest(subject.source(one.path)) != one.sha256]
    if wrong:
        raise RecordError(f"{_some(wrong)}: the commit holds other code than ran")
    for stage, digest in found.stages.items():
        files = [[one.path, one.sha256] for one in found.sources if stage in one.stages]
        if sha256_json(files) != digest:
            raise RecordError(f"the code of {stage} isn't what its source files say; don't trust the manifest")
    if found.engine:
        engine.require_here(subject, [one for one in found.sources if one.path in elsewhere])
        return f"{len(held)} source files are those of the commit, {len(elsewhere)} those of the engine that runs here"
    return f"{len(found.sources)} source files of {len(found.stages)} stages are those of the commit"


def lock(subject: Subject) -> str:
    """Prove that the commit holds the lock file that the environment was compared with."""
    found, expected = _digest(subject.source(paths.LOCK)), subject.manifest.environment.lock_sha256
    if found is None and subject.manifest.code.engine:
        source = manifest.Source(path=paths.LOCK.as_posix(), sha256=expected, stages=())
        engine.require_here(subject, [source])
        return f"{paths.LOCK} of the engine that runs here has the sha256 {expected[:12]}"
    if found != expected:
        raise RecordError(f"{paths.LOCK}: found sha256 {(found or 'nothing')[:12]}, the manifest says {expected[:12]}")
    return f"{paths.LOCK} has the sha256 {expected[:12]}"


def _digest(content: bytes | None) -> str | None:
    return None if content is None else sha256_bytes(content)


def settings(subject: Subject) -> str:
    """Prove that the settings on record are those of the commit's ``config/``; where a release goes to aside."""
    recorded = task_of(subject.manifest)
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        for path in (paths.CONFIG, paths.GATES):
            content = subject.source(path)
            if content is None:
                raise RecordError(f"{path}: the commit has no such file")
            documents.write(Path(folder, path), content)
        try:
            written = plan.load(Path(folder))
        except SettingsError as problem:
            raise UnprovedError(f"this version doesn't read them: {problem}") from None
    if _bare(written.config) != _bare(recorded.config) or written.gates != recorded.gates:
        raise RecordError(f"the manifest's settings aren't those of {paths.CONFIG} and {paths.GATES} in the commit")
    return f"those of {paths.CONFIG} and {paths.GATES} in the commit"


def _bare(config: Config) -> Config:
    """Return what of the settings makes the model; not where it is released to, nor whether runs were restored."""
    return msgspec.structs.replace(config, release=type(config.release)(), reuse=True, custom_rules=())


def task_of(complete: manifest.Manifest) -> ReleaseTask:
    """Return the settings that a manifest holds, typed.

    Raises:
        UnprovedError: where this version doesn't know them.
    """
    try:
        return msgspec.convert(complete.parameters.settings, ReleaseTask)
    except msgspec.ValidationError as problem:
        raise UnprovedError(f"this version doesn't read the manifest's settings: {problem}") from None


def ledger_of_commit(subject: Subject) -> str:
    """Prove that the commit holds the ledger that the tag vouches for, and in it the acceptance of this release."""
    notes, records = subject.tagged.notes, records_of(subject)
    named = {parent for entry in records.values() for parent in entry.parents}
    known = losses.of(records.values()).keys()
    lost = sorted(named - set(records) - known)
    if lost:
        raise RecordError(f"{len(lost)} records are missing from the ledger, {lost[0][:12]} among them")
    _require_carried(subject, set(records))
    root = sha256_bytes("\n".join(sorted(set(records) - named)).encode())
    if (root, len(records)) != (notes.ledger_root, notes.ledger_count):
        raise RecordError(
            f"the ledger has {len(records)} records and the root {root[:12]}, the tag says {notes.ledger_count} and "
            f"{notes.ledger_root[:12]}: records were added or removed"
        )
    found = subject.manifest
    expected = {
        "status": "accepted",
        "tag": str(subject.tag),
        "manifest_sha256": notes.manifest_sha256,
        "run": found.model_info.run,
        "content_sha256": found.artifacts.content_sha256,
        "when": found.model_info.created,
    }
    accepted = [digest for digest, entry in records.items() if expected.items() <= entry.record.items()]
    if not accepted:
        raise RecordError(f"no record in the ledger accepts {subject.tag} with this manifest")
    return f"{len(records)} whole records, root and count as the tag says; one accepts it{_later(subject, accepted)}"


def _require_carried(subject: Subject, known: set[str]) -> None:
    """Refuse a ledger that lacks what the release before holds, or the commit that this one was made of."""
    before = subject.manifest.lineage.previous
    places = {"the commit it was made of": subject.commit.parent_tree}
    if before and subject.previous:
        places[before] = subject.tree_of(before)
    for place, tree in places.items():
        folder = subject.objects.entry(tree, paths.LEDGER.as_posix())
        files = subject.objects.walk(folder.id) if folder and folder.mode == FOLDER else ()
        held = (Path(path).stem for path, _ in files if path.endswith(".json"))
        lost = sorted(digest for digest in held if ledger.is_digest(digest) and digest not in known)
        if lost:
            raise RecordError(
                f"{len(lost)} records of {place} are missing from the ledger, {lost[0][:12]} among them: what happened "
                "was taken out; don't trust it"
            )


def _later(subject: Subject, accepted: list[str]) -> str:
    """Refuse a tag that was made anew since: the next release has carried on the acceptance of the first."""
    known = (release for release in releases.releases(subject.root, subject.name) if release.tag != subject.tag)
    after = next((release for release in known if release.version > subject.tag.version), None)
    if after is None:
        return ""
    tree = subject.own_tree(subject.objects.headers(after.commit, "commit").one("tree"))
    if not any(subject.objects.entry(tree, ledger.path_of(digest).as_posix()) for digest in accepted):
        raise RecordError(
            f"{after.tag}, made later, doesn't know of the acceptance of {subject.tag}: one of the two was moved or "
            "made anew; don't trust either before you know which"
        )
    return f", and {after.tag} knows of that"


def records_of(subject: Subject) -> dict[str, ledger.Entry]:
    """Return the records of the ledger that the release commit holds, by their digests.

    Raises:
        RecordError: where one of them was edited, or is none.
    """
    return subject.once("ledger's records", lambda: dict(_records(subject)))


def _records(subject: Subject) -> Iterator[tuple[str, ledger.Entry]]:
    folder = subject.objects.entry(subject.commit.tree, paths.LEDGER.as_posix())
    if folder is None:
        return
    for path, entry in subject.objects.walk(folder.id):
        content = subject.objects.read(entry.id, "blob")
        digest = sha256_bytes(content.removesuffix(b"\n"))
        if path != f"{digest[:2]}/{digest}.json":
            raise RecordError(f"{ledger.FOLDER}/{path}: its content has the digest {digest[:12]}: edited or foreign")
        record = ledger.parse(content, digest)
        if isinstance(record, str):
            raise RecordError(f"{ledger.FOLDER}/{path}: {record}; don't trust it")
        yield digest, record
