"""sign: the signature over a release's bundle, made afterwards, with a key of one's own."""

import shlex
from pathlib import Path

from weighbridge import documents, paths
from weighbridge.errors import SettingsError, SetupError
from weighbridge.registry import model_keys, model_signature, releases, signers
from weighbridge.registry.objects import Objects
from weighbridge.views import reference


def sign(root: Path, ref: str, key: Path | None = None, output: Path | None = None) -> str:
    """Sign the bundle of the release *ref*, by the digests in its manifest; return what was written, and how to check.

    The manifest is held against the tag first; and the tag against the chain of trust, as ``verify`` follows it: a
    signature of one's own on something that was slipped in would vouch for it.

    Args:
        root: the project's root.
        ref: the release, as ``show`` takes it.
        key: file of the private key; that of Git's configuration where left out.
        output: file to write; beside the reader where left out.

    Raises:
        SettingsError: where *ref* names no release, or there is no key.
        SetupError: where the key can't be used, or *output* not be written.
        RecordError: where the release isn't what its tag says, or isn't by who may release.
    """
    found = reference.resolve(root, ref)
    if found.kind != "release":
        raise SettingsError(f"{ref} is a {found.kind}, {found.title}; expected a release: see 'weighbridge log'")
    release = releases.find(root, found.title)
    with Objects(root) as objects:
        signers.Chain(root, objects).link(release)
    file = key or model_keys.key_file(root)
    if file is None:
        raise SettingsError(
            f"found no key; give --key FILE, or run `git config {model_keys.SETTING} FILE`; "
            f"make one with `{model_keys.MAKE_KEY}`"
        )
    made = releases.manifest_of(root, release)
    content = model_signature.sign(release.name, made.artifacts, model_keys.load_key(file))
    target = output or Path(f"{release.name}-v{release.version}.sig.json")
    try:
        documents.write(target, content)
    except OSError as problem:
        raise SetupError(f"{target}: {problem.strerror}; give another --output") from None
    return _next(release, file, target)


def _next(release: releases.Release, key: Path, target: Path) -> str:
    folder = paths.bundle(release.name)
    private, signature = shlex.quote(str(key)), shlex.quote(str(target))
    return "\n".join(
        [
            f"{release.tag}: signed into {target}. Whoever has it, the public key and the bundle can check it:",
            f"  openssl ec -in {private} -pubout -out model-key.pub.pem",
            f"  dvc get . {folder} --rev {release.tag} --out {release.name}",
            f"  model_signing verify key {release.name} --signature {signature} --public_key model-key.pub.pem",
        ]
    )
