"""What to do about a gate that stands in the way: one sentence or two, by its kind and its verdict."""

from weighbridge.evidence.wording import UNLIKE
from weighbridge.manifest import GateResult

QUIET = ("pass", "not applicable", "at release")
"""Verdicts that don't stand in the way."""

_FAILED = {
    "absolute": "Make the model better, or ask whether the limit is what the use needs. A loosened limit asks for an "
    "approval.",
    "change": "The last release is better on these rows. Keep it, or find what was lost: compare data, settings and "
    "slices with it.",
    "slices": "Look at the slices that fail in the table of its parts: what is new or missing in their training rows?",
    "calibration": "Calibrate the probabilities on validation rows, or train with a loss that asks for them.",
    "churn": "Look at the rows that were right before, and at the cases among its parts. Train nearer to the last "
    "release, or average several seeds.",
    "budget": "Take a smaller model or fewer inputs; results/figures/gates.png shows by how much it is over.",
    "data": "Mend the rows, or the schema where it is the claim that is wrong; results/dataset.md shows what was "
    "found.",
    "golden": "The files that ship don't repeat their own answers. Run 'snakemake --cores all --forcerun package', "
    "and look at the versions of onnxruntime.",
    "documents": "Fill the sections under card in config/config.yaml, and set card.reviewed to the day on which you "
    "looked through them.",
    "approval": "Let another person run weighbridge approve.",
    "parity": "The exported graph isn't the model that was trained. Look at the columns with rare values, and at the "
    "versions in requirements.lock.",
    "complete": "Fill the fields that are named.",
    "self_test": "A gate that lets a broken model through guards nothing: tighten it, or drop it and say so.",
    "clean": "Commit or restore the files that are named.",
}
_FAILED_RULES = {
    "training_": "Train fewer candidates or seeds, or smaller models.",
    "bias is": "The numbers are off on average: compare the target and the weights of training rows with these rows.",
}
_UNDECIDED = {
    "budget": "Measure again on a quieter machine: 'snakemake --cores all --forcerun weigh'.",
    "golden": "The samples could not be run in a bare process; the reason says what is missing there.",
    "data": "What it is compared with isn't there; the reason says what is missing.",
    "parity": "Nothing was compared; run 'snakemake --cores all --forcerun package'.",
    "approval": "Let another person run weighbridge approve.",
}
_WIDER = "A wider margin settles it as well, where the use allows it, and asks for an approval."
_OF_OTHERS = (
    "The last release predicts something else, which no number of rows changes. Take the gate out of config/gates.yaml "
    "for this release, or give it inconclusive: approve. Either way a person has to run weighbridge approve, where the "
    "approval gate asks for it another one than the author. The next release compares again."
)
_OUT_OF_REACH = "No number of rows would settle it as it looks: it takes another model, or another limit."


def stands_in_the_way(result: GateResult) -> bool:
    """Return whether a gate holds the release back."""
    return result.verdict not in QUIET


def advice(result: GateResult) -> str:
    """Return what to do about *result*; empty where it doesn't stand in the way."""
    if not stands_in_the_way(result):
        return ""
    if result.verdict != "inconclusive":
        by_rule = (words for beginning, words in _FAILED_RULES.items() if result.rule.startswith(beginning))
        return next(by_rule, _FAILED.get(result.kind, ""))
    if UNLIKE in result.reason:
        return _OF_OTHERS
    if result.kind in _UNDECIDED:
        return _UNDECIDED[result.kind]
    if result.low is None or result.high is None:
        return "Nothing could be compared; the reason says why. A comparison that can't be made is not a pass."
    needed = more_rows(result)
    return f"These rows can't tell. {needed}. {_WIDER}" if needed else f"These rows can't tell. {_OUT_OF_REACH}"


def more_rows(result: GateResult) -> str:
    """Return how many rows would settle an inconclusive gate, beside how many there are; empty where unknown."""
    if result.rows_needed is None:
        return ""
    there = f", {result.rows:,} are there" if result.rows is not None else ""
    return f"About {result.rows_needed:,} rows would settle it four times in five{there}"
