"""A forger who makes a release anew: every digest fits, every text follows, the ledger accepts it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import small_project
from small_project import Project

from weighbridge import documents, paths
from weighbridge.digest import sha256_bytes
from weighbridge.evidence import card, statement
from weighbridge.evidence.bill_of_materials import bill_of_materials
from weighbridge.evidence.provenance import provenance
from weighbridge.manifest import Manifest
from weighbridge.registry import commit, git, releases, sealing
from weighbridge.registry.tags import Tag, Version
from weighbridge.verification.judgement import packaged_of

Edit = Callable[[dict[str, Any]], None]


def manifest_of(project: Project, tag: str) -> dict[str, Any]:
    """Return a release's manifest as plain values."""
    plain: dict[str, Any] = msgspec.to_builtins(releases.manifest_of(project.root, tag))
    return plain


def released(project: Project, tag: str) -> dict[str, bytes]:
    """Return the files that a release commit adds, its ledger aside."""
    names = project.git("diff", "--name-only", f"{tag}^", tag).splitlines()
    kept = [name for name in names if not name.startswith(f"{paths.LEDGER}/")]
    return {name: releases.blob(project.root, tag, name) for name in kept}


def forge(
    project: Project,
    tag: str,
    edit: Edit = lambda _: None,
    others: Mapping[str, bytes | None] | None = None,
    *,
    ledger: Path | None = None,
) -> str:
    """Make *tag* anew with an edited manifest and all that follows from it, and return the name of the new tag.

    Where the edit gives it another version, the old tag stays.

    Args:
        project: where; its working tree isn't touched.
        tag: the release that is forged.
        edit: changes the manifest's plain values.
        others: files of the release commit to put in place in the end, or to leave out.
        ledger: root of the ledger that accepts it; the project's where none is given.
    """
    files = released(project, tag)
    plain = manifest_of(project, tag)
    edit(plain)
    forged = msgspec.convert(plain, Manifest)
    text = documents.dump(forged).encode()
    files |= _papers(project, forged) | {paths.manifest(forged.model_info.name).as_posix(): text}
    name = Tag(forged.model_info.name, Version.parse(forged.model_info.version))
    sealed = sealing.seal(ledger or project.root, _acceptance(forged, str(name), sha256_bytes(text)))
    files |= sealed.files
    files = {path: content for path, content in (files | dict(others or {})).items() if content is not None}
    if str(name) == tag:
        project.git("tag", "--delete", tag)
    digest = sha256_bytes(files[paths.manifest(name.name).as_posix()])
    notes = releases.notes_of(name, forged, digest, ledger_root=sealed.root, ledger_count=sealed.number)
    message = releases.message(notes)
    identity = git.identity(project.root, "Eve <eve@example.org>")
    commit.create(
        project.root, tag=str(name), message=message, files=files, identity_env=identity, advance_branch=False
    )
    return str(name)


def _papers(project: Project, forged: Manifest) -> dict[str, bytes]:
    name = forged.model_info.name
    golden = json.loads((project.root / paths.bundle(name) / "golden.json").read_text(encoding="utf-8"))
    made = {
        paths.card(name): card.card(forged, dict(golden["inputs"])),
        paths.METRICS: documents.dump(forged.performance.test.flat()),
        paths.statement(name): statement.statement(forged.gates, packaged_of(forged), forged.performance.test),
        paths.provenance(name): provenance(forged),
        paths.bill_of_materials(name): bill_of_materials(forged),
    }
    return {path.as_posix(): text.encode() for path, text in made.items()}


def _acceptance(forged: Manifest, tag: str, manifest_sha256: str) -> dict[str, Any]:
    return {
        "kind": "release",
        "status": "accepted",
        "run": forged.model_info.run,
        "content_sha256": forged.artifacts.content_sha256,
        "outcomes_sha256": forged.performance.test.outcomes_sha256,
        "when": forged.model_info.created,
        "tag": tag,
        "manifest_sha256": manifest_sha256,
    }


def clone(project: Project, folder: Path) -> Project:
    """Clone a project by its Git repository alone; DVC's remote is the same, in the folder beside."""
    folder.mkdir(parents=True, exist_ok=True)
    project.sh("git", "clone", "--quiet", str(project.root), str(folder / "project"))
    return small_project.Project(folder / "project")
