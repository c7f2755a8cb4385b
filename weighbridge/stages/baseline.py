"""The last release, as ``package`` has laid it beside the bundle."""

from pathlib import Path

from weighbridge import documents, manifest, paths
from weighbridge.errors import RecordError

MANIFEST = paths.BASELINE / "manifest.yaml"
MODEL = paths.BASELINE / "model.onnx"


def read(root: Path, release: str | None) -> manifest.Manifest | None:
    """Return the manifest of the last release; ``None`` before the first.

    Raises:
        RecordError: where it is missing or damaged.
    """
    if release is None:
        return None
    if not (root / MANIFEST).is_file():
        raise RecordError(f"{paths.BASELINE}: no manifest of {release}; run 'snakemake --cores all --forcerun package'")
    return documents.read_record(root / MANIFEST, manifest.Manifest)
