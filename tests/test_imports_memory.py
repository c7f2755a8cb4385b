"""What a stage's source files are, and that remembering imports changes nothing but the time."""

from pathlib import Path

from weighbridge import code, paths


def _project(root: Path, **files: str) -> Path:
    (root / "app").mkdir(parents=True, exist_ok=True)
    for name, text in {"__init__": "", **files}.items():
        (root / "app" / f"{name}.py").write_text(text, encoding="utf-8")
    return root


def test_imports_are_followed_also_inside_functions(tmp_path: Path) -> None:
    root = _project(tmp_path, a="def f():\n    from app import b\n", b="import app.c\nimport json\n", c="", d="")
    assert code.closure(root, "app.a") == ("app/__init__.py", "app/a.py", "app/b.py", "app/c.py")


def test_what_is_remembered_is_found_again_and_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    root = _project(tmp_path, a="import app.b\n", b="", c="")
    first = code.closure(root, "app.a")
    assert (root / paths.IMPORTS).is_file()
    assert code.closure(root, "app.a") == first
    _project(root, a="import app.c\n")
    assert code.closure(root, "app.a") == ("app/__init__.py", "app/a.py", "app/c.py")


def test_a_damaged_memory_is_passed_over(tmp_path: Path) -> None:
    root = _project(tmp_path, a="import app.b\n", b="")
    (root / paths.IMPORTS).parent.mkdir()
    (root / paths.IMPORTS).write_text("[", encoding="utf-8")
    assert code.closure(root, "app.a") == ("app/__init__.py", "app/a.py", "app/b.py")
