"""Raw columns to model inputs: the same numbers in scikit-learn and in the ONNX graph.

Numbers come first, filled with the training median and scaled; then text columns, each as one column a value, or as
one column of positions; then arrays, row-major and unscaled. A missing text (the empty string) is a value of its
own; a value not seen in training is all zeros, or the position -1. All of it computes in float32, so that the
exported graph gives the very same bits: a tree that splits between two neighbouring floats then decides alike in both.
"""

import copy
from typing import Any

from weighbridge.data.schema import Schema
from weighbridge.errors import ModelError

UNSEEN_POSITION = -1.0
ONE_HOT_LIMIT = 5000
"""Most columns that one-hot encoding may make; more would fill the memory unasked."""

_ARRAY = "array"


def preprocessing(schema: Schema, strings: str) -> Any:
    """Return an unfitted ``ColumnTransformer`` from *schema*'s features to float32 columns.

    Args:
        schema: the table's schema.
        strings: ``"one_hot"`` or ``"ordinal"``, as a candidate says.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    from weighbridge.training.arrays import Unrolled  # imports scikit-learn

    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    numbers = Pipeline([("fill", fill), ("scale", StandardScaler())])
    branches = [("numbers", numbers, schema.numbers), ("strings", _encoder(strings), schema.strings)]
    # by number: a column's own name may hold what scikit-learn keeps for itself
    branches += [
        (f"{_ARRAY}{i}", Unrolled(schema.features[name].shape), [name]) for i, name in enumerate(schema.arrays)
    ]
    return ColumnTransformer([branch for branch in branches if branch[2]], sparse_threshold=0)


def _encoder(strings: str) -> Any:
    import numpy as np
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    if strings == "one_hot":
        return OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    # An unseen value must become NaN first: the converter to ONNX casts other positions in between to integers.
    positions = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, dtype=np.float32)
    unseen = SimpleImputer(strategy="constant", fill_value=UNSEEN_POSITION)
    return Pipeline([("positions", positions), ("unseen", unseen)])


def columns(transformer: Any) -> tuple[list[str], list[str]]:
    """Return the names of a ``ColumnTransformer``'s numeric and text columns."""
    by_name = {name: list(names) for name, _, names in transformer.transformers}
    return by_name.get("numbers", []), by_name.get("strings", [])


def arrays(transformer: Any) -> dict[str, tuple[int, ...]]:
    """Return the shape of each of a ``ColumnTransformer``'s array columns, by name."""
    return {names[0]: tuple(part.shape) for name, part, names in transformer.transformers if name.startswith(_ARRAY)}


def without_arrays(transformer: Any) -> Any:
    """Return a fitted ``ColumnTransformer`` that lacks the array columns of *transformer*; ``None`` for no others."""
    table = copy.copy(transformer)
    table.transformers = [branch for branch in transformer.transformers if not branch[0].startswith(_ARRAY)]
    table.transformers_ = [branch for branch in transformer.transformers_ if not branch[0].startswith(_ARRAY)]
    return table if table.transformers else None


def served(transformer: Any, frame: Any) -> Any:
    """Return the transformer's columns of *frame* as they are served.

    That is float32, text with ``""`` for missing, and arrays as they are, one a row.
    """
    import pandas as pd

    numbers, strings = columns(transformer)
    parts = {name: frame[name].astype("float32") for name in numbers}
    # as objects, since scikit-learn turns pandas' own strings into objects anyway, and more slowly
    parts |= {name: frame[name].astype(object).where(frame[name].notna(), "") for name in strings}
    parts |= {name: frame[name] for name in arrays(transformer)}
    return pd.DataFrame(parts, index=frame.index)


def fit_transform(transformer: Any, frame: Any) -> Any:
    """Fit *transformer* on *frame* and return the model inputs, float32 of shape (rows, columns).

    Raises:
        ModelError: where one-hot encoding would make more than :data:`ONE_HOT_LIMIT` columns.
    """
    table = served(transformer, frame)
    _check_width(transformer, table)
    return _matrix(transformer.fit_transform(table))


def transform(transformer: Any, frame: Any) -> Any:
    """Return the model inputs for *frame*, float32 of shape (rows, columns)."""
    return _matrix(transformer.transform(served(transformer, frame)))


def _matrix(values: Any) -> Any:
    import numpy as np

    return np.ascontiguousarray(values, dtype=np.float32)


def _check_width(transformer: Any, table: Any) -> None:
    from sklearn.preprocessing import OneHotEncoder

    if not any(isinstance(part, OneHotEncoder) for _, part, _ in transformer.transformers):
        return
    widths = {name: int(table[name].nunique()) for name in columns(transformer)[1]}
    if sum(widths.values()) > ONE_HOT_LIMIT:
        widest = max(widths, key=lambda name: widths[name])
        raise ModelError(
            f"strings: one_hot would make {sum(widths.values())} columns, more than {ONE_HOT_LIMIT}; "
            f"{widest!r} alone has {widths[widest]} values: say strings: ordinal, or leave that column out"
        )


def width(transformer: Any) -> int:
    """Return how many columns a fitted transformer makes."""
    return len(transformer.get_feature_names_out())
