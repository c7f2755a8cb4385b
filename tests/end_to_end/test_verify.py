"""What is released can be proved in any clone; whoever changes a part of it is found out, by the part."""

import contextlib
import functools
import hashlib
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import forger
import msgspec
import pyarrow as pa
import pytest
import small_project
import ssh_keys
from forger import forge
from pyarrow import parquet
from small_project import Project

from weighbridge import paths
from weighbridge.digest import folder_entries, sha256_bytes, sha256_folder, sha256_json
from weighbridge.manifest import Approval, Manifest
from weighbridge.registry import approvals, cache, content, git, ledger, model_keys, model_signature, releases
from weighbridge.registry.objects import Objects
from weighbridge.registry.tags import Tag
from weighbridge.verification import commits, consent, judgement, record
from weighbridge.verification.contents import Contents
from weighbridge.verification.judgement import Judged
from weighbridge.verification.steps import FAILED, PROVED, UNPROVED, step
from weighbridge.verification.stored import Stored
from weighbridge.verification.subject import Subject
from weighbridge.verification.trust import Trust
from weighbridge.views import verify as view

pytestmark = pytest.mark.slow

TAG = "small@v1.0.0"
NOT_WITHOUT_KEYS = {"signature", "model signature"}
Edit = Callable[[dict[str, Any]], None]
Said = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def shared(done: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the finished project for this module."""
    return small_project.copy(done, tmp_path_factory.mktemp("verify"))


@pytest.fixture
def project(shared: Project) -> Iterator[Project]:
    """The project, whose branch and tags are put back in the end."""
    before, head = shared.git("rev-parse", f"refs/tags/{TAG}"), shared.git("rev-parse", "HEAD")
    yield shared
    shared.git("reset", "--quiet", "--hard", head)
    for tag in shared.tags():
        shared.git("tag", "--delete", tag)
    shared.git("update-ref", f"refs/tags/{TAG}", before)


def verified(project: Project, ref: str = TAG) -> Said:
    """Return verdict and words of each step."""
    *steps, report = view.run(project.root, ref, None, None)
    assert isinstance(report, view.Report)
    assert report.steps == tuple(steps)
    return {step.name: (step.verdict, step.said) for step in report.steps}


def failed(project: Project, ref: str = TAG) -> dict[str, str]:
    """Return the steps that failed, and why."""
    return {name: said for name, (verdict, said) in verified(project, ref).items() if verdict == FAILED}


def retag(project: Project, change: Callable[[str], str], target: str) -> None:
    """Write the tag anew with another message, on the commit of *target*."""
    old = project.sh("git", "cat-file", "tag", TAG)
    head, _, message = old.partition("\n\n")
    commit = project.git("rev-parse", f"{target}^{{commit}}")
    text = f"{re.sub('^object .*', f'object {commit}', head)}\n\n{change(message)}"
    made = git.run(project.root, "mktag", input=text.encode()).decode().strip()
    project.git("update-ref", f"refs/tags/{TAG}", made)


class TestAnHonestRelease:
    def test_is_proved_but_for_signatures_that_it_lacks(self, project: Project) -> None:
        found = verified(project)
        assert {name for name, (verdict, _) in found.items() if verdict != PROVED} == NOT_WITHOUT_KEYS
        assert found["signature"] == (
            UNPROVED, "not signed: the first release; give a list of signers with --signers"
        )  # fmt: skip
        assert "largest difference 0" in found["model"][1]

    def test_is_proved_again_when_its_forger_changes_nothing(self, project: Project) -> None:
        """The forger of these tests leaves no trace of its own: what fails below fails for the edit."""
        forge(project, TAG)
        assert failed(project) == {}

    def test_needs_nothing_of_the_working_tree(self, project: Project, tmp_path: Path) -> None:
        bare = tmp_path / "bare"
        project.sh("git", "clone", "--quiet", "--no-checkout", str(project.root), str(bare))
        found = verified(Project(bare), TAG)
        assert found["code"][0] == found["ledger"][0] == found["settings"][0] == PROVED
        assert found["bundle"] == (
            UNPROVED,
            f"{bare} isn't set up for DVC; run `dvc init` there, and commit what it makes",
        )


class TestATag:
    def test_that_was_renamed_is_refused(self, project: Project) -> None:
        project.git("update-ref", "refs/tags/small@v9.9.9", project.git("rev-parse", f"refs/tags/{TAG}"))
        assert "holds the object of 'small@v1.0.0': it was renamed or moved" in failed(project, "v9.9.9")["tag"]

    def test_without_an_object_is_refused(self, project: Project) -> None:
        project.git("tag", "--delete", TAG)
        project.git("tag", TAG, "HEAD")
        assert failed(project) == {
            "tag": f"{TAG} is a lightweight tag (of a commit), which says nothing; expected a release's"
        }

    def test_on_another_commit_is_refused(self, project: Project) -> None:
        retag(project, lambda text: text, project.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Nothing"))
        assert failed(project)["manifest"] == "models/small.yaml: the release commit has no such file"

    def test_made_anew_later_is_unknown_to_the_next_release(self, project: Project) -> None:
        forge(project, TAG, put("model_info", "version", value="1.0.1"))
        assert "one accepts it, and small@v1.0.1 knows of that" in verified(project)["ledger"][1]
        forge(project, TAG, put("model_info", "created", value="2024-01-01T00:00:00Z"))
        assert failed(project)["ledger"].startswith(
            f"small@v1.0.1, made later, doesn't know of the acceptance of {TAG}: one of the two was moved"
        )

    def test_whose_message_says_more_than_its_manifest_is_refused(self, project: Project) -> None:
        retag(project, lambda text: text.replace("- no release before it", "- the best model there is"), TAG)
        assert failed(project) == {"manifest": f"the message of {TAG} says otherwise than its manifest; don't trust it"}


def put(*path: str | int, value: Any) -> Edit:
    """Return an edit of the manifest: *value* at *path*."""

    def edit(found: Any) -> None:
        *parents, last = path
        for key in parents:
            found = found[key]
        assert found[last] != value
        found[last] = value

    return edit


def gate(name: str, **values: Any) -> Edit:
    def edit(found: dict[str, Any]) -> None:
        (result,) = (one for one in found["gates"]["results"] if one["name"] == name)
        result.update(values)

    return edit


def other_gates(change: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> Edit:
    def edit(found: dict[str, Any]) -> None:
        found["gates"]["results"] = change(found["gates"]["results"])

    return edit


def without(*beginnings: str) -> Edit:
    """Return an edit that leaves sources out of the manifest, by what their paths begin with, as if all were well."""

    def edit(found: dict[str, Any]) -> None:
        code = found["code"]
        code["sources"] = [one for one in code["sources"] if not one["path"].startswith(beginnings)]
        for stage in code["stages"]:
            files = [[one["path"], one["sha256"]] for one in code["sources"] if stage in one["stages"]]
            code["stages"][stage] = sha256_json(files)

    return edit


def one_source_of_no_stage(found: dict[str, Any]) -> None:
    found["code"] |= {"sources": [found["code"]["sources"][0] | {"stages": []}], "stages": {}}


def no_stage_judged(found: dict[str, Any]) -> None:
    del found["code"]["stages"]["judge"]
    for one in found["code"]["sources"]:
        one["stages"] = [stage for stage in one["stages"] if stage != "judge"]


def better_by_another_engine(found: dict[str, Any]) -> None:
    without("weighbridge/evidence/")(found)
    (source,) = (one for one in found["code"]["sources"] if one["path"] == "weighbridge/stages/weigh.py")
    source["sha256"] = "0" * 64
    put("performance", "test", "metrics", "roc_auc", "value", value=0.99)(found)


def no_sources(found: dict[str, Any]) -> None:
    found["code"]["sources"][0]["sha256"] = "0" * 64


def approved(**changes: str) -> Edit:
    """Return an edit that names an approval of this bundle, or of another."""

    def edit(found: dict[str, Any]) -> None:
        about = {
            "content_sha256": found["artifacts"]["content_sha256"],
            "gates_sha256": found["gates"]["gates_sha256"],
            "test_sha256": found["performance"]["test"]["test_sha256"],
        }
        words = {"approver": "Eve <eve@example.org>", "approves": ["all"], "reason": "", "when": "2024-01-01T00:00:00Z"}
        found["gates"]["approvals"] = [about | words | changes]

    return edit


FORGERIES: dict[str, tuple[Edit, str, str]] = {
    "another gate's value": (gate("ranks", value=0.99), "gates", "ranks.value: found 0.8"),
    "a gate left out": (other_gates(lambda results: results[:5] + results[6:]), "gates", "not on record, found"),
    "a gate more": (
        other_gates(lambda results: (*results, results[5] | {"name": "proud"})),
        "gates", "proud: on record, and no gate of the settings",
    ),
    "a verdict that is no pass": (put("gates", "verdict", value="fail"), "gates", "on record fail; only a pass"),
    "better metrics": (
        put("performance", "test", "metrics", "roc_auc", "value", value=0.95), "metrics", "metrics.roc_auc.value: fou",
    ),
    "better metrics that another engine measured": (better_by_another_engine, "metrics", "metrics.roc_auc.value: fou"),
    "a task that nobody knows": (put("performance", "test", "task", value="x"), "metrics", "found the task 'x'"),
    "the engine left out": (without("weighbridge/"), "code", "doesn't say what code ran in fetch, preprocess, train"),
    "sources of no stage": (one_source_of_no_stage, "code", "doesn't say what code ran in fetch"),
    "a stage left out": (no_stage_judged, "code", "doesn't say what code ran in judge"),
    "more rows than there are": (put("performance", "test", "rows", value=10_000), "metrics", "rows: found 761"),
    "another version": (put("lineage", "bump", value="minor"), "version", "bump: found 'first', on record 'minor'"),
    "looser limits": (
        put("parameters", "settings", "gates", "gates", "ranks", "min", value=0.1), "settings", "aren't those of",
    ),
    "other hyperparameters": (
        put("parameters", "settings", "config", "candidates", "logistic", "params", "C", value=9.0),
        "settings", "aren't those of config",
    ),
    "another commit": (put("code", "commit", value="1" * 40), "commit", "the manifest says it was made of 1111111111"),
    "uncommitted files": (put("code", "dirty_files", value=["a.py"]), "commit", "names uncommitted files: a.py"),
    "other code": (no_sources, "code", "the commit holds other code than ran"),
    "another digest of a stage": (put("code", "stages", "train", value="0" * 64), "code", "the code of train isn't"),
    "another lock": (put("environment", "lock_sha256", value="0" * 64), "lock", "the manifest says 000000000000"),
    "other raw data": (put("data", "raw", "sha256", value="0" * 64), "raw data", "don't make up the sha256 00000000"),
    "other test rows": (put("data", "splits", "test", "sha256", value="0" * 64), "processed data", "expected 00000000"),
    "another profile": (put("data", "rows", value=1), "processed data", "isn't what the manifest says of the data"),
    "another file in the bundle": (
        put("artifacts", "files", 0, "sha256", value="0" * 64), "bundle", "don't make up the bundle",
    ),
    "another bundle": (put("artifacts", "dvc", value=f"{'0' * 32}.dir"), "bundle", "the manifest says 0000000000"),
    "an approval that nobody gave": (approved(), "approvals", "eve@example.org.yaml: the commit has no such approval"),
    "an approval of another bundle": (approved(content_sha256="0" * 64), "approvals", "is of another bundle, gates or"),
    "an approval under other gates": (approved(gates_sha256="0" * 64), "approvals", "the gates changed since"),
    "an approval of no person": (approved(approver="Eve"), "approvals", "found the approver 'Eve', expected"),
    "a better headline": (
        put("model_info", "performance", "roc_auc", value=0.999), "record", "performance.roc_auc: found 0.8",
    ),
    "another licence": (put("card", "licence", value="CC0"), "record", "card.licence: found 'MIT', on record 'CC0'"),
    "another champion": (put("parameters", "candidate", value="network"), "record", "champion"),
    "no slices": (put("performance", "test", "slices", value=[]), "record", "weighing.yaml: the ledger knows of none"),
    "better validation": (
        put("performance", "selected_from", "logistic", "seeds", 0, "metrics", "roc_auc", value=0.95),
        "record", "selected_from.logistic.mean.roc_auc",
    ),
    "fresh test rows": (put("gates", "test_decisions", value=0), "record", "test_decisions: found 1, on record 0"),
    "a faster training": (put("training", "cpu_seconds", value=0.001), "record", "no training that was as the manif"),
    "another machine": (put("hardware", "cpu", value="A fast one"), "record", "no training that was as the manifest"),
    "an empty field": (put("card", "limitations", value=" "), "manifest", "the manifest lacks card.limitations"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forger_who_makes_all_digests_fit_is_found_out_by_what_can_be_made_again(name: str, project: Project) -> None:
    edit, step, words = FORGERIES[name]
    forge(project, TAG, edit)
    assert words in failed(project)[step]


class TestAnApproval:
    """That the approver committed beside the release, in a forger's words."""

    @staticmethod
    def given(project: Project, who: str, **changes: str) -> Edit:
        """Commit an approval as *who*, and return the edit that names it and that commit."""
        plain = forger.manifest_of(project, TAG)
        approved(approver=f"Somebody <{who}>", **changes)(plain)
        (approval,) = plain["gates"]["approvals"]
        project.git("reset", "--quiet", "--hard", f"{TAG}^")
        path = approvals.write(project.root, msgspec.convert(approval, Approval))
        project.git("add", "--force", str(path))
        project.git("-c", "user.name=Somebody", "-c", f"user.email={who}", "commit", "--quiet", "--message=Approve")
        head = project.git("rev-parse", "HEAD")

        def edit(found: dict[str, Any]) -> None:
            found["code"]["commit"] = head
            found["gates"]["approvals"] = [approval]

        return edit

    def test_by_another_person_counts(self, project: Project) -> None:
        forge(project, TAG, self.given(project, "mary@example.org"))
        assert verified(project)["approvals"][0] == PROVED

    def test_of_other_rows_is_refused_whatever_the_weighing_says_of_them(self, project: Project) -> None:
        edit = self.given(project, "mary@example.org", test_sha256="0" * 64)

        def with_other_rows(found: dict[str, Any]) -> None:
            edit(found)
            found["performance"]["test"]["test_sha256"] = "0" * 64

        forge(project, TAG, with_other_rows)
        found = failed(project)
        assert "the test rows changed since (sha256 000000000000 then" in found["approvals"]
        assert "test_sha256: found" in found["metrics"]

    def test_by_who_made_the_tag_is_refused(self, project: Project) -> None:
        edit = self.given(project, "releases@example.org")
        project.git("config", "user.email", "releases@example.org")
        forge(project, TAG, edit)
        assert failed(project) == {
            "approvals": "Somebody <releases@example.org> makes this release, and approved of it; "
            "expected another person"
        }

    def test_by_an_author_is_refused(self, project: Project) -> None:
        author = project.git("log", "-1", "--format=%ae", f"{TAG}^")
        forge(project, TAG, self.given(project, author))
        assert "is an author of what is released" in failed(project)["approvals"]


# What nothing else tells: words for people, and what lay around where the release was made.
THE_RELEASERS_WORD = {
    "code.branch", "code.repository", "code.dirty_sha256", "gates.results.0.reason",
    *(f"parameters.settings.config.{key}" for key in ("reuse", "release.push", "release.advance_branch")),
}  # fmt: skip


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each value; of lists, whose parts are alike, those of the first part."""
    inner = value.items() if isinstance(value, dict) else list(enumerate(value))[:1] if isinstance(value, list) else []
    if not inner:
        yield path
    for key, part in inner:
        yield from leaves(part, (*path, key))


def _part(value: Any, key: str | int) -> Any:
    return value[key]


def other(value: Any) -> list[Any]:
    """Return other values than *value*, the first of its own type."""
    if isinstance(value, bool):
        return [not value]
    return [value + "x" if isinstance(value, str) else value + 1] if isinstance(value, str | int | float) else ["x", 1]


def noticed(subject: Subject, stored: Stored, again: Judged) -> bool:
    """Return whether a step says no to the manifest; rows aside, which prove what they prove in the steps above."""
    files = Contents(subject, stored)
    checks: list[Callable[[], object]] = [
        lambda: commits.commit(subject), lambda: commits.code(subject), lambda: commits.lock(subject),
        lambda: commits.settings(subject), lambda: commits.ledger_of_commit(subject), files.raw, files.processed,
        files.bundle, lambda: record.require(record.by_settings(subject)),
        lambda: record.require(record.by_ledger(subject)),
        lambda: judgement.verdict(subject, files, again),
        lambda: judgement.versioned(subject, judgement.by_record(subject)),
        lambda: consent.approved(subject, again, Trust()),
    ]  # fmt: skip
    return any(step("", lambda check=check: str(check())).verdict != PROVED for check in checks)  # type: ignore[misc] # late


def test_each_value_of_the_manifest_that_something_else_tells_is_held_against_it(project: Project) -> None:
    plain = json.loads(json.dumps(forger.manifest_of(project, TAG)))  # lists instead of tuples
    missed = set()
    with contextlib.ExitStack() as stack:
        objects = stack.enter_context(Objects(project.root))
        readers = stack.enter_context(ThreadPoolExecutor(1))
        stored = Stored(project.root, Path("none"), readers, stack)
        honest = Subject(project.root, Tag.parse(TAG), objects)
        files = Contents(honest, stored)
        assert files.processed()
        assert files.predictions()
        again = judgement.judged(honest, files)
        assert not noticed(honest, stored, again)
        for path in leaves(plain):
            for value in other(functools.reduce(_part, path, plain)):
                changed = json.loads(json.dumps(plain))
                put(*path, value=value)(changed)
                with contextlib.suppress(msgspec.ValidationError):  # then it is no manifest at all
                    subject = Subject(project.root, Tag.parse(TAG), objects)
                    subject.once("manifest", functools.partial(msgspec.convert, changed, Manifest))
                    if not noticed(subject, stored, again):
                        missed.add(".".join(map(str, path)))
    assert missed == THE_RELEASERS_WORD


def test_neither_version_nor_approvals_wait_for_gates_that_cannot_be_judged(project: Project) -> None:
    forge(project, TAG, put("performance", "test", "task", value="x"))
    found = verified(project)
    assert found["version"][0] == found["approvals"][0] == PROVED


class TestTheReleaseCommit:
    @pytest.mark.parametrize(
        "path",
        ["project/models.py", "config/gates.yaml", "weighbridge/cli.py", "new.py", "models/plots/page.html"],
    )
    def test_may_change_nothing_but_what_a_release_makes(self, path: str, project: Project) -> None:
        forge(project, TAG, others={path: b"print('hello')\n"})
        assert failed(project) == {
            "commit": f"the release commit changes what a release doesn't make: {path}; look at each"
        }

    def test_may_hide_no_file_from_who_looks(self, project: Project) -> None:
        ignored = project.read("models/.gitignore").encode()
        forge(project, TAG, others={"models/.gitignore": ignored + b"*\n"})
        assert "changed by the release commit otherwise than DVC does (*)" in failed(project)["commit"]
        forge(project, TAG, others={"models/.gitignore": b""})
        assert "(lines are gone)" in failed(project)["commit"]

    @pytest.mark.parametrize(
        ("path", "step"),
        [
            (paths.card("small"), "card"),
            (paths.METRICS, "metrics file"),
            (paths.statement("small"), "statement"),
            (paths.provenance("small"), "provenance"),
            (paths.bill_of_materials("small"), "materials"),
        ],
    )
    def test_holds_what_the_manifest_makes(self, path: Path, step: str, project: Project) -> None:
        forge(project, TAG, others={path.as_posix(): b"{}\n"})
        assert failed(project) == {step: f"{path} isn't what the manifest makes, by the same code; don't trust it"}

    def test_made_by_another_engine_proves_nothing_where_that_writes_otherwise(self, project: Project) -> None:
        def edit(found: dict[str, Any]) -> None:
            (source,) = (one for one in found["code"]["sources"] if one["path"] == "weighbridge/evidence/card.py")
            source["sha256"] = "0" * 64

        forge(project, TAG, edit, others={paths.card("small").as_posix(): b"# A card of another time\n"})
        verdict, said = verified(project)["card"]
        assert verdict == UNPROVED
        assert "source files of release are others here, so this proves nothing" in said
        assert "never with the code of the commit that is verified" in said

    def test_holds_the_manifest_that_the_tag_names(self, project: Project) -> None:
        text = releases.blob(project.root, TAG, "models/small.yaml")
        digest = sha256_bytes(text)
        forge(project, TAG, others={"models/small.yaml": text.replace(b"Sorting of batches", b"Sorting of people ")})
        retag(project, lambda message: re.sub("(?<=manifest-sha256: )[0-9a-f]{64}", digest, message), TAG)
        assert f"the tag says {digest}" in failed(project)["manifest"]

    def test_holds_the_ledger_that_the_tag_counts(self, project: Project) -> None:
        first = project.git("ls-tree", "-r", "--name-only", TAG, "runs/").splitlines()[0]
        forge(project, TAG, others={first: None})
        assert set(failed(project)) == {"ledger"}
        forge(project, TAG, others={first: b'{"kind":"run","parents":[]}\n'})
        assert "edited or foreign" in failed(project)["ledger"]

    def test_may_lack_a_record_whose_loss_is_on_record(self, project: Project) -> None:
        when = {"when": "2026-01-31T12:00:00Z"}
        attempt = {"kind": "attempt", "status": "failed", "stage": "train", "error": "no rows"} | when
        made = [ledger.append(project.root, attempt) for _ in range(2)]
        try:
            (project.root / ledger.path_of(made[0])).unlink()
            forge(project, TAG)
            assert f"1 records are missing from the ledger, {made[0][:12]}" in failed(project)["ledger"]
            said = {"kind": "ledger", "status": "lost", "lost": made[0], "why": "the disk failed", "by": "Ada"}
            made.append(ledger.append(project.root, said | when))
            forge(project, TAG)
            assert verified(project)["ledger"][0] == PROVED
        finally:
            for digest in made:
                (project.root / ledger.path_of(digest)).unlink(missing_ok=True)


class TestContent:
    @pytest.fixture
    def objects(self, project: Project) -> Iterator[Callable[[str, bytes], None]]:
        """Replace the object of a released file in DVC's cache; it is put back in the end."""
        kept: dict[Path, bytes] = {}

        def replace(path: str, new: bytes) -> None:
            md5 = hashlib.md5((project.root / path).read_bytes(), usedforsecurity=False).hexdigest()
            file = cache.of(project.root).path(md5)
            kept[file] = file.read_bytes()
            file.chmod(0o644)
            file.write_bytes(new)

        yield replace
        for file, old in kept.items():
            file.write_bytes(old)

    @pytest.mark.parametrize(
        ("path", "step"),
        [
            ("models/small/model.onnx", "bundle"),
            ("data/raw/batches.csv", "raw data"),
            ("data/processed/test.parquet", "processed data"),
            ("models/predictions.parquet", "predictions"),
        ],
    )
    def test_that_was_replaced_under_its_md5_is_refused(
        self, path: str, step: str, project: Project, objects: Callable[[str, bytes], None]
    ) -> None:
        objects(path, (project.root / path).read_bytes() + b"\0")
        found = verified(project)
        assert {name for name, (verdict, _) in found.items() if verdict == FAILED} == {step}
        assert "expected" in found[step][1]
        assert found["model"][0] == UNPROVED, "a model isn't run where something has failed"

    def test_predictions_that_the_model_does_not_make_are_refused(
        self, project: Project, objects: Callable[[str, bytes], None]
    ) -> None:
        """A forger lays better predictions beside the model, with every digest in place."""
        file = project.root / paths.PREDICTIONS
        table = parquet.read_table(file)
        better = [
            (p + 2 * y) / 3 for p, y in zip(*(table[c].to_pylist() for c in ("probability", "target")), strict=True)
        ]
        buffer = io.BytesIO()
        place = table.schema.get_field_index("probability")
        parquet.write_table(table.set_column(place, "probability", pa.array(better)), buffer)
        objects(paths.PREDICTIONS.as_posix(), buffer.getvalue())
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        forge(project, TAG, put("performance", "test", "predictions_sha256", value=digest))
        assert {"model", "metrics", "gates"} <= set(failed(project))
        assert "model.onnx predicts otherwise than on record" in failed(project)["model"]

    def test_a_pickle_in_the_bundle_is_refused(self, project: Project, tmp_path: Path) -> None:
        bundle = shutil.copytree(project.root / "models/small", tmp_path / "bundle")
        (bundle / "README.md").write_bytes(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.")
        address = cache.of(project.root).put(bundle)
        entries = folder_entries(bundle)

        def edit(found: dict[str, Any]) -> None:
            roles = {one["path"]: one["role"] for one in found["artifacts"]["files"]}
            files = [msgspec.to_builtins(entry) | {"role": roles[entry.path]} for entry in entries]
            found["artifacts"] |= {"files": files, "dvc": address, "content_sha256": sha256_folder(entries)}

        pointer = f"outs:\n- md5: {address}\n  hash: md5\n  path: small\n".encode()
        forge(project, TAG, edit, others={"models/small.dvc": pointer})
        found = verified(project)
        assert found["bundle"][0] == PROVED
        assert found["no pickle"] == (
            FAILED, "README.md: a pickle of protocol 4; loading it may run any code, don't"
        )  # fmt: skip
        assert found["model"][0] == UNPROVED


@pytest.fixture(scope="module")
def signed(done: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a signed release: ``project``, the DVC remote beside it, a ``clone``, and ``trusted`` keys."""
    folder = tmp_path_factory.mktemp("signed")
    project = small_project.copy(done, folder)
    key = ssh_keys.make(folder / "keys", "grace")
    ssh_keys.sign_with(project.root, key)
    project.git("config", "tag.gpgSign", "true")
    (folder / "trusted").mkdir()
    (folder / "trusted/release").write_text(ssh_keys.listed("grace@example.org", key))
    model_key = folder / "keys/model.pem"
    project.sh("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(model_key))
    project.sh("openssl", "ec", "-in", str(model_key), "-pubout", "-out", str(folder / "trusted/model.pub"))
    artifacts = releases.manifest_of(project.root, TAG).artifacts
    signature = model_signature.sign("small", artifacts, model_keys.load_key(model_key))
    forge(project, TAG, others={paths.signature("small").as_posix(): signature})
    pointers = (paths.RAW_POINTER, paths.PROCESSED_POINTER, paths.PREDICTIONS_POINTER, paths.pointer("small"))
    project.edit(".dvc/config", "../../storage", str(folder / "storage"))
    content.push(project.root, [str(content.pointer_address(project.root / pointer)) for pointer in pointers])
    clone = forger.clone(project, folder / "far")
    clone.edit(".dvc/config", "../../storage", str(folder / "storage"))
    return folder


class TestASignedRelease:
    """In a fresh clone, by the command, with all keys from outside, and nothing in DVC's cache."""

    @pytest.fixture
    def clone(self, signed: Path, tmp_path: Path) -> Project:
        shutil.copytree(signed / "far", tmp_path / "far")
        return Project(tmp_path / "far/project")

    def test_is_proved_whole_without_network(self, clone: Project, signed: Path) -> None:
        keys = ("--signers", str(signed / "trusted"), "--model-key", str(signed / "trusted/model.pub"))
        done = clone.attempt(*small_project.without_network(), "weighbridge", "verify", "latest", "--strict", *keys)
        assert done.code == 0, done.text
        assert done.out.splitlines()[-1] == f"{TAG}: 26 proved"
        assert not (clone.root / ".dvc/cache").exists(), "what was fetched for this goes away with it"

    def test_runs_nothing_of_the_clone(self, clone: Project, signed: Path, tmp_path: Path) -> None:
        ran = tmp_path / "ran"
        shell, python = f"touch {ran}", f"open({str(ran)!r}, 'w')\n"
        for name in ("pandas.py", "sitecustomize.py", "json.py", "weighbridge/cli.py", "project/__init__.py"):
            (clone.root / name).write_text(python)
        (clone.root / ".gitattributes").write_text("* filter=evil diff=evil\n")
        (clone.root / "evil").write_text(f"#!/bin/sh\n{shell}\nexit 0\n")
        (clone.root / "evil").chmod(0o755)
        evil = str(clone.root / "evil")
        for key in (
            "core.fsmonitor", "core.pager", "core.sshCommand", "gpg.program", "gpg.ssh.program", "filter.evil.smudge",
            "filter.evil.process", "diff.external", "diff.evil.textconv", "alias.cat-file", "credential.helper",
        ):  # fmt: skip
            clone.git("config", key, evil)
        for key, value in (("log.showSignature", "true"), ("gpg.format", "ssh"), ("gpg.ssh.allowedSignersFile", evil)):
            clone.git("config", key, value)
        shutil.copy(evil, clone.root / ".git/hooks/reference-transaction")
        done = clone.attempt("weighbridge", "verify", "--signers", str(signed / "trusted"))
        assert done.code == 0, done.text
        assert not ran.exists()

    def test_by_somebody_else_is_refused(self, clone: Project, signed: Path) -> None:
        others = ssh_keys.make(signed / "keys", f"eve{clone.root.stat().st_ino}")
        place = clone.root.parent / "list"
        place.write_text(ssh_keys.listed("eve@example.org", others))
        done = clone.attempt("weighbridge", "verify", "--signers", str(place), "--json")
        assert done.code == 1, done.text
        (signature,) = (step for step in json.loads(done.out)["steps"] if step["name"] == "signature")
        assert signature["verdict"] == FAILED
        assert "grace@example.org" in signature["said"]

    def test_is_not_proved_by_a_list_of_its_own(self, clone: Project, signed: Path) -> None:
        shutil.copytree(signed / "trusted", clone.root / "config/signers")
        done = clone.attempt("weighbridge", "verify", "--signers", "config/signers")
        assert done.code == 2
        assert "lies in the clone that is verified, so it proves nothing" in done.text
