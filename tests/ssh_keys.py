"""SSH keys to sign with, and lists of who may."""

import subprocess
from pathlib import Path


def make(folder: Path, name: str, kind: str = "ed25519") -> Path:
    """Make a key without a passphrase and return the file of its private half."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", str(file)], check=True)
    return file


def listed(email: str, key: Path, options: str = "") -> str:
    """Return the line of a list that names *key* as that of *email*."""
    kind, blob, *_ = key.with_name(f"{key.name}.pub").read_text().split()
    return " ".join(filter(None, [email, options, kind, blob])) + "\n"


def sign_with(root: Path, key: Path) -> None:
    """Set Git up to sign with SSH where it is asked to."""
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", str(key))):
        subprocess.run(["git", "config", name, value], cwd=root, check=True)
