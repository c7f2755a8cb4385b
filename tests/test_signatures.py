"""What a model takes is read from its source, and unknown where the source doesn't plainly say."""

from pathlib import Path

import pytest

from weighbridge.signatures import parameters

SOURCE = """
from functools import cache
from .other import Elsewhere, moved as renamed
from sklearn.svm import SVC
import torch

def plain(a, /, b, *, c=1): ...
def any_(a, **others): ...
@cache
def decorated(a): ...
class Own(torch.nn.Module):
    def __init__(self, width, depth=2): ...
class Inherits(Own): ...
class Meta(metaclass=type):
    def __init__(self, a): ...
class New:
    def __new__(cls, *a): ...
    def __init__(self, a): ...
if True:
    def twice(a): ...
def again(a): ...
def again(b): ...
"""


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("mine.models:plain", {"b", "c"}),
        ("mine.models:Own", {"width", "depth"}),
        ("mine.models:Elsewhere", {"deep"}),
        ("mine.models:renamed", {"far"}),
        ("mine:plain", {"b", "c"}),
        *((f"mine.models:{name}", None) for name in ("any_", "decorated", "Inherits", "Meta", "New", "twice", "again")),
        ("mine.models:torch.nn.Linear", None),
        ("mine.models:missing", None),
        ("mine.broken:a", None),
        ("mine.models.deeper:a", None),
        ("nowhere.at_all:a", None),
    ],
)
def test_what_a_model_takes(tmp_path: Path, path: str, names: set[str] | None) -> None:
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("from mine.models import plain\n")
    (package / "models.py").write_text(SOURCE)
    (package / "other.py").write_text("class Elsewhere:\n    def __init__(self, deep): ...\ndef moved(far): ...\n")
    (package / "broken.py").write_text("def a(:\n")
    assert parameters(tmp_path, path) == names


def test_of_libraries_the_same_is_read_as_they_say_themselves() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    found = parameters(Path(), "sklearn.ensemble:HistGradientBoostingClassifier")
    assert found == frozenset(HistGradientBoostingClassifier().get_params())
