import numpy as np
import pandas as pd
import pytest
from sample_rows import SCHEMA, rows, unusual

from weighbridge.data.schema import Column, Schema
from weighbridge.errors import ModelError
from weighbridge.training import prepare


def test_numbers_come_first_and_all_is_float32() -> None:
    transformer = prepare.preprocessing(SCHEMA, "ordinal")
    inputs = prepare.fit_transform(transformer, rows(200))
    assert inputs.dtype == np.float32
    assert inputs.flags.c_contiguous
    assert inputs.shape == (200, 4) == (200, prepare.width(transformer))
    assert prepare.columns(transformer) == (SCHEMA.numbers, SCHEMA.strings)


def test_a_missing_number_is_the_training_median() -> None:
    transformer = prepare.preprocessing(SCHEMA, "ordinal")
    train = rows(200)
    prepare.fit_transform(transformer, train)
    frame = train.head(2).assign(age=[np.nan, train["age"].median()])
    inputs = prepare.transform(transformer, frame)
    assert inputs[0, 1] == inputs[1, 1]


def test_missing_text_is_a_value_of_its_own_and_an_unseen_one_is_none_of_them() -> None:
    transformer = prepare.preprocessing(SCHEMA, "one_hot")
    prepare.fit_transform(transformer, rows(200))
    frame = rows(3).assign(carrier=["", None, "never seen"])
    carriers = prepare.transform(transformer, frame)[:, 2:6]
    assert carriers[:, 0].tolist() == [1, 1, 0]
    assert carriers.sum(axis=1).tolist() == [1, 1, 0]


def test_an_unseen_position_is_minus_one() -> None:
    transformer = prepare.preprocessing(SCHEMA, "ordinal")
    prepare.fit_transform(transformer, rows(200))
    assert prepare.transform(transformer, rows(2).assign(carrier=["never seen", ""]))[:, 2].tolist() == [-1, 0]


@pytest.mark.parametrize("strings", ["one_hot", "ordinal"])
def test_text_gives_the_same_inputs_as_any_dtype(strings: str) -> None:
    transformer = prepare.preprocessing(SCHEMA, strings)
    prepare.fit_transform(transformer, rows(200))
    frame = unusual()
    as_objects = frame.assign(**{name: frame[name].astype(object) for name in SCHEMA.strings})
    as_categories = frame.assign(**{name: frame[name].astype("category") for name in SCHEMA.strings})
    expected = prepare.transform(transformer, frame)
    assert np.array_equal(prepare.transform(transformer, as_objects), expected)
    assert np.array_equal(prepare.transform(transformer, as_categories), expected)
    assert np.isfinite(expected).all()


def test_a_schema_may_hold_one_type_only() -> None:
    for kind in ("numbers", "strings"):
        features = {name: SCHEMA.features[name] for name in getattr(SCHEMA, kind)}
        schema = Schema(id="id", time="time", target="late", labels=("a", "b"), features=features)
        inputs = prepare.fit_transform(prepare.preprocessing(schema, "ordinal"), rows(50))
        assert inputs.shape == (50, 2)


def test_one_hot_of_names_of_rows_is_refused() -> None:
    schema = Schema(
        id="id", time="time", target="late", labels=("a", "b"), features={"name": Column(type="string", known=1)}
    )
    frame = pd.DataFrame({"name": [f"n{i}" for i in range(prepare.ONE_HOT_LIMIT + 1)]})
    with pytest.raises(ModelError, match="'name' alone has 5001 values: say strings: ordinal"):
        prepare.fit_transform(prepare.preprocessing(schema, "one_hot"), frame)
