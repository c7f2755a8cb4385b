"""The gates: what a release must prove, and whether it has.

``config/gates.yaml`` names the gates, :mod:`weighbridge.settings` says what each kind holds, and here each kind has a
module that judges it. Statistics are one-sided at the gate's confidence: a gate passes where a bound reaches its
limit, fails where the whole interval lies beyond, and is inconclusive in between, with the number of rows that would
be enough. What can't be measured, or isn't a finite number, never passes.

==================  ==========================================================================================
``pass``            proven
``fail``            proven not to hold, or not a number
``inconclusive``    these rows can't tell; blocks the release as a fail does, or asks for an approval
``not applicable``  nothing to compare with (a first release), for the reason that is given
``at release``      known only when the release is made, which finishes it
``needs approval``  of an ``approval`` gate at release: a person's word is missing
==================  ==========================================================================================

The way through: :func:`check` refuses settings that could never be judged, before any job runs; :func:`judge` applies
all gates to the :class:`Evidence`; :func:`self_test` applies them to models that were damaged on purpose, each of
which must be refused; :func:`loosened` and :func:`needs_approval` say what a person has to decide; :func:`verdict` is
the outcome. The release finishes ``complete``, ``clean``, ``documents`` and ``approval``.

=================  ==================================================================================
``absolute``       a metric against a limit
``change``         a metric against the last release: not worse, better, or equivalent
``slices``         the same in every part of the rows, and the gap between parts
``calibration``    probabilities, or the bias of numbers
``churn``          what was right and is wrong now, decisions that changed, critical cases
``budget``         costs of serving and training
``data``           what the dataset's page claims, and drift
``golden``         the bundle in a bare process; ``parity`` with the native model beside it
``documents``      the card
``approval``       a person's word
``complete``       the manifest; ``clean`` the work tree
=================  ==================================================================================

Only what is light is imported here: the plan calls :func:`check` at each start of Snakemake.
"""

from weighbridge import settings
from weighbridge.evidence.gates.approval import approval_gate, needs_approval
from weighbridge.evidence.gates.checks import check, columns
from weighbridge.evidence.gates.documents import documents_gate
from weighbridge.evidence.gates.evidence import Evidence
from weighbridge.evidence.gates.finished import clean_gate, complete_gate
from weighbridge.evidence.gates.loosening import loosened, loosened_beside
from weighbridge.evidence.gates.results import (
    AT_RELEASE,
    FAIL,
    HEADER,
    INCONCLUSIVE,
    NEEDS_APPROVAL,
    NOT_APPLICABLE,
    PASS,
    table,
    verdict,
)
from weighbridge.manifest import GateResult, SelfTest

__all__ = [
    "AT_RELEASE",
    "FAIL",
    "HEADER",
    "INCONCLUSIVE",
    "NEEDS_APPROVAL",
    "NOT_APPLICABLE",
    "PASS",
    "Evidence",
    "approval_gate",
    "check",
    "clean_gate",
    "columns",
    "complete_gate",
    "documents_gate",
    "judge",
    "loosened",
    "loosened_beside",
    "needs_approval",
    "self_test",
    "self_test_gate",
    "table",
    "verdict",
]


def judge(gate_file: settings.GateFile, evidence: Evidence) -> tuple[GateResult, ...]:
    """Return each gate's result, in the order of the file.

    ``documents``, ``approval``, ``complete`` and ``clean`` come back as ``at release``, which finishes them.

    Raises:
        DataError: where outcomes or predictions can't be measured: NaN, one class, one group.
        SettingsError: where there are no gates, or a gate names a metric, column or slice that doesn't exist.
    """
    from weighbridge.evidence.gates import judging  # here and not above: numpy

    return judging.judge(gate_file, evidence)


def self_test(gate_file: settings.GateFile, evidence: Evidence) -> tuple[SelfTest, ...]:
    """Return whether each gate that guards against a damage says no to it.

    The damages are listed in :mod:`weighbridge.evidence.gates.self_tests`.

    Raises:
        DataError: as :func:`judge`.
        SettingsError: as :func:`judge`.
    """
    from weighbridge.evidence.gates import self_tests  # here and not above: numpy

    return self_tests.run(gate_file, evidence)


def self_test_gate(tests: tuple[SelfTest, ...]) -> GateResult:
    """Return the self-test as one more result: it fails where a gate missed its damage, or none guards predictions."""
    from weighbridge.evidence.gates import self_tests  # here and not above: numpy

    return self_tests.gate(tests)
