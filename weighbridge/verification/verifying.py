"""All steps, in order, while the bundle is read beside them."""

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from weighbridge.errors import WeighbridgeError
from weighbridge.registry.objects import Objects
from weighbridge.registry.tags import Tag
from weighbridge.verification import commits, trust
from weighbridge.verification.steps import FAILED, Step, UnprovedError, step
from weighbridge.verification.stored import READERS, Stored
from weighbridge.verification.subject import Subject
from weighbridge.verification.trust import Trust


def verify(
    root: Path, tag: Tag, given: Trust, model_key: bytes | None = None, *, offline: bool = False
) -> Iterator[Step]:
    """Yield what comes of each step, as soon as it is known.

    Args:
        root: the project's root in a clone; nothing of its working tree is believed or run but DVC's configuration,
            which says where content lies.
        tag: the release.
        given: lists of signers from outside.
        model_key: the public key of the model's signature in PEM, from outside.
        offline: never ask DVC's remote; what the cache lacks isn't proved.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="verify-")))
        subject = Subject(root, tag, stack.enter_context(Objects(root)))
        readers = stack.enter_context(ThreadPoolExecutor(READERS))
        stored = Stored(root, folder, readers, stack, offline=offline)
        done: list[Step] = []
        for name, check in _steps(subject, stored, given, model_key, done):
            done.append(step(name, check))
            yield done[-1]


def _steps(
    subject: Subject, stored: Stored, given: Trust, model_key: bytes | None, done: list[Step]
) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield the steps, cheap ones first; what is imported for a step is imported when it comes to it.

    *done* are those that are over.
    """
    yield "tag", lambda: commits.tag(subject)
    yield "manifest", lambda: commits.manifest_of_tag(subject)
    from weighbridge.verification.contents import Contents

    files = Contents(subject, stored)
    with contextlib.suppress(Exception):  # whatever it is, the bundle's own step comes to it again, and says so
        files.begin()
    yield "signature", lambda: trust.signature(subject, given)
    yield "commit", lambda: commits.commit(subject)
    yield "code", lambda: commits.code(subject)
    yield "lock", lambda: commits.lock(subject)
    yield "settings", lambda: commits.settings(subject)
    yield "ledger", lambda: subject.once("ledger", lambda: commits.ledger_of_commit(subject))
    yield "raw data", files.raw
    yield "processed data", files.processed
    yield "predictions", files.predictions
    yield "bundle", files.bundle
    yield "no pickle", files.no_pickle
    from weighbridge.verification import consent, derived, judgement, record

    def running(check: Callable[[Subject, Contents], str]) -> str:
        if any(one.verdict == FAILED for one in done):
            raise UnprovedError("a model isn't run where something before has failed")
        return check(subject, files)

    yield "model", lambda: running(judgement.predictions)
    yield judgement.LAST_RELEASE, lambda: running(judgement.before)
    yield "metrics", lambda: judgement.metrics(subject, files)
    yield "record", lambda: record.agrees(subject, files)
    again = functools.cache(lambda: judgement.judged(subject, files))
    yield "gates", lambda: judgement.verdict(subject, files, again())
    on_record = functools.cache(lambda: judgement.by_record(subject))
    yield "version", lambda: judgement.versioned(subject, on_record())

    def best() -> judgement.Judged:
        with contextlib.suppress(UnprovedError, WeighbridgeError):  # the gates' step says why
            return again()
        return on_record()

    yield "approvals", lambda: consent.approved(subject, best(), given)
    yield "card", lambda: derived.page(subject, files)
    yield "metrics file", lambda: derived.metrics(subject)
    yield "statement", lambda: derived.verdict(subject)
    yield "provenance", lambda: derived.how_made(subject)
    yield "materials", lambda: derived.materials(subject)
    yield "model signature", lambda: derived.signed_model(subject, model_key)
