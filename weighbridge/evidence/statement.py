"""The verdict as an in-toto statement, which supply-chain tools read, sign and hold against a policy.

Sources: the statement, https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md; the predicate,
https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md (version 0.1); the references in it,
https://github.com/in-toto/attestation/blob/main/spec/v1/resource_descriptor.md.

==========  ================================================================================================
``PASSED``  every gate passed
``WARNED``  the verdict is a pass, yet a gate warned, or couldn't tell and was approved by a person
``FAILED``  whatever else: a gate failed, couldn't tell, or waits for an approval
==========  ================================================================================================

Gates that don't apply, or are known only when the release is made, are in none of the three lists of tests.
"""

import json
from typing import Any

from weighbridge import paths
from weighbridge.manifest import Artifacts, GateResult, Gates, Packaged, Weighing

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
PASSED, WARNED, FAILED = "PASSED", "WARNED", "FAILED"

_LEFT_OUT = {"not applicable", "at release"}


def statement(gates: Gates, packaged: Packaged, weighing: Weighing | None = None) -> str:
    """Return the statement as JSON, equal for equal verdicts.

    Args:
        gates: the verdict, finished or not.
        packaged: the bundle; each of its files is a subject, by its SHA-256.
        weighing: where given, the test rows are named beside the gates as what the test was run with.
    """
    document = {
        "_type": STATEMENT_TYPE,
        "subject": subjects(packaged.name, packaged.artifacts),
        "predicateType": PREDICATE_TYPE,
        "predicate": _predicate(gates, weighing),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def subjects(name: str, artifacts: Artifacts) -> list[dict[str, Any]]:
    """Return what a statement about the bundle of the model *name* is about: each of its files, by its SHA-256."""
    folder = paths.bundle(name)
    return [
        {"name": (folder / file.path).as_posix(), "digest": {"sha256": file.sha256}}
        for file in sorted(artifacts.files, key=lambda file: file.path)
    ]


def _predicate(gates: Gates, weighing: Weighing | None) -> dict[str, Any]:
    passes = gates.verdict == "pass"
    outcomes = {
        result.name: _outcome(result, passes=passes) for result in gates.results if result.verdict not in _LEFT_OUT
    }
    tests = {each: [name for name, found in outcomes.items() if found == each] for each in (PASSED, WARNED, FAILED)}
    overall = FAILED if not passes else WARNED if tests[WARNED] else PASSED
    return {
        "result": overall,
        "configuration": _configuration(gates, weighing),
        "passedTests": tests[PASSED],
        "warnedTests": tests[WARNED],
        "failedTests": tests[FAILED],
    }


def _outcome(result: GateResult, *, passes: bool) -> str:
    """Return a gate's outcome; one that couldn't tell is a warning where the verdict *passes* all the same."""
    if result.verdict == "pass":
        return WARNED if any(part.verdict == "warn" for part in result.parts) else PASSED
    return WARNED if passes else FAILED


def _configuration(gates: Gates, weighing: Weighing | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": paths.GATES.as_posix(),
            "digest": {"sha256": gates.gates_sha256},
            "mediaType": "application/json",
            # Not of the file's bytes: comments and the order of keys don't change what is demanded.
            "annotations": {"digestOf": "the gates with all defaults, as canonical JSON"},
        }
    ]
    if weighing is not None:
        found.append({"name": paths.split("test").as_posix(), "digest": {"sha256": weighing.test_sha256}})
    return found
