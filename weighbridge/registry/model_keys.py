"""Keys that sign bundles: elliptic-curve keys on P-256, in PEM, the private one without a passphrase.

Any other kind is refused, since the tools that read such signatures don't agree on it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighbridge.digest import sha256_bytes
from weighbridge.errors import RecordError, SetupError
from weighbridge.registry import git

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

SETTING = "weighbridge.modelKey"
"""Key of Git's configuration that names the file of the private key."""
MAKE_KEY = "openssl ecparam -name prime256v1 -genkey -noout -out model-key.pem"

_CURVE = "secp256r1"


def key_file(root: Path) -> Path | None:
    """Return the file of the private key that Git's configuration names; ``None`` where it names none.

    Raises:
        SetupError: where Git tracks that file.
    """
    name = git.setting(root, SETTING, "path")
    if name and git.attempt(root, "ls-files", "--error-unmatch", "--", name).returncode == 0:
        raise SetupError(
            f"{name}: is tracked by Git, so that whoever clones the project can sign as you; expected a private key "
            f"outside of it. Take it for lost: {_make()}"
        )
    return root / name if name else None


def load_key(file: Path) -> "EllipticCurvePrivateKey":
    """Return the private key in *file*.

    Raises:
        SetupError: where there is none, or it is encrypted, or of another kind than P-256.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except OSError as problem:
        raise SetupError(f"{file}: {problem.strerror}; expected the key that signs models: {_make()}") from None
    except TypeError:
        raise SetupError(
            f"{file}: found an encrypted key, expected one without a passphrase, for nobody is there to type it; "
            f"run `openssl ec -in {file} -out PLAIN.pem` and keep that file where only you can read it, or {_make()}"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise SetupError(f"{file}: found no private key in PEM, expected one on P-256: {_make()}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != _CURVE:
        raise SetupError(f"{file}: found a key of {_kind(key)}, expected one on P-256: {_make()}")
    return key


def _make() -> str:
    return f"make one with `{MAKE_KEY}`, and name it with `git config {SETTING} FILE`"


def _kind(key: Any) -> str:
    """Return in words what a key is of."""
    curve = getattr(key, "curve", None)
    return (
        f"curve {curve.name}" if curve else type(key).__name__.strip("_").replace("PrivateKey", "").replace("Key", "")
    )


def key_id(key: "EllipticCurvePublicKey") -> str:
    """Return by what a signature's file tells which key made it: the SHA-256 of the public key's PEM."""
    from cryptography.hazmat.primitives import serialization

    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return sha256_bytes(pem)


def load_public_key(pem: bytes) -> "EllipticCurvePublicKey":
    """Return the public key in *pem*.

    Raises:
        RecordError: where there is none, or it is of another kind than P-256.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise RecordError(
            "found no public key in PEM; expected one on P-256: `openssl ec -in KEY.pem -pubout -out PUBLIC.pem`"
        ) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != _CURVE:
        raise RecordError(f"found a public key of {_kind(key)}; expected one on P-256")
    return key
