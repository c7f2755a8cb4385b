"""The bill of materials: valid by CycloneDX's own strict validator, complete, and a pure function of the manifest."""

import json
from typing import Any

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from flights_sample import make_manifest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge import documents
from weighbridge.evidence import bill_of_materials as bill
from weighbridge.manifest import Distribution, Manifest

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def document(manifest: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bill.bill_of_materials(manifest))
    return found


def altered(section: str, **changes: Any) -> Manifest:
    manifest = make_manifest()
    part = msgspec.structs.replace(getattr(manifest, section), **changes)
    return msgspec.structs.replace(manifest, **{section: part})


def test_it_validates_strictly() -> None:
    assert VALIDATOR.validate_str(bill.bill_of_materials(make_manifest())) is None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("metadata", "component", "modelCard", "opinion"), "good"),
        (("metadata", "component", "components", 0, "hashes", 0, "content"), "short"),
        (("metadata", "component", "licenses", 0, "license", "id"), "mit"),
        (("metadata", "timestamp"), "yesterday"),
        (("components", 0, "type"), "dataset"),
        (("serialNumber",), "17"),
    ],
)
def test_the_validator_is_seen_saying_no(place: tuple[Any, ...], value: Any) -> None:
    found = document(make_manifest())
    inner: Any = found
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    assert VALIDATOR.validate_str(json.dumps(found)) is not None


def test_each_licence_that_is_written_as_an_id_is_one() -> None:
    found = document(make_manifest())
    found["metadata"]["component"]["licenses"] = [{"license": {"id": licence}} for licence in sorted(bill._SPDX)]
    assert VALIDATOR.validate_str(json.dumps(found)) is None


@pytest.mark.parametrize("licence", ["MIT", "Our own terms, see the contract", "mit"])
def test_any_licence_validates(licence: str) -> None:
    manifest = altered("card", licence=licence)
    written = document(manifest)["metadata"]["component"]["licenses"][0]["license"]
    assert written == {"id" if licence == "MIT" else "name": licence}
    assert VALIDATOR.validate_str(bill.bill_of_materials(manifest)) is None


@pytest.mark.parametrize(
    ("repository", "named"),
    [
        ("https://git.example.org/a/b.git", True),
        ("ssh://git.example.org:22/b.git", True),
        ("git.example.org:a/b.git", False),
        ("/srv/git with spaces/b", False),
        ("https://git.example.org/<b> c", False),
        ("", False),
    ],
)
def test_a_repository_is_named_where_it_is_an_address(repository: str, *, named: bool) -> None:
    manifest = altered("code", repository=repository)
    assert ("externalReferences" in document(manifest)["metadata"]["component"]) == named
    assert VALIDATOR.validate_str(bill.bill_of_materials(manifest)) is None


def test_model_data_and_packages_are_there_with_digests_and_joined() -> None:
    manifest = make_manifest()
    found = document(manifest)
    model = found["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "flights", "1.1.0")
    files = {part["name"]: part["hashes"][0]["content"] for part in model["components"]}
    assert files == {f"models/flights/{file.path}": file.sha256 for file in manifest.artifacts.files}
    kinds = [part["type"] for part in found["components"]]
    assert kinds.count("data") == len(manifest.data.raw.files) + len(manifest.data.splits)
    assert kinds.count("library") == len(manifest.environment.distributions)
    joined = {each["ref"]: each.get("dependsOn", []) for each in found["dependencies"]}
    assert set(joined["model"]) == {f"data/processed/{name}.parquet" for name in manifest.data.splits} | {
        "pkg:pypi/onnxruntime@1.31.1"
    }
    assert set(joined) == {"model", *(part["bom-ref"] for part in found["components"])}


def test_each_test_metric_stands_with_its_interval_on_all_rows_and_on_each_part() -> None:
    manifest = make_manifest()
    found = document(manifest)["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    test = manifest.performance.test
    assert len(found) == len(test.metrics) + sum(len(part.metrics) for part in test.slices)
    auc = next(each for each in found if (each["type"], each["slice"]) == ("roc_auc", "test"))
    assert float(auc["value"]) == test.metrics["roc_auc"].value
    assert float(auc["confidenceInterval"]["lowerBound"]) == test.metrics["roc_auc"].low
    assert any(each["slice"] == "test, carrier=UA" for each in found)


def test_a_package_that_is_there_twice_is_one_component() -> None:
    twice = tuple(Distribution(name=name, version="1", record_sha256="0" * 64) for name in ("a_b", "a-b"))
    manifest = altered("environment", distributions=twice)
    names = [part["name"] for part in document(manifest)["components"] if part["type"] == "library"]
    assert names == ["a_b"]
    assert VALIDATOR.validate_str(bill.bill_of_materials(manifest)) is None


def test_the_first_release_has_no_ancestor() -> None:
    later = document(make_manifest())["metadata"]["component"]["pedigree"]
    assert later["ancestors"][0]["version"] == "1.0.0"
    first = altered("lineage", previous=None)
    assert "ancestors" not in document(first)["metadata"]["component"]["pedigree"]
    assert VALIDATOR.validate_str(bill.bill_of_materials(first)) is None


def test_releases_have_different_serial_numbers_and_one_release_always_the_same() -> None:
    other = altered("model_info", id="flights-v9.0.0")
    assert document(make_manifest())["serialNumber"] == document(make_manifest())["serialNumber"]
    assert document(make_manifest())["serialNumber"] != document(other)["serialNumber"]


@settings(max_examples=25)
@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_whatever_people_write_it_validates_and_is_the_same_again(use: str, team: str, host: str, unit: str) -> None:
    manifest = make_manifest()
    card = msgspec.structs.replace(manifest.card, intended_use=use, licence=unit, contact=host)
    info = msgspec.structs.replace(manifest.model_info, team=team)
    code = msgspec.structs.replace(manifest.code, repository=f"https://{host}/{unit}")
    manifest = msgspec.structs.replace(manifest, card=card, model_info=info, code=code)
    text = bill.bill_of_materials(manifest)
    assert VALIDATOR.validate_str(text) is None
    again = documents.typed(documents.parse(documents.dump(manifest), "manifest"), Manifest)
    assert bill.bill_of_materials(again) == text
