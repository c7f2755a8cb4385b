"""Hypothesis strategies for the records, made from their own types."""

import types
import typing
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from weighbridge import manifest

SLOW_TO_SHRINK = settings(
    deadline=None,
    # A whole manifest takes minutes to shrink; as found it says enough.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)


def of(annotation: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for any type that the manifest's records use."""
    simple = {str: TEXTS, int: INT64, float: NUMBERS, bool: st.booleans(), type(None): st.none(), Any: VALUES}
    if annotation in simple:
        return simple[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {typing.Union, types.UnionType}:
        return st.one_of(*(of(argument) for argument in arguments))
    if origin is tuple:
        return st.lists(of(arguments[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(TEXTS, of(arguments[1]), max_size=3)
    return records(annotation)


def records(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Return a strategy for the record *kind*, every field filled at random."""
    return st.builds(kind, **{field.name: of(field.type) for field in msgspec.structs.fields(kind)})


def manifests() -> st.SearchStrategy[manifest.Manifest]:
    """Return a strategy for whole manifests of this schema."""
    parts = {field.name: of(field.type) for field in msgspec.structs.fields(manifest.Manifest)}
    return st.builds(manifest.Manifest, **{**parts, "schema": st.just(manifest.SCHEMA)})
