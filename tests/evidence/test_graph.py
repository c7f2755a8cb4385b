"""What graphs are made of, and where they run. Those of trained models: ``tests/training/test_graph_of_models.py``."""

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from small_graph import save

from weighbridge.errors import ModelError
from weighbridge.evidence import graph
from weighbridge.manifest import Graph


def plain(operators: dict[str, int], **others: int) -> Graph:
    return Graph(
        operators=operators, structure_sha256="", parameter_count=0, opsets={"ai.onnx": 18, "ir": 10, **others}
    )


def test_a_graph_of_another_maker_counts_whole(tmp_path: Path) -> None:
    first = graph.describe(save(tmp_path / "model.onnx"))
    assert first.operators["Sigmoid"] == 1
    assert sum(first.operators.values()) == 9
    assert first.opsets == {"ai.onnx": 17, "ai.onnx.ml": 3, "ir": 8}
    assert graph.describe(save(tmp_path / "model.onnx", weight=2.0)) == first


def test_operators_in_branches_and_functions_count_and_constants_do_not(tmp_path: Path) -> None:
    node, info = helper.make_node, helper.make_tensor_value_info
    three = numpy_helper.from_array(np.ones(3, np.float32), "")
    branches = [
        helper.make_graph(
            [node("Constant", [], [f"{name}c"], value=three), node(name, [f"{name}c"], [f"{name}o"])],
            name,
            [],
            [info(f"{name}o", TensorProto.FLOAT, [3])],
        )
        for name in ("Sin", "Cos")
    ]
    choose = node("If", ["x"], ["y"], then_branch=branches[0], else_branch=branches[1])
    whole = helper.make_graph([choose], "g", [info("x", TensorProto.BOOL, [])], [info("y", TensorProto.FLOAT, [3])])
    onnx.save(helper.make_model(whole, opset_imports=[helper.make_opsetid("", 18)]), tmp_path / "model.onnx")
    found = graph.describe(tmp_path / "model.onnx")
    assert found.operators == {"Cos": 1, "If": 1, "Sin": 1}
    assert found.parameter_count == 6


@pytest.mark.parametrize("content", [b"not a model", b"\xff" * 40])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.onnx: not an ONNX model"):
        graph.describe(tmp_path / "model.onnx")


COUNTS = st.dictionaries(st.sampled_from(["Gemm", "Relu", "Tanh", "Add"]), st.integers(1, 5))


@given(COUNTS, COUNTS)
def test_similarity_is_symmetric_between_0_and_1_and_1_only_for_equals(a: dict[str, int], b: dict[str, int]) -> None:
    found = graph.similarity(plain(a), plain(b))
    assert found == graph.similarity(plain(b), plain(a))
    assert 0 <= found <= 1
    assert (found == 1) == (a == b)


class TestRunsThere:
    GRAPH = plain({"Gemm": 1})

    def test_the_same_onnxruntime_has_run_it(self) -> None:
        runs, why = graph.runs_there(self.GRAPH, None, "1.31.1", "1.31.1", "m@v1.0.0")
        assert (runs, why) == (True, "it ran here, with onnxruntime 1.31.1 as m@v1.0.0 records")

    def test_no_newer_operator_set_than_before_runs_with_another_onnxruntime(self) -> None:
        older = msgspec.structs.replace(self.GRAPH, opsets={"ai.onnx": 17, "ir": 9})
        runs, why = graph.runs_there(older, self.GRAPH, "1.31.1", "1.22.0", "m@v1.0.0")
        assert runs
        assert why.startswith("onnxruntime 1.31.1 is installed, m@v1.0.0 records 1.22.0; the graph needs no")

    @pytest.mark.parametrize(
        ("needs", "says"),
        [
            ({"ai.onnx": 19}, "ai.onnx 19, not 18"),
            ({"ir": 11}, "the format 11, not 10"),
            ({"com.microsoft": 1}, "com.microsoft 1, not known there"),
        ],
    )
    def test_a_newer_one_can_not_be_told(self, needs: dict[str, int], says: str) -> None:
        runs, why = graph.runs_there(plain({}, **needs), self.GRAPH, "1.31.1", None, "m@v1.0.0")
        assert runs is None
        assert why.endswith(f"m@v1.0.0 records none, and the graph needs what m@v1.0.0 didn't: {says}")

    def test_without_the_old_graph_it_can_not_be_told(self) -> None:
        runs, why = graph.runs_there(self.GRAPH, None, "1.31.1", "1.22.0", "m@v1.0.0")
        assert runs is None
        assert why.endswith("its graph isn't at hand")
