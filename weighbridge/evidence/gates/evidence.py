"""What gates are judged on."""

import dataclasses
from typing import TYPE_CHECKING

from weighbridge.manifest import DataSection, Manifest, Packaged, Weighing
from weighbridge.settings import Cost

if TYPE_CHECKING:  # numpy, which the plan must not load at each start of Snakemake
    from weighbridge.evidence.rows import Rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """What gates are judged on.

    Attributes:
        rows: the test rows with the predictions of both models; metrics are measured from these.
        weighing: what was measured where the bundle ran: serving, golden samples, cases, drift.
        packaged: the bundle, its noise floor and what the trainings took.
        data: the dataset's page.
        cost: what machines cost.
        resamples: bootstrap resamples behind a bound.
        previous: manifest of the last release; ``None`` before the first, or where it isn't at hand.
    """

    rows: "Rows"
    weighing: Weighing
    packaged: Packaged
    data: DataSection
    cost: Cost
    resamples: int
    previous: Manifest | None = None
