"""What a release commit holds so that others can prove what the bundle is: provenance, bill of materials, signature."""

from pathlib import Path

from weighbridge import manifest, paths
from weighbridge.evidence import bill_of_materials, provenance
from weighbridge.registry import model_keys, model_signature, signers


def papers(root: Path, complete: manifest.Manifest) -> dict[str, bytes]:
    """Return the files by path; all but the signature follow from the manifest alone.

    The signature is there where Git's configuration names a key for it.

    Args:
        root: the project's root.
        complete: the manifest as it is released.

    Raises:
        SetupError: where the key can't be used.
    """
    name = complete.model_info.name
    found = {
        paths.provenance(name): provenance.provenance(complete).encode(),
        paths.bill_of_materials(name): bill_of_materials.bill_of_materials(complete).encode(),
    }
    key = model_keys.key_file(root)
    if key is not None:
        found[paths.signature(name)] = model_signature.sign(name, complete.artifacts, model_keys.load_key(key))
    return {path.as_posix(): content for path, content in found.items()}


def who_may_release(root: Path, name: str) -> bytes | None:
    """Return the list that the next release of the model *name* is held against; ``None`` where anyone may release.

    Raises:
        RecordError: where a list that this release would carry on is damaged.
    """
    signers.require_sound(root)
    return signers.for_next(root, name)
