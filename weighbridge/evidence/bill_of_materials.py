"""What a release is made of, as a CycloneDX bill of materials for machine learning, which inventories read.

Source: https://cyclonedx.org/docs/1.6/json/ (the format, and the enumeration of licences, which is SPDX's).

It is a pure function of the manifest: who holds a release makes it again and compares the bytes. It holds the model
with its files and its card, the raw files and the splits, and each installed package; and which is made of which.
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from weighbridge import paths
from weighbridge.evidence.provenance import purl
from weighbridge.manifest import Input, Interval, Manifest, Output, Performance, Slice

FORMAT, VERSION = "CycloneDX", "1.6"
# Fixed here and not asked of a library, so that the bytes depend on nothing that is installed.
_SPDX = {
    "0BSD", "AFL-3.0", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "Artistic-2.0", "BSD-2-Clause",
    "BSD-3-Clause", "BSL-1.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-NC-4.0", "CC-BY-NC-ND-4.0", "CC-BY-NC-SA-4.0",
    "CC-BY-ND-4.0", "CC-BY-SA-4.0", "CC0-1.0", "CDLA-Permissive-2.0", "ECL-2.0", "EPL-2.0", "EUPL-1.2",
    "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "ISC", "LGPL-2.1-only",
    "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT", "MIT-0", "MPL-2.0", "ODbL-1.0", "ODC-By-1.0",
    "OGL-UK-3.0", "PDDL-1.0", "Unlicense", "Zlib",
}  # fmt: skip
_ADDRESS = re.compile(r"(https?|ssh|git)://([A-Za-z0-9._~-]+@)?[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~/@:-]*)?")
_FAMILIES = {"binary": "classification", "multiclass": "classification", "regression": "regression"}

_Node = dict[str, Any]


def bill_of_materials(manifest: Manifest) -> str:
    """Return the document as JSON, equal for equal manifests.

    Args:
        manifest: of the release.
    """
    info = manifest.model_info
    packages = list(_packages(manifest))
    splits = [_data(paths.split(name).as_posix(), part.sha256) for name, part in manifest.data.splits.items()]
    raw = [_data((paths.RAW / file.path).as_posix(), file.sha256) for file in manifest.data.raw.files]
    model = _model(manifest, [part["bom-ref"] for part in splits])
    document = {
        "bomFormat": FORMAT,
        "specVersion": VERSION,
        "serialNumber": f"urn:uuid:{_serial(manifest)}",
        "version": 1,
        "metadata": {
            "timestamp": info.created,
            "tools": {"components": [{"type": "application", "name": "weighbridge"}]},
            "component": model,
            "properties": _properties(manifest),
        },
        "components": [*raw, *splits, *packages],
        "dependencies": _dependencies(model, raw, splits, packages),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _serial(manifest: Manifest) -> uuid.UUID:
    """Return a number of the release's own: of its name, version, content and time."""
    info = manifest.model_info
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{info.id}\n{manifest.artifacts.content_sha256}\n{info.created}")


def _model(manifest: Manifest, splits: list[str]) -> _Node:
    info, card, code = manifest.model_info, manifest.card, manifest.code
    node: _Node = {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "supplier": {"name": info.team},
        "authors": [{"name": info.author}],
        "name": info.name,
        "version": info.version,
        "description": info.description,
        "licenses": _licences(card.licence),
        "pedigree": _pedigree(manifest),
        "components": [
            _file((paths.bundle(info.name) / file.path).as_posix(), file.sha256, {"role": file.role})
            for file in sorted(manifest.artifacts.files, key=lambda file: file.path)
        ],
        "modelCard": _card(manifest, splits),
        "properties": _named({"run": info.run, "content_sha256": manifest.artifacts.content_sha256}),
    }
    if _ADDRESS.fullmatch(code.repository):
        node["externalReferences"] = [{"type": "vcs", "url": code.repository, "comment": f"commit {code.commit}"}]
    return node


def _pedigree(manifest: Manifest) -> _Node:
    found: _Node = {"commits": [{"uid": manifest.code.commit}]}
    if manifest.lineage.previous:
        name, _, version = manifest.lineage.previous.partition("@v")
        found = {"ancestors": [{"type": "machine-learning-model", "name": name, "version": version}], **found}
    return found


def _card(manifest: Manifest, splits: list[str]) -> _Node:
    parameters, interface, card = manifest.parameters, manifest.interface, manifest.card
    inputs = [f"{_format(column)}{f' [{column.unit}]' * bool(column.unit)}" for column in interface.inputs]
    return {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": _FAMILIES.get(manifest.performance.test.task, manifest.model_info.task),
            "architectureFamily": manifest.model_info.framework.name,
            "modelArchitecture": parameters.model,
            "datasets": [{"ref": ref} for ref in splits],
            "inputs": [{"format": text} for text in inputs],
            "outputs": [{"format": _format(column)} for column in interface.outputs],
        },
        "quantitativeAnalysis": {"performanceMetrics": list(_metrics(manifest.performance))},
        "considerations": {"useCases": [card.intended_use], "technicalLimitations": [card.limitations]},
        "properties": _named(
            {
                "business_requirements": card.business_requirements,
                "contact": card.contact,
                "seed": parameters.seed,
                "threads": parameters.threads,
                "parameter_count": manifest.artifacts.parameter_count,
                "verdict": manifest.gates.verdict,
            }
        ),
    }


def _format(column: Input | Output) -> str:
    return f"{column.name}: {column.type}" + (f" of shape {list(column.shape)}" if column.shape else "")


def _metrics(performance: Performance) -> Iterator[_Node]:
    """Yield each measured value with its interval: on all test rows, then on each part of them."""
    test = performance.test
    yield from (_metric(name, found, "test") for name, found in test.metrics.items())
    for part in test.slices:
        yield from (_metric(name, found, _slice(part)) for name, found in part.metrics.items())


def _slice(part: Slice) -> str:
    return f"test, {part.column}={part.value}"


def _metric(name: str, found: Interval, rows: str) -> _Node:
    ends = {"lowerBound": repr(found.low), "upperBound": repr(found.high)}
    return {"type": name, "value": repr(found.value), "slice": rows, "confidenceInterval": ends}


def _packages(manifest: Manifest) -> Iterator[_Node]:
    """Yield each installed package once: two folders of one package would make two nodes of one name."""
    seen: set[str] = set()
    for distribution in manifest.environment.distributions:
        address = purl(distribution)
        if address not in seen:
            seen.add(address)
            yield {
                "type": "library",
                "bom-ref": address,
                "name": distribution.name,
                "version": distribution.version,
                "purl": address,
                "properties": _named({"record_sha256": distribution.record_sha256}),
            }


def _data(path: str, sha256: str) -> _Node:
    node = _file(path, sha256, {})
    return {**node, "type": "data", "data": [{"type": "dataset", "name": path}]}


def _file(path: str, sha256: str, properties: Mapping[str, Any]) -> _Node:
    node: _Node = {"type": "file", "bom-ref": path, "name": path, "hashes": [{"alg": "SHA-256", "content": sha256}]}
    return {**node, "properties": _named(properties)} if properties else node


def _licences(text: str) -> list[_Node]:
    return [{"license": {"id": text} if text in _SPDX else {"name": text}}]


def _properties(manifest: Manifest) -> list[_Node]:
    environment, data = manifest.environment, manifest.data
    return _named(
        {
            "python": environment.python,
            "lock_sha256": environment.lock_sha256,
            "data.source": data.source,
            "data.licence": data.licence,
            "data.sha256": data.raw.sha256,
        }
    )


def _named(values: Mapping[str, Any]) -> list[_Node]:
    return [{"name": f"weighbridge:{name}", "value": str(value)} for name, value in values.items()]


def _dependencies(model: _Node, raw: list[_Node], splits: list[_Node], packages: list[_Node]) -> list[_Node]:
    """Return which node is made of which: the model of splits and packages, each split of all raw files."""
    refs = {name: [node["bom-ref"] for node in nodes] for name, nodes in (("raw", raw), ("splits", splits))}
    made_by = [package["bom-ref"] for package in packages]
    leaves = [{"ref": ref} for ref in [*refs["raw"], *made_by]]
    return [
        {"ref": model["bom-ref"], "dependsOn": [*refs["splits"], *made_by]},
        *({"ref": ref, "dependsOn": refs["raw"]} for ref in refs["splits"]),
        *leaves,
    ]
