"""A whole table made ready at once, as a peer of what the engine does batch by batch."""

from typing import Any

import pandas as pd

from weighbridge.data import problems
from weighbridge.data.canonical import canonical
from weighbridge.data.schema import Schema


def prepare(frame: Any, schema: Schema) -> tuple[pd.DataFrame, int]:
    """Return the canonical table, sorted by time and id, and the number of rows dropped for want of a target."""
    rows, dropped = canonical(frame, schema)
    found = list(problems.of_total(len(rows), dropped, schema))
    if found:
        raise problems.refusal(found)
    order = [name for name in (schema.time, schema.id) if name is not None]
    return rows.sort_values(order, ignore_index=True), dropped
