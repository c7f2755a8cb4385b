"""A committed ``.dvc/config`` names no credential, no file to send as one, and no command to run."""

from pathlib import Path

import pytest

from weighbridge.errors import SetupError
from weighbridge.registry import dvc_settings, git, storage

GOOD = """\
[core]
    analytics = false
    remote = store
# password = commented out
['remote "store"']
    url = ssh://git@example.org/data
    user = ada
    ask_password = true
    verify = true
    ssl_verify = true
"""

KEYS = [
    "password", "token", "secret_access_key", "access_key_id", "session_token", "connection_string", "sas_token",
    "account_key", "client_secret", "gdrive_client_secret", "passphrase", "custom_auth_header", "oss_key_secret",
    "sse_customer_key",
    "credentialpath", "configpath", "keyfile", "key_path", "cert_path", "gdrive_user_credentials_file",
    "gdrive_service_account_json_file_path", "ssh_private",
    "bearer_token_command", "startup_script", "plugins_path", "site_cache_dir",
]  # fmt: skip


def test_plain_settings_are_taken() -> None:
    assert list(dvc_settings.refused(GOOD)) == []


@pytest.mark.parametrize("form", ["{} = x", "  {}=x", '"{}" = x', "'{}' = 'x'", "{} =", "\t{} = x  # why not"])
@pytest.mark.parametrize("key", KEYS)
def test_what_a_clone_would_send_trust_or_run_is_refused(key: str, form: str) -> None:
    found = list(dvc_settings.refused(GOOD + form.format(key) + "\n"))
    assert found == [dvc_settings.Refused(len(GOOD.splitlines()) + 1, key)]


@pytest.mark.parametrize(
    "url",
    ["https://ada:s3cret@example.org/data", "s3://bucket/x?X-Amz-Signature=s3cret", "azure://x;AccountKey=s3cret"],
)
def test_an_address_with_a_secret_is_refused_without_repeating_it(url: str, tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text(f"['remote \"store\"']\n    url = {url}\n")
    with (
        pytest.raises(SetupError, match=r"config:2: 'url' holds what looks like a secret") as caught,
        storage.opened(tmp_path),
    ):
        pytest.fail("it was opened")
    assert "s3cret" not in str(caught.value)


def _refused(root: Path, match: str) -> None:
    with pytest.raises(SetupError, match=match), storage.opened(root):
        pytest.fail("it was opened")


def test_the_configuration_above_a_project_in_a_folder_of_its_own_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("['remote \"store\"']\n    keyfile = ~/.ssh/id_ed25519\n")
    (tmp_path / "inner").mkdir()
    _refused(tmp_path / "inner", r"\.dvc/config:2: 'keyfile' doesn't belong")


@pytest.mark.parametrize("inner", [".", "inner"])
@pytest.mark.parametrize("folder", [".dvc", "elsewhere"])
def test_a_committed_local_configuration_is_refused(tmp_path: Path, inner: str, folder: str) -> None:
    place = tmp_path / folder
    place.mkdir()
    (place / "config.local").write_text("['remote \"store\"']\n    keyfile = ~/.ssh/id_ed25519\n")
    if folder != ".dvc":
        (tmp_path / ".dvc").symlink_to(folder)
    (tmp_path / inner).mkdir(exist_ok=True)
    git.run(tmp_path, "init", "--quiet")
    git.run(tmp_path, "add", "--force", "--all")
    _refused(tmp_path / inner, r"config\.local: is committed.*git rm --cached")


@pytest.mark.slow
def test_dvc_really_takes_a_key_in_quotes(tmp_path: Path) -> None:
    """Otherwise the guard would look for what can't be."""
    from dvc.config import Config

    (tmp_path / "config").write_text('[\'remote "store"\']\n    url = https://x\n    "password" = s3cret\n')
    assert Config(dvc_dir=str(tmp_path))["remote"]["store"]["password"] == "s3cret"  # noqa: S105 - made up
