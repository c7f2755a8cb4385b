"""Two more examples, which take longer: one whose classes change, and one of many rows."""

import pytest
from example_projects import assert_as_in_readme, begin, blocks, released, type_in
from small_project import Project

pytestmark = pytest.mark.slow


def test_a_class_that_comes_later_is_a_major_change_that_somebody_else_approves(new: Project) -> None:
    begin(new, "sensors")
    assert_as_in_readme("sensors", released(new))
    for key, value in (("user.name", "Grace Hopper"), ("user.email", "grace@example.org")):
        new.git("config", key, value)
    grow, approve, again = blocks("sensors")[1:]
    type_in(new, *grow[:-1])
    refused = new.attempt("bash", "-c", grow[-1])
    assert refused.code != 0, refused.text
    assert "Traceback" not in refused.text
    assert "overheated" in refused.text
    assert "no release: the verdict is needs approval" in refused.text
    ada = {"NAME": "Ada Lovelace", "EMAIL": "ada@example.org"}
    type_in(new, *approve, **{f"GIT_{role}_{key}": ada[key] for role in ("AUTHOR", "COMMITTER") for key in ada})
    type_in(new, *again)
    made = released(new, "2.0.0")
    assert made.data.labels == ("idle", "running", "jammed", "overheated")


def test_the_flights_recipe_comes_to_the_figures_in_its_page(new: Project) -> None:
    begin(new, "flights_recipe")
    made = released(new)
    assert_as_in_readme("flights_recipe", made)
    auc = made.performance.test.metrics["roc_auc"]
    assert auc.low <= 0.764 <= auc.high, "the published figure, on another quarter of the flights"
