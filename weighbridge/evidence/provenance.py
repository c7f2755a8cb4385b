"""How a bundle was made, as an in-toto statement with SLSA's provenance, which supply-chain tools read.

Sources: https://slsa.dev/spec/v1.0/provenance (the predicate), https://github.com/in-toto/attestation/blob/main/spec/v1/
(statement and references), https://github.com/package-url/purl-spec (addresses of Python packages).

It is a pure function of the manifest: who holds a release makes it again and compares the bytes. As with any provenance
from a machine of one's own, it is worth what the signature on the release's tag is worth (SLSA build level 1).

==========================  =======================================================================================
``subject``                 each file of the bundle
``externalParameters``      the configuration with all defaults, overlays included; where the workflow lies
``internalParameters``      champion, seed, threads, and the variables of the environment that may change results
``resolvedDependencies``    the commit, the raw files, the lock, the source files that ran, the installed packages
``byproducts``              the prepared splits, the test rows' predictions
==========================  =======================================================================================
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from weighbridge import paths
from weighbridge.evidence.statement import STATEMENT_TYPE, subjects
from weighbridge.manifest import Distribution, Manifest

PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:weighbridge:v1:pipeline"
BUILDERS = {False: "urn:weighbridge:v1:builder:own-machine", True: "urn:weighbridge:v1:builder:cluster"}
"""Who built it, by whether a cluster's scheduler ran the training."""

_Reference = dict[str, Any]


def provenance(manifest: Manifest) -> str:
    """Return the statement as JSON, equal for equal manifests.

    Args:
        manifest: of the release.
    """
    document = {
        "_type": STATEMENT_TYPE,
        "subject": subjects(manifest.model_info.name, manifest.artifacts),
        "predicateType": PREDICATE_TYPE,
        "predicate": {"buildDefinition": _definition(manifest), "runDetails": _run(manifest)},
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def purl(distribution: Distribution) -> str:
    """Return the package URL of an installed distribution, ``pkg:pypi/scikit-learn@1.9.1``."""
    name = distribution.name.lower().replace("_", "-")  # as the specification's type "pypi" asks
    return f"pkg:pypi/{quote(name, safe='')}@{quote(distribution.version, safe='')}"


def _definition(manifest: Manifest) -> _Reference:
    parameters, environment, code = manifest.parameters, manifest.environment, manifest.code
    where = (code.engine.repository, code.engine.commit) if code.engine else (code.repository, code.branch)
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "workflow": {"repository": where[0], "ref": where[1], "path": "Snakefile"},
            "configuration": parameters.settings,
        },
        "internalParameters": {
            "candidate": parameters.candidate,
            "seed": parameters.seed,
            "threads": parameters.threads,
            "variables": environment.variables,
            "instructionSets": list(manifest.hardware.instruction_sets),
        },
        "resolvedDependencies": list(_dependencies(manifest)),
    }


def _dependencies(manifest: Manifest) -> Iterator[_Reference]:
    """Yield all that went into the bundle; a dependency without a digest of its own bytes says so."""
    code, environment = manifest.code, manifest.environment
    for name, held in {"code": code, "engine": code.engine}.items():
        if held:
            commit: _Reference = {"name": name, "digest": {"gitCommit": held.commit}}
            yield {"uri": f"git+{held.repository}@{held.commit}", **commit} if "://" in held.repository else commit
    for file in manifest.data.raw.files:
        yield _file((paths.RAW / file.path).as_posix(), file.sha256)
    if environment.lock_sha256:
        yield _file(paths.LOCK.as_posix(), environment.lock_sha256)
    for source in code.sources:
        yield _file(source.path, source.sha256) | {"annotations": {"stages": list(source.stages)}}
    yield {"name": "python", "annotations": {"version": environment.python}}
    for distribution in environment.distributions:
        # What is known is the digest of the installed files' list, which is none of the package's own bytes.
        yield {"uri": purl(distribution), "annotations": {"recordSha256": distribution.record_sha256}}


def _run(manifest: Manifest) -> _Reference:
    training, test = manifest.training, manifest.performance.test
    products = [_file(paths.split(name).as_posix(), part.sha256) for name, part in manifest.data.splits.items()]
    if test.predictions_sha256:
        products.append(_file(paths.PREDICTIONS.as_posix(), test.predictions_sha256))
    return {
        "builder": {"id": BUILDERS[training.cluster_job is not None]},
        "metadata": {
            "invocationId": manifest.model_info.run,
            "startedOn": training.started,
            "finishedOn": manifest.model_info.created,
        },
        "byproducts": products,
    }


def _file(name: str, sha256: str) -> _Reference:
    return {"name": name, "digest": {"sha256": sha256}}
