"""The sources of a stage are the files that it imports, however it does."""

from pathlib import Path

import pytest

from weighbridge import code
from weighbridge.errors import SettingsError

ROOT = Path(__file__).parents[1]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {
        "app/__init__.py": "",
        "app/main.py": "import json\nfrom app import one\nimport app.two as t\n",
        "app/one.py": "def f():\n    from app.deep.three import x\n",
        "app/two.py": "from .deep import four\nfrom . import five\n",
        "app/deep/__init__.py": "",
        "app/deep/three.py": "from ..six import y\n",
        "app/deep/four.py": "import app.main\n",
        "app/five.py": "",
        "app/six.py": "",
        "app/unused.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_are_followed_also_in_functions_in_circles_and_relative_ones(tree: Path) -> None:
    names = ("__init__", "deep/__init__", "deep/four", "deep/three", "five", "main", "one", "six", "two")
    assert code.closure(tree, "app.main") == tuple(f"app/{name}.py" for name in names)


def test_libraries_and_what_is_not_there_are_passed_over(tree: Path) -> None:
    assert code.closure(tree, "json", "nowhere.at.all") == ()


def test_the_second_look_finds_the_same(tree: Path) -> None:
    first = code.closure(tree, "app.main")
    code._remembered.cache_clear()
    assert code.closure(tree, "app.main") == first


def test_an_edited_file_is_looked_at_again(tree: Path) -> None:
    assert "app/unused.py" not in code.closure(tree, "app.main")
    (tree / "app/six.py").write_text("import app.unused\n")
    assert "app/unused.py" in code.closure(tree, "app.main")


def test_what_is_no_python_is_named_with_its_line(tree: Path) -> None:
    (tree / "app/six.py").write_text("\ndef f(:\n")
    with pytest.raises(SettingsError, match=r"six\.py:2: not Python"):
        code.closure(tree, "app.main")


def test_the_digest_is_of_names_and_contents(tree: Path) -> None:
    files = code.closure(tree, "app.main")
    before = code.digest(tree, files)
    assert code.digest(tree, files) == before
    (tree / "app/five.py").write_text("# A comment.\n")
    assert code.digest(tree, files) != before
    assert code.digest(tree, files[:-1]) != before


def test_settings_and_plumbing_are_not_counted() -> None:
    found = code.closure(ROOT, "weighbridge.stages.train")
    assert "weighbridge/training/fitting.py" in found
    assert not {"weighbridge/settings.py", "weighbridge/manifest.py", "weighbridge/cli.py"} & set(found)


@pytest.mark.parametrize(
    ("stage", "never"),
    [
        ("train", "weighbridge/evidence"),
        ("train", "weighbridge/registry/releases"),
        ("evaluate", "weighbridge/evidence/gates"),
        ("weigh", "weighbridge/training"),
        ("judge", "weighbridge/training"),
        ("draw", "weighbridge/registry"),
        ("preprocess", "weighbridge/training"),
    ],
)
def test_a_stage_does_not_hang_on_what_is_no_business_of_its(stage: str, never: str) -> None:
    found = code.closure(ROOT, f"weighbridge.stages.{stage}")
    inits = {name for name in found if name.endswith("__init__.py")}
    assert [name for name in found if name.startswith(never) and name not in inits] == []
