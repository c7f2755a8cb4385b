"""What looks like a secret stops the pipeline, and is struck out of whatever is written; harmless words stay."""

import io
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge import documents, secrets_guard
from weighbridge.errors import ReleaseRefused, SettingsError

TOKEN = "tYh7/Qz+9.plainly-secret"  # noqa: S105 - made up

FORMS = [
    "AKIA" + "Q" * 16,
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1_" * 12,
    "glpat-" + "x" * 20,
    "hf_" + "Ab1" * 12,
    "sk-proj-" + "Ab1_" * 6,
    "sk_live_" + "Ab1" * 8,
    "xoxb-1234567890-abc",
    "npm_" + "Ab1" * 12,
    "AIza" + "S" * 35,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----",
    "Bearer " + "abc123" * 4,
    "https://grace:hopper@example.org/x",
    "https://0123456789abcdef0123@example.org/x",
    "postgresql+psycopg2://me:p@ss@db:5432/x",
    "https://example.org/x?page=2&X-Amz-Signature=abcdef",
    "https://example.org/x?sig=abcdef&page=2",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abc==;",
]

HARMLESS = [
    "roc_auc rose by 0.012; retrained on new data",
    "sklearn.ensemble:RandomForestClassifier",
    "git@github.com:someone/project.git",
    "ssh://git@example.org/project.git",
    "https://example.org/data.csv?page=2#part",
    "task-adjusted-risk-of-default-12",
    "Basic training of networks",
    "tokenizer=abc max_tokens=3 author=grace",
    "pad_token='[PAD]'",
    "candidates.x.params.api_key: looks like a secret",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "a mail to ada@example.org",
    "12:30:45 password: found nothing",
]


@pytest.fixture(autouse=True)
def _secret_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", TOKEN)


@pytest.mark.parametrize("text", FORMS)
def test_well_known_forms_are_struck_out(text: str) -> None:
    said = secrets_guard.redact(f"failed with {text} at 3")
    assert secrets_guard.STRUCK in said
    assert said.startswith("failed with ")
    assert said.endswith(" at 3")
    assert secrets_guard.is_secret(text)
    for part in ("hopper", "p@ss", "abcdef&", "abc==", "abc\n", text):
        assert part not in said


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert secrets_guard.redact(text) == text
    assert not secrets_guard.is_secret(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("login(password='hunter2', user='x')", "login(password=***, user='x')"),
        ('{"api_key": "abc", "n": 1}', '{"api_key": ***, "n": 1}'),
        ("AWS_SECRET_ACCESS_KEY=abc dvc push", "AWS_SECRET_ACCESS_KEY=*** dvc push"),
        ("https://u:p@h/x", "https://***@h/x"),
        (f"it said {TOKEN}!", "it said ***!"),
        ("it said tYh7%2FQz%2B9.plainly-secret!", "it said ***!"),
    ],
)
def test_what_is_assigned_to_a_secret_name_is_struck_out(text: str, expected: str) -> None:
    assert secrets_guard.redact(text) == expected


@given(st.text(max_size=80) | st.sampled_from(FORMS + HARMLESS), st.text(max_size=20))
def test_striking_out_twice_changes_nothing(text: str, more: str) -> None:
    once = secrets_guard.redact(text + more)
    assert secrets_guard.redact(once) == once


@given(before=st.text(max_size=30), after=st.text(max_size=30))
def test_a_secret_of_the_environment_never_survives(before: str, after: str) -> None:
    assert TOKEN not in secrets_guard.redact(before + TOKEN + after)


@pytest.mark.parametrize(
    "name",
    ["api_key", "apiKey", "DbPassword", "PGPASSWORD", "AWS_ACCESS_KEY_ID", "hf_token", "client-secret", "credentials",
     "connection_string", "account_key", "passphrase", "auth.token"],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert secrets_guard.is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["tokenizer", "max_tokens", "author", "key", "secretary", "pad_token", "eos_token", "n_tokens", "primary_key",
     "public_key", "high_pass", "passes", "token_type", "random_state", "authority"],
)  # fmt: skip
def test_names_of_nothing_secret(name: str) -> None:
    assert not secrets_guard.is_secret_name(name)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"candidates": {"x": {"params": {"api_key": "abc"}}}}, "candidates.x.params.api_key"),
        ({"a": {"passwords": 1, "password": ["one", "two"]}}, "a.password[0]"),
        ({"a": {"credentials": {"user": "me"}}}, "a.credentials.user"),
        ({"a": ["x", "https://me:pw@example.org"]}, "a[1]"),
        ({"data": {"source": f"fetched with {TOKEN}"}}, "data.source"),
        ({"release": {"push": "https://me:pw@example.org/x.git"}}, "release.push"),
    ],
)
def test_a_configuration_with_a_secret_is_refused_without_repeating_it(value: dict[str, Any], where: str) -> None:
    document = documents.parse(documents.dump(value), "config.yaml")
    with pytest.raises(SettingsError) as caught:
        secrets_guard.refuse(document)
    said = str(caught.value)
    assert where in said
    assert "looks like a secret" in said
    assert "environment" in said
    for secret in ("pw@", TOKEN, "abc;", "'one'"):
        assert secret not in said


def test_a_secret_as_a_key_is_not_repeated_either() -> None:
    document = documents.parse(documents.dump({"a": {TOKEN: 1}}), "config.yaml")
    with pytest.raises(SettingsError, match="a key in it looks like a secret") as caught:
        secrets_guard.refuse(document)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("value", [{"password": ""}, {"password": None}, {"pad_token": "[PAD]"}, {"token": 3}])
def test_what_is_empty_or_no_text_is_no_secret(value: dict[str, Any]) -> None:
    document = documents.parse(documents.dump(value), "config.yaml")
    assert list(secrets_guard.suspicions(document.value)) == []


def test_a_manifest_with_a_secret_is_not_published() -> None:
    good = {"code": {"changes": ["Begin", "Go on"]}, "features": [{"name": "password"}]}
    secrets_guard.refuse_values(good, "the manifest")
    bad = {"code": {"changes": ["Begin", f"Use {TOKEN}"]}, "features": []}
    with pytest.raises(ReleaseRefused, match=r"in: code\.changes\[1\]\. Nothing was tagged") as caught:
        secrets_guard.refuse_values(bad, "the manifest")
    assert TOKEN not in str(caught.value)


class TestOutput:
    """What a stage prints is a log."""

    def test_is_struck_out_by_the_line_also_where_it_is_written_in_parts(self) -> None:
        inner = io.StringIO()
        out = secrets_guard.Redacted(inner)
        print("begin", TOKEN[:5], sep=" ", end="", file=out)
        assert inner.getvalue() == ""
        print(TOKEN[5:], "end", file=out)
        print("50 %", end="\r", file=out)
        assert inner.getvalue() == "begin *** end\n50 %\r"

    def test_shows_what_is_flushed(self) -> None:
        inner = io.StringIO()
        out = secrets_guard.Redacted(inner)
        out.write("half a line")
        out.flush()
        assert inner.getvalue() == "half a line"

    def test_is_guarded_once_and_tracebacks_with_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        inner = io.StringIO()
        monkeypatch.setattr(sys, "stderr", inner)
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        secrets_guard.guard_output()
        secrets_guard.guard_output()
        problem = ValueError(f"no access with {TOKEN}")
        sys.excepthook(type(problem), problem, None)
        sys.stderr.flush()
        assert "ValueError: no access with ***" in inner.getvalue()
        assert TOKEN not in inner.getvalue()
        assert isinstance(sys.stderr, secrets_guard.Redacted)
        assert not isinstance(sys.stderr._stream, secrets_guard.Redacted)


def test_the_folder_one_is_in_is_no_secret_by_the_shells_name_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PWD", "/people/grace/flights")
    assert secrets_guard.redact("cloned from /people/grace/flights.git") == "cloned from /people/grace/flights.git"
    monkeypatch.setenv("DB_PASSWORD", "/people/grace/flights")
    assert secrets_guard.redact("cloned from /people/grace/flights.git") == "cloned from ***.git"
