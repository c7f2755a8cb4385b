"""A job is put back into its queue only where the next start comes further; who said otherwise is obeyed."""

import signal

import pytest

from weighbridge import requeueing
from weighbridge.cluster import Phase, State
from weighbridge.registry.attempts import Cancelled

BEFORE = State(job="7", phase=Phase.RUNNING, said="RUNNING", restarts=1)


def now(said: str, phase: Phase = Phase.RUNNING, **more: object) -> State:
    return State(job="7", phase=phase, said=said, **{"restarts": 1} | more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (now("PENDING", Phase.WAITING), "Slurm has put job 7 back into its queue"),
        (now("COMPLETING", restarts=2), "Slurm has put job 7 back into its queue"),
        (now("COMPLETING"), ""),
        (now("CANCELLED", Phase.ENDED), ""),
        (now("", Phase.UNKNOWN), ""),
        (now("RUNNING"), ""),
        (now("RUNNING", limit_seconds=3600, ran_seconds=60), ""),
        (now("RUNNING", limit_seconds=3600, ran_seconds=3500), "the time limit of 60 min is over before anything"),
        (now("COMPLETING", reason="TimeLimit", limit_seconds=600), "the time limit of 10 min is over before anything"),
        (now("COMPLETING", reason="TimeLimit"), "the time limit is over before anything could be saved; raise runtime"),
    ],
    ids=lambda value: "" if isinstance(value, str) else value.said + value.reason + str(value.ran_seconds or ""),
)
def test_where_nothing_was_saved_it_says_what_was_done_by_others(state: State, words: str) -> None:
    found = requeueing._then(BEFORE, state, saved=False)
    assert found.startswith(words)
    assert bool(found) == bool(words)


def test_what_is_cancelled_stays_cancelled_though_it_is_saved() -> None:
    assert requeueing._then(BEFORE, now("COMPLETING"), saved=True) == ""


def test_outside_of_slurm_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Cancelled) as caught, requeueing.heeded():
        raise Cancelled(signal.SIGTERM)
    assert caught.value.then == ""


def test_a_slurm_that_does_not_answer_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Cancelled) as caught, requeueing.heeded():
        raise Cancelled(signal.SIGTERM)
    assert (caught.value.code, caught.value.then) == (143, "")
