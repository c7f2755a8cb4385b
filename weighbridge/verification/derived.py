"""What follows from the manifest alone: card, statement, metrics, provenance and bill of materials, made again.

The same engine makes the same bytes. Where it makes others, somebody edited the file; where another engine does,
nothing is proved.
"""

import json
from pathlib import Path

from weighbridge import documents, paths
from weighbridge.errors import RecordError
from weighbridge.evidence import card, statement
from weighbridge.evidence.bill_of_materials import bill_of_materials
from weighbridge.evidence.provenance import provenance
from weighbridge.registry import model_signature
from weighbridge.verification.contents import Contents
from weighbridge.verification.engine import disagree
from weighbridge.verification.judgement import packaged_of
from weighbridge.verification.steps import UnprovedError
from weighbridge.verification.subject import Subject


def page(subject: Subject, files: Contents) -> str:
    """Prove that the card says what the manifest says."""
    golden = json.loads(files.proved("bundle", "golden.json").read_text(encoding="utf-8"))
    _same(subject, paths.card(subject.name), card.card(subject.manifest, dict(golden["inputs"])))
    return f"{paths.card(subject.name)} is made of the manifest"


def metrics(subject: Subject) -> str:
    """Prove that the metrics that DVC shows are the manifest's."""
    _same(subject, paths.METRICS, documents.dump(subject.manifest.performance.test.flat()))
    return f"{paths.METRICS} says what the manifest says"


def verdict(subject: Subject) -> str:
    """Prove that the verdict, as supply-chain tools read it, is the manifest's."""
    found = subject.manifest
    again = statement.statement(found.gates, packaged_of(found), found.performance.test)
    _same(subject, paths.statement(subject.name), again)
    return f"{paths.statement(subject.name)} is made of the manifest"


def how_made(subject: Subject) -> str:
    """Prove that the provenance is the manifest's."""
    _same(subject, paths.provenance(subject.name), provenance(subject.manifest))
    return f"{paths.provenance(subject.name)} is made of the manifest"


def materials(subject: Subject) -> str:
    """Prove that the bill of materials is the manifest's."""
    _same(subject, paths.bill_of_materials(subject.name), bill_of_materials(subject.manifest))
    return f"{paths.bill_of_materials(subject.name)} is made of the manifest"


def _same(subject: Subject, path: Path, expected: str) -> None:
    found = subject.objects.file(subject.commit.tree, path.as_posix())
    if found is None:
        raise UnprovedError(f"the release commit has no {path}; it was made by an earlier version")
    if found != expected.encode():
        raise disagree(subject, "release", f"{path} isn't what the manifest makes")


def signed_model(subject: Subject, key: bytes | None) -> str:
    """Prove that the holder of a key signed the files of the bundle.

    Args:
        subject: the release.
        key: the public key in PEM, from outside.

    Raises:
        RecordError: where the signature isn't by that key, or of other files.
        UnprovedError: without a key, or where the release has no signature.
    """
    found = subject.objects.file(subject.commit.tree, paths.signature(subject.name).as_posix())
    if key is None:
        raise UnprovedError("signed; give the public key with --model-key" if found else "not signed")
    if found is None:
        raise RecordError(f"the release has no {paths.signature(subject.name)}; expected one by the given key")
    by = model_signature.check(found, key, subject.name, subject.manifest.artifacts)
    return f"the bundle's files are signed by {by}"
