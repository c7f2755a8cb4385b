"""The generated files are what the code says; where not, the failure names the command that mends it."""

from pathlib import Path

import pytest

from weighbridge import reference, settings

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", list(reference.FILES))
def test_a_generated_file_is_what_the_code_says(name: str) -> None:
    path = ROOT / name
    same = path.is_file() and path.read_text(encoding="utf-8") == reference.FILES[name]()
    assert same, f"{name} isn't what the code says; run: {reference.COMMAND}"


def test_drift_is_found(tmp_path: Path) -> None:
    assert reference.differing(tmp_path) == tuple(reference.FILES)


def test_every_key_of_the_configuration_is_on_its_page() -> None:
    page = reference.configuration()
    for line in ("| `threads` |", "| `kind` | `change` |", "### `candidates.<name>.fit`", "### `data.split`"):
        assert line in page


def test_types_and_limits_are_words() -> None:
    assert reference.type_in_words(settings.Share) == "number (above 0, below 1)"
    assert reference.type_in_words(settings.Day) == "day `YYYY-MM-DD`"
    assert reference.type_in_words(dict[str, int | None]) == "mapping of names to: whole number or null"


def test_every_command_is_on_its_page_with_an_example_or_as_a_stage() -> None:
    from weighbridge.cli import main

    page = reference.commands()
    for name, command in main.commands.items():
        assert f"## `weighbridge {name}`" in page
        help_text = command.help or ""
        assert "Example:" in help_text or help_text.startswith("Stage:"), name


def test_unknown_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--other"]) == 2
    assert reference.COMMAND in capsys.readouterr().err
