"""The model's signature: OpenSSF's own command accepts it, and whatever isn't as signed is refused in words."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from weighbridge.digest import folder_entries, sha256_folder
from weighbridge.errors import RecordError, SetupError
from weighbridge.manifest import Artifact, Artifacts
from weighbridge.registry import git, model_keys, model_signature

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
FILES = {"model.onnx": b"weights", "inner/golden.json": b"{}", "README.md": b"# Read me\n"}


def private(key: Any, encryption: Any = PLAIN) -> bytes:
    pem: bytes = key.private_bytes(PEM, PKCS8, encryption)
    return pem


def public(key: Any) -> bytes:
    pem: bytes = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem


def made_of(folder: Path) -> Artifacts:
    entries = folder_entries(folder)
    files = tuple(Artifact(path=one.path, role="", bytes=one.bytes, sha256=one.sha256) for one in entries)
    return Artifacts(
        files=files, content_sha256=sha256_folder(entries), dvc="", parameter_count=1, loaded_memory_mib=None
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle's folder."""
    folder = tmp_path / "models" / "flights"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def model_signing(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("model_signing")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def verified_by_theirs(bundle: Path, signature: bytes, key: bytes) -> subprocess.CompletedProcess[str]:
    for name, content in (("signature.json", signature), ("public.pem", key)):
        (bundle.parent / name).write_bytes(content)
    options = ["--signature", str(bundle.parent / "signature.json"), "--public_key", str(bundle.parent / "public.pem")]
    return model_signing("verify", "key", str(bundle), *options)


def test_openssfs_command_accepts_it_and_refuses_other_keys_and_other_files(bundle: Path) -> None:
    signature = model_signature.sign("flights", made_of(bundle), KEY)
    accepted = verified_by_theirs(bundle, signature, public(KEY))
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    assert verified_by_theirs(bundle, signature, public(OTHER)).returncode != 0
    (bundle / "model.onnx").write_bytes(b"Weights")
    assert verified_by_theirs(bundle, signature, public(KEY)).returncode != 0


def test_what_openssfs_command_signs_is_accepted_here(bundle: Path) -> None:
    key = bundle.parent / "key.pem"
    key.write_bytes(private(KEY))
    target = bundle.parent / "theirs.json"
    done = model_signing("sign", "key", str(bundle), "--private_key", str(key), "--signature", str(target))
    assert done.returncode == 0, done.stdout + done.stderr
    expected = model_keys.key_id(KEY.public_key())
    assert model_signature.check(target.read_bytes(), public(KEY), "flights", made_of(bundle)) == expected


def test_the_same_files_give_the_same_bytes(bundle: Path) -> None:
    made = made_of(bundle)
    turned = msgspec.structs.replace(made, files=made.files[::-1])
    assert model_signature.sign("flights", made, KEY) == model_signature.sign("flights", turned, KEY)


def refused(signature: bytes, artifacts: Artifacts, name: str = "flights", key: bytes | None = None) -> str:
    with pytest.raises(RecordError) as caught:
        model_signature.check(signature, key or public(KEY), name, artifacts)
    return str(caught.value)


def test_another_key_another_name_and_other_files_are_refused(bundle: Path) -> None:
    made = made_of(bundle)
    signature = model_signature.sign("flights", made, KEY)
    assert "isn't by this key" in refused(signature, made, key=public(OTHER))
    assert "is over flights; expected trains" in refused(signature, made, name="trains")
    (bundle / "model.onnx").write_bytes(b"Weights")
    assert "model.onnx" in refused(signature, made_of(bundle))
    (bundle / "more.txt").write_bytes(b"")
    assert "more.txt: None" in refused(signature, made_of(bundle))


def signed(statement: Any, **envelope: Any) -> bytes:
    """Return a signature's file over any statement, by the right key."""
    payload = json.dumps(statement).encode()
    signature = model_signature._signature(KEY, model_signature._signed(payload))
    found = {
        "payload": base64.b64encode(payload).decode(), "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": base64.b64encode(signature).decode()}],
    }  # fmt: skip
    return json.dumps({"dsseEnvelope": found | envelope}).encode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda found: found | {"predicateType": "https://slsa.dev/provenance/v1"},
            "expected a 'https://model_signing",
        ),
        (lambda found: found | {"_type": "other"}, "what is signed is a"),
        (lambda found: found | {"subject": []}, "is over nothing"),
        (lambda found: found | {"subject": [{"name": "flights", "digest": {"sha256": "0" * 64}}]}, "over all files"),
        (lambda found: found | {"predicate": {"resources": found["predicate"]["resources"] * 2}}, "named twice"),
        (lambda found: found | {"predicate": {"resources": []}}, "model.onnx: None"),
        (lambda found: found | {"predicate": {}}, "not of the shape"),
        (lambda found: [found], "not of the shape"),
    ],
)
def test_a_signed_statement_of_something_else_is_refused(
    bundle: Path, change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    made = made_of(bundle)
    statement = model_signature._statement("flights", made)
    assert model_signature.check(signed(statement), public(KEY), "flights", made)
    assert said in refused(signed(change(statement)), made)


@pytest.mark.parametrize(
    ("envelope", "said"),
    [
        ({"payloadType": "text/plain"}, "over 'text/plain'"),
        ({"signatures": []}, "holds 0 signatures"),
        ({"payload": "no base64!"}, "isn't base64"),
        ({"payload": base64.b64encode(b"{}").decode()}, "isn't by this key"),
        ({"signatures": [{"sig": ""}]}, "isn't by this key"),
    ],
)
def test_a_damaged_envelope_is_refused(bundle: Path, envelope: dict[str, Any], said: str) -> None:
    made = made_of(bundle)
    assert said in refused(signed(model_signature._statement("flights", made), **envelope), made)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"[" * 10_000, b"{}", b"0" * 9_000_000])
def test_what_is_no_signature_is_refused(bundle: Path, content: bytes) -> None:
    assert "the signature" in refused(content, made_of(bundle))


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()])
def test_a_public_key_of_another_kind_is_refused(bundle: Path, key: Any) -> None:
    made = made_of(bundle)
    signature = model_signature.sign("flights", made, KEY)
    assert "expected one on P-256" in refused(signature, made, key=public(key))
    assert "found no public key in PEM" in refused(signature, made, key=private(KEY))


@pytest.mark.parametrize(
    "command",
    [
        model_keys.MAKE_KEY,
        model_keys.MAKE_KEY.replace("-noout ", ""),
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out model-key.pem",
    ],
)
def test_keys_as_openssl_makes_them_are_taken(tmp_path: Path, command: str) -> None:
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    assert model_keys.load_key(tmp_path / "model-key.pem").curve.name == "secp256r1"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (private(KEY, serialization.BestAvailableEncryption(b"secret")), "found an encrypted key"),
        (private(ec.generate_private_key(ec.SECP384R1())), "found a key of curve secp384r1"),
        (private(ed25519.Ed25519PrivateKey.generate()), "found a key of Ed25519"),
        (private(rsa.generate_private_key(65537, 2048)), "found a key of RSA"),
        (public(KEY), "found no private key in PEM"),
        (b"nonsense", "found no private key in PEM"),
        (None, "No such file"),
    ],
    ids=["encrypted", "P-384", "Ed25519", "RSA", "public", "nonsense", "absent"],
)
def test_other_keys_are_refused_with_the_command_that_makes_one(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "key.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SetupError, match=said) as caught:
        model_keys.load_key(file)
    assert str(file) in str(caught.value)
    assert model_keys.MAKE_KEY in str(caught.value)
    assert "secret" not in str(caught.value)


def test_gits_configuration_names_the_key(repository: Path) -> None:
    assert model_keys.key_file(repository) is None
    git.run(repository, "config", model_keys.SETTING, "../key.pem")
    assert model_keys.key_file(repository) == repository / "../key.pem"


def test_a_private_key_that_git_tracks_is_refused(repository: Path) -> None:
    (repository / "key.pem").write_bytes(private(KEY))
    git.run(repository, "config", model_keys.SETTING, "key.pem")
    assert model_keys.key_file(repository) == repository / "key.pem"
    git.run(repository, "add", "key.pem")
    with pytest.raises(SetupError, match="is tracked by Git"):
        model_keys.key_file(repository)
