"""Raw columns to model inputs: the same numbers in scikit-learn and in the ONNX graph.

Numbers are filled with the training median and scaled; text columns become one column a value, or one column
of positions. A missing text (the empty string) is a value of its own; a value not seen in training is all zeros,
or the position -1. All of it computes in float32, so that the exported graph gives the very same bits: a tree
that splits between two neighbouring floats then decides alike in both.
"""

from typing import Any

from weighbridge.data.schema import Schema
from weighbridge.errors import ModelError

UNSEEN_POSITION = -1.0
ONE_HOT_LIMIT = 5000
"""Most columns that one-hot encoding may make; more would fill the memory unasked."""


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

    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    numbers = Pipeline([("fill", fill), ("scale", StandardScaler())])
    branches = [("numbers", numbers, schema.numbers), ("strings", _encoder(strings), schema.strings)]
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


def served(transformer: Any, frame: Any) -> Any:
    """Return the transformer's columns of *frame* as they are served: float32, and text with ``""`` for missing."""
    import pandas as pd

    numbers, strings = columns(transformer)
    parts = {name: frame[name].astype("float32") for name in numbers}
    # as objects, since scikit-learn turns pandas' own strings into objects anyway, and more slowly
    parts |= {name: frame[name].astype(object).where(frame[name].notna(), "") for name in strings}
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
