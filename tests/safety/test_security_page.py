"""The page on security names tests that are there, and every file of this folder."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def named() -> list[tuple[str, str]]:
    return _NAMED.findall((ROOT / "docs/security.md").read_text(encoding="utf-8"))


def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_each_attack_is_tried_in_a_test_that_is_there() -> None:
    assert len(named()) > 40
    missing = [
        f"{file}::{test}" for file, test in named() if test not in (names_in(file) if (ROOT / file).is_file() else ())
    ]
    assert missing == [], "docs/security.md names tests that are gone; mend the page"


def test_each_file_of_this_folder_is_named() -> None:
    here = {path.relative_to(ROOT).as_posix() for path in Path(__file__).parent.glob("test_*.py")}
    own = Path(__file__).relative_to(ROOT).as_posix()
    assert here - {file for file, _ in named()} == {own}


def test_each_row_of_the_page_names_a_test() -> None:
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    lacking = [row for row in rows if "tests/" not in row and "tried in" not in row]
    assert lacking == []
