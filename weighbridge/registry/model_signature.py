"""The signature over a bundle's files, as OpenSSF's model signing has it, with a key of one's own.

Sources: https://github.com/ossf/model-signing-spec (statement and predicate), https://github.com/secure-systems-lab/dsse
(envelope and what is signed), https://docs.sigstore.dev/about/bundle/ (the file). The command ``model_signing verify
key`` of PyPI's ``model-signing`` accepts what :func:`sign` writes.
"""

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from weighbridge.digest import canonical_json, sha256_bytes
from weighbridge.errors import RecordError
from weighbridge.evidence.statement import STATEMENT_TYPE
from weighbridge.manifest import Artifacts
from weighbridge.registry import model_keys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

T = TypeVar("T")

PREDICATE_TYPE = "https://model_signing/signature/v1.0"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"

_SIZE_LIMIT = 8 * 1024 * 1024


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    """Base of what is read from a signature's file; keys that aren't asked for are left alone."""


class _Signature(_Part, frozen=True):
    sig: str


class _Envelope(_Part, frozen=True):
    payload: str
    payload_type: str
    signatures: tuple[_Signature, ...]


class _Bundle(_Part, frozen=True):
    dsse_envelope: _Envelope


class _Resource(_Part, frozen=True):
    name: str
    algorithm: str
    digest: str


class _Subject(_Part, frozen=True):
    name: str
    digest: dict[str, str]


class _Predicate(_Part, frozen=True):
    resources: tuple[_Resource, ...]


class _Statement(_Part, frozen=True):
    predicate_type: str
    subject: tuple[_Subject, ...]
    predicate: _Predicate
    type: str = msgspec.field(name="_type")


def sign(name: str, artifacts: Artifacts, key: "EllipticCurvePrivateKey") -> bytes:
    """Return the signature's file over the files of the model *name*, by the digests that are on record.

    Args:
        name: of the model, and of the folder that holds its files.
        artifacts: the files; those on disk aren't looked at.
        key: see :func:`weighbridge.registry.model_keys.load_key`.
    """
    payload = canonical_json(_statement(name, artifacts)).encode()
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": base64.b64encode(_signature(key, _signed(payload))).decode(), "keyid": ""}],
    }
    material = {"publicKey": {"hint": model_keys.key_id(key.public_key())}, "tlogEntries": []}
    document = {"mediaType": MEDIA_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope}
    return (json.dumps(document, indent=2) + "\n").encode()


def _statement(name: str, artifacts: Artifacts) -> dict[str, Any]:
    resources = [
        {"name": file.path, "algorithm": "sha256", "digest": file.sha256}
        for file in sorted(artifacts.files, key=lambda file: file.path)
    ]
    how = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": _root(each["digest"] for each in resources)}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {"serialization": how, "resources": resources},
    }


def _root(digests: Any) -> str:
    """Return the digest of the files' digests, in their order."""
    return sha256_bytes(b"".join(map(bytes.fromhex, digests)))


def _signed(payload: bytes) -> bytes:
    """Return what the key signs: the payload with its type, each after its length (DSSE)."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def _signature(key: "EllipticCurvePrivateKey", text: bytes) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        # The same bytes each time (RFC 6979), where the installed OpenSSL can.
        return key.sign(text, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    except UnsupportedAlgorithm:
        return key.sign(text, ec.ECDSA(hashes.SHA256()))


def check(signature: bytes, public_key: bytes, name: str, artifacts: Artifacts) -> str:
    """Hold a signature's file against a public key and the files on record; return the key's id.

    Args:
        signature: the file, of :func:`sign` or of ``model_signing sign key``.
        public_key: PEM of the public key; it has to come from elsewhere than the signature.
        name: of the model.
        artifacts: the files that must be signed, these and no others.

    Raises:
        RecordError: where the key isn't one on P-256, didn't make this signature, or signed other files.
    """
    key = model_keys.load_public_key(public_key)
    envelope = _decoded(signature, _Bundle, "the signature").dsse_envelope
    payload = _unpacked(envelope.payload)
    if envelope.payload_type != PAYLOAD_TYPE or len(envelope.signatures) != 1:
        raise RecordError(
            f"the signature's file holds {len(envelope.signatures)} signatures over {envelope.payload_type!r}; "
            f"expected one over {PAYLOAD_TYPE!r}"
        )
    _check_signature(key, _unpacked(envelope.signatures[0].sig), payload)
    _compare(_decoded(payload, _Statement, "what is signed"), name, artifacts)
    return model_keys.key_id(key)


def _check_signature(key: "EllipticCurvePublicKey", signature: bytes, payload: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key.verify(signature, _signed(payload), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise RecordError(
            f"the signature isn't by this key ({model_keys.key_id(key)[:12]}), or what it signs was changed; "
            "don't trust it"
        ) from None


def _compare(found: _Statement, name: str, artifacts: Artifacts) -> None:
    if (found.type, found.predicate_type) != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise RecordError(f"what is signed is a {found.predicate_type!r}; expected a {PREDICATE_TYPE!r}")
    if [subject.name for subject in found.subject] != [name]:
        named = ", ".join(subject.name for subject in found.subject) or "nothing"
        raise RecordError(f"the signature is over {named}; expected {name}")
    resources = found.predicate.resources
    signed = {each.name: each.digest if each.algorithm == "sha256" else each.algorithm for each in resources}
    expected = {file.path: file.sha256 for file in artifacts.files}
    differing = sorted(path for path in {*signed, *expected} if signed.get(path) != expected.get(path))
    if differing or len(resources) != len(signed):
        listed = "; ".join(f"{path}: {signed.get(path)}, {expected.get(path)} on record" for path in differing[:5])
        raise RecordError(f"the signature is over other files than the release's: {listed or 'one is named twice'}")
    if found.subject[0].digest.get("sha256") != _root(each.digest for each in resources):
        raise RecordError("the signature's digest over all files isn't that of the files it lists; don't trust it")


def _decoded(content: bytes, kind: type[T], what: str) -> T:
    if len(content) > _SIZE_LIMIT:
        raise RecordError(f"{what}: larger than {_SIZE_LIMIT} bytes; expected a short JSON document")
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        raise RecordError(f"{what}: not of the shape of a model signature: {problem}") from None


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RecordError("the signature's file: found text that isn't base64; don't trust it") from None
