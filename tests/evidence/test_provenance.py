"""How the bundle was made, as SLSA's provenance: complete, and the same bytes for the same manifest."""

import json
from typing import Any

import msgspec
import pytest
from flights_sample import make_manifest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge import documents
from weighbridge.digest import FileEntry
from weighbridge.evidence import provenance
from weighbridge.manifest import Distribution, Engine, Manifest, Source

LOCK = "6" * 64
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def predicate(manifest: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(provenance.provenance(manifest))["predicate"]
    return found


def dependencies(manifest: Manifest) -> list[dict[str, Any]]:
    return list(predicate(manifest)["buildDefinition"]["resolvedDependencies"])


def altered(section: str, **changes: Any) -> Manifest:
    manifest = make_manifest()
    part = msgspec.structs.replace(getattr(manifest, section), **changes)
    return msgspec.structs.replace(manifest, **{section: part})


def test_it_is_a_statement_about_each_file_of_the_bundle() -> None:
    manifest = make_manifest()
    found = json.loads(provenance.provenance(manifest))
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://slsa.dev/provenance/v1"
    assert found["subject"] == [
        {"name": f"models/flights/{file.path}", "digest": {"sha256": file.sha256}} for file in manifest.artifacts.files
    ]


def test_it_has_the_fields_that_the_specification_requires() -> None:
    found = predicate(make_manifest())
    assert set(found) == {"buildDefinition", "runDetails"}
    definition, run = found["buildDefinition"], found["runDetails"]
    assert set(definition) == {"buildType", "externalParameters", "internalParameters", "resolvedDependencies"}
    assert ":" in definition["buildType"]
    assert ":" in run["builder"]["id"]
    assert set(run["metadata"]) == {"invocationId", "startedOn", "finishedOn"}
    assert run["metadata"]["startedOn"] == "2026-01-31T11:58:00Z"


def test_an_engine_that_lies_elsewhere_is_the_workflow_and_an_ingredient() -> None:
    made = altered("code", engine=Engine(commit="e" * 40, repository="https://example.org/engine.git"))
    workflow = predicate(made)["buildDefinition"]["externalParameters"]["workflow"]
    assert workflow == {"repository": "https://example.org/engine.git", "ref": "e" * 40, "path": "Snakefile"}
    uri = f"git+https://example.org/engine.git@{'e' * 40}"
    assert {"uri": uri, "name": "engine", "digest": {"gitCommit": "e" * 40}} in dependencies(made)
    assert "engine" not in {one.get("name") for one in dependencies(make_manifest())}


def test_each_reference_names_itself_and_says_what_is_known_of_it() -> None:
    """A resource descriptor needs one of name, uri, digest; what has no digest of its bytes claims none."""
    for each in dependencies(altered("code", sources=(Source(path="a.py", sha256="7" * 64, stages=("train",)),))):
        assert each.get("name") or each.get("uri")
        assert ("digest" in each) or ("annotations" in each)
        assert ("digest" not in each) == each.get("uri", each.get("name", "")).startswith(("pkg:", "python"))


def test_commit_raw_files_lock_code_and_packages_are_dependencies() -> None:
    raw = (FileEntry(path="inner/flights.csv", bytes=3, sha256="5" * 64),)
    manifest = altered("data", raw=msgspec.structs.replace(make_manifest().data.raw, files=raw))
    code = msgspec.structs.replace(manifest.code, sources=(Source(path="a.py", sha256="7" * 64, stages=("train",)),))
    environment = msgspec.structs.replace(manifest.environment, lock_sha256=LOCK)
    found = dependencies(msgspec.structs.replace(manifest, code=code, environment=environment))
    assert found[0] == {
        "uri": f"git+{code.repository}@{code.commit}", "name": "code", "digest": {"gitCommit": code.commit},
    }  # fmt: skip
    assert {"name": "data/raw/inner/flights.csv", "digest": {"sha256": "5" * 64}} in found
    assert {"name": "requirements.lock", "digest": {"sha256": LOCK}} in found
    assert {"name": "a.py", "digest": {"sha256": "7" * 64}, "annotations": {"stages": ["train"]}} in found
    assert [each["uri"] for each in found if "pkg:" in each.get("uri", "")] == ["pkg:pypi/onnxruntime@1.31.1"]


@pytest.mark.parametrize("repository", ["", "/srv/git/flights.git", "git.example.org:flights.git"])
def test_a_repository_that_is_no_address_gives_no_uri(repository: str) -> None:
    assert set(dependencies(altered("code", repository=repository))[0]) == {"name", "digest"}


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("Typing_Extensions", "4.12", "pkg:pypi/typing-extensions@4.12"),
        ("ruamel.yaml", "0.18", "pkg:pypi/ruamel.yaml@0.18"),
        ("torch", "2.13.0+cpu", "pkg:pypi/torch@2.13.0%2Bcpu"),
    ],
)
def test_packages_have_the_addresses_of_the_specification(name: str, version: str, expected: str) -> None:
    assert provenance.purl(Distribution(name=name, version=version, record_sha256="0" * 64)) == expected


def test_a_training_on_a_cluster_has_another_builder() -> None:
    assert predicate(make_manifest())["runDetails"]["builder"]["id"].endswith("own-machine")
    assert predicate(altered("training", cluster_job="17"))["runDetails"]["builder"]["id"].endswith("cluster")


def test_the_whole_configuration_is_there() -> None:
    settings = {"config": {"name": "flights", "seeds": [0, 1]}, "gates": {"gates": {}}}
    manifest = altered("parameters", settings=settings)
    assert predicate(manifest)["buildDefinition"]["externalParameters"]["configuration"] == settings


@given(TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_the_manifest_read_back_gives_the_same_bytes(branch: str, os: str, variables: dict[str, str]) -> None:
    """So that whoever holds the release can make it again."""
    manifest = make_manifest()
    code = msgspec.structs.replace(manifest.code, branch=branch)
    environment = msgspec.structs.replace(manifest.environment, os=os, variables=variables)
    manifest = msgspec.structs.replace(manifest, code=code, environment=environment)
    again = documents.typed(documents.parse(documents.dump(manifest), "manifest"), Manifest)
    assert provenance.provenance(again) == provenance.provenance(manifest)
