"""Lists of signers are OpenSSH's: what it takes is read, what is damaged is named, and what lets more people in too."""

import base64
import subprocess
from pathlib import Path

import pytest
import ssh_keys
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import RecordError, SetupError
from weighbridge.registry import allowed_signers

NOON = 1_769_860_800  # 2026-01-31T12:00:00Z
ADA, GRACE = "ada@example.org", "grace@example.org"
TEXT = b"What is signed.\n"
OPTIONS = ("cert-authority", 'namespaces="git,file"', 'valid-before="20270101"', 'valid-after="20260101Z"')


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ada's key."""
    return ssh_keys.make(tmp_path_factory.mktemp("keys"), "ada")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grace's key."""
    return ssh_keys.make(tmp_path_factory.mktemp("keys"), "grace")


def signature(key: Path, text: bytes = TEXT, namespace: str = "git") -> bytes:
    command = ["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", str(key)]
    return subprocess.run(command, input=text, check=True, capture_output=True).stdout


def fingerprint(key: Path) -> str:
    done = subprocess.run(["ssh-keygen", "-l", "-f", f"{key}.pub"], check=True, capture_output=True, text=True)
    return done.stdout.split()[1]


def verify(key: Path, allowed: str, who: str = ADA, text: bytes = TEXT, when: int = NOON) -> str:
    return allowed_signers.verify(text, signature(key), who, allowed.encode(), when)


def refused(key: Path, allowed: str, who: str = ADA, text: bytes = TEXT) -> str:
    with pytest.raises(RecordError) as caught:
        verify(key, allowed, who, text)
    return str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        "", 'namespaces="git"', 'namespaces="file,git"', 'valid-before="20260201"', 'valid-after="20260131"',
        'valid-after="20260131",valid-before="202601311201"',
    ],
)  # fmt: skip
def test_a_listed_key_is_accepted_and_told_by_its_fingerprint(key: Path, options: str) -> None:
    line = ssh_keys.listed(ADA, key, options)
    assert verify(key, line) == fingerprint(key)
    (entry,) = allowed_signers.read(line.encode(), "list")
    assert (entry.principals, entry.fingerprint) == (ADA, fingerprint(key))


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_each_kind_of_key_that_openssh_has_will_do(tmp_path: Path, kind: str) -> None:
    made = ssh_keys.make(tmp_path, "key", kind)
    line = ssh_keys.listed(ADA, made)
    assert verify(made, line) == allowed_signers.read(line.encode(), "list")[0].fingerprint


def test_patterns_name_many(key: Path) -> None:
    line = ssh_keys.listed("*@example.org,!eve@example.org", key)
    assert verify(key, line, GRACE) == fingerprint(key)
    assert "expected one of eve@example.org" in refused(key, line, "eve@example.org")


def test_what_is_not_so_is_refused_and_told_apart(key: Path, other: Path) -> None:
    both = ssh_keys.listed(ADA, key) + ssh_keys.listed(GRACE, other)
    assert f"{fingerprint(other)}, which is listed for {GRACE}; expected one of {ADA}" in refused(other, both)
    assert f"which isn't listed for {ADA}" in refused(other, ssh_keys.listed(ADA, key))
    assert "what it signs was changed" in refused(key, both, text=b"Something else.\n")
    assert f"isn't listed for {ADA}" in refused(key, "")
    assert f"isn't listed for {ADA}" in refused(key, ssh_keys.listed(ADA, key, 'namespaces="file"'))


def test_a_signature_for_another_purpose_is_refused(key: Path) -> None:
    with pytest.raises(RecordError, match="is damaged"):
        allowed_signers.verify(TEXT, signature(key, namespace="file"), ADA, ssh_keys.listed(ADA, key).encode(), NOON)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n", b"\0"])
def test_what_is_no_signature_is_refused(key: Path, content: bytes) -> None:
    with pytest.raises(RecordError, match="is damaged"):
        allowed_signers.verify(TEXT, content, ADA, ssh_keys.listed(ADA, key).encode(), NOON)


@pytest.mark.parametrize(
    "options", ['valid-before="20260131"', 'valid-before="202601311159"', 'valid-after="202601311201"']
)
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Anchorage"])
def test_a_key_counts_within_its_days_whatever_the_zone(
    key: Path, options: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    assert "wasn't valid at that moment" in refused(key, ssh_keys.listed(ADA, key, options))


@pytest.mark.parametrize("who", ["", "*", "*@example.org", "ada@example.org,eve@example.org", "a b@c", "!x@y", "-x@y"])
def test_an_address_that_is_a_pattern_is_refused(key: Path, who: str) -> None:
    """Whoever could choose it would be anybody."""
    assert "is no e-mail address of a signer" in refused(key, ssh_keys.listed("*", key), who)


def test_without_openssh_it_says_so(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = signature(key)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SetupError, match="install OpenSSH"):
        allowed_signers.verify(TEXT, good, ADA, b"", NOON)


def test_gits_configuration_and_the_callers_variables_have_no_say(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "gpg.ssh.allowedSignersFile")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "/dev/null")
    assert verify(key, ssh_keys.listed(ADA, key)) == fingerprint(key)


@pytest.mark.parametrize(
    "line",
    [
        "ada@example.org", "ada@example.org ssh-ed25519", "ada@example.org ssh-ed25519 AAAA", "ssh-ed25519 AAAA ada",
        "ada@example.org ssh-rsa {blob}", 'ada@example.org namespaces="git ssh-ed25519 {blob}', "\x00", "a  b  c  d",
    ],
)  # fmt: skip
def test_a_line_that_is_no_signer_is_named(key: Path, line: str) -> None:
    blob = Path(f"{key}.pub").read_text().split()[1]
    text = f"# People\n\n{ssh_keys.listed(ADA, key)}{line.format(blob=blob)}\n"
    with pytest.raises(RecordError, match="list:4: no signer; expected lines such as"):
        allowed_signers.read(text.encode(), "list")


@pytest.mark.parametrize("text", [b"", b"\n \n# nobody\n"])
def test_a_list_of_nobody_is_refused(text: bytes) -> None:
    with pytest.raises(RecordError, match="lists nobody"):
        allowed_signers.read(text, "list")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_list_or_refused_in_words(text: bytes) -> None:
    with pytest.raises(RecordError, match="list"):
        allowed_signers.read(text, "list")


def blob(kind: str, secret: bytes) -> str:
    return base64.b64encode(len(kind).to_bytes(4, "big") + kind.encode() + secret).decode()


@given(
    st.from_regex(r"[a-z0-9*?!][a-z0-9.@_+*,-]{0,20}", fullmatch=True),
    st.lists(st.sampled_from(OPTIONS), unique=True),
    st.sampled_from(["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com"]),
    st.binary(min_size=1, max_size=40),
    st.sampled_from(["", " a comment", '\tada\'s "laptop"']),
)
def test_each_part_of_a_line_is_read_as_it_was_written(
    who: str, options: list[str], kind: str, secret: bytes, comment: str
) -> None:
    words = filter(None, [who, ",".join(options), kind, blob(kind, secret)])
    (entry,) = allowed_signers.read(f"{' '.join(words)}{comment}\n".encode(), "list")
    assert entry == (who, frozenset(options), kind, blob(kind, secret))


def test_who_may_sign_now_and_might_not_before_is_named(key: Path, other: Path) -> None:
    ada, grace = ssh_keys.listed(ADA, key), ssh_keys.listed(GRACE, other)

    def found(before: str | None, after: str | None) -> tuple[str, ...]:
        encoded = [None if text is None else text.encode() for text in (before, after)]
        return allowed_signers.loosened(encoded[0], encoded[1], "list")

    assert found(ada, ada + grace) == (f"list: added {GRACE} (ssh-ed25519 {fingerprint(other)})",)
    assert found(ada, ssh_keys.listed(ADA, other)) == (f"list: added {ADA} (ssh-ed25519 {fingerprint(other)})",)
    assert found(ada, None) == ("list: removed, so that anyone may sign",)
    assert found(ada, ssh_keys.listed("*", key)) == (f"list: added * (ssh-ed25519 {fingerprint(key)})",)
    expiring = ssh_keys.listed(ADA, key, 'valid-before="20270101"')
    assert len(found(expiring, ada)) == 1
    assert len(found(expiring, expiring.replace("2027", "2028"))) == 1
    assert len(found(ada, ssh_keys.listed(ADA, key, "cert-authority"))) == 1


def test_what_shuts_people_out_is_not(key: Path, other: Path) -> None:
    ada, grace = ssh_keys.listed(ADA, key), ssh_keys.listed(GRACE, other)
    for before, after in (
        (None, ada), (None, None), (ada, ada), (ada + grace, ada), (ada + grace, f"# Turned\n{grace}{ada}"),
        (ada, ssh_keys.listed(ADA, key, 'valid-before="20270101"')), (ada, ada.replace("\n", " Ada's laptop\n")),
    ):  # fmt: skip
        encoded = [None if text is None else text.encode() for text in (before, after)]
        assert allowed_signers.loosened(encoded[0], encoded[1], "list") == ()
