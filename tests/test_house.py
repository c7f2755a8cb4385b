"""Rules of the house that no linter knows."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
RULES = sorted((ROOT / "workflow/rules").glob("*.smk"))
SOURCES = sorted([*(ROOT / "weighbridge").rglob("*.py"), *(ROOT / "project").rglob("*.py")])
_LAYERS = (
    {
        "clock",
        "cluster",
        "errors",
        "digest",
        "documents",
        "settings",
        "manifest",
        "paths",
        "tasks",
        "fields",
        "formats",
        "machine",
        "secrets_guard",
        "importable",
        "links",
    },
    {"data", "registry", "evidence", "training"},
    {"code", "plan"},
    {"stages"},
    {"verification"},
    {"views"},
    {"reference", "cli", "__main__"},
)


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in done.stdout.split("\0") if name]


def named(source: Path) -> set[str]:
    """Return all modules, and names from modules, that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_git_holds_no_large_file() -> None:
    large = [path.name for path in tracked() if path.is_file() and path.stat().st_size > 2**20]
    assert large == [], "give large files to DVC: dvc add FILE"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_weights_can_run_code(source: Path) -> None:
    assert not named(source) & {"pickle", "joblib", "cloudpickle", "dill", "shelve", "marshal"}
    calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call)}
    assert not calls & {"torch.load", "torch.save", "eval", "exec", "os.system", "yaml.load"}
    assert "shell=True" not in source.read_text()
    # torch's collectives of objects send pickles.
    assert not {call.rpartition(".")[2] for call in calls} & {
        "gather_object",
        "all_gather_object",
        "broadcast_object_list",
    }


@pytest.mark.parametrize("rules", RULES, ids=lambda path: path.name)
def test_a_rule_is_one_quoted_call(rules: Path) -> None:
    text = rules.read_text(encoding="utf-8")
    assert not re.search(r"^\s*(run|script|notebook|wrapper):", text, re.MULTILINE)
    for block in re.findall(r"\n    shell:\n((?:        .*\n)+)", text + "\n"):
        command = "".join(ast.literal_eval(line.strip()) for line in block.splitlines())
        assert re.fullmatch(r"(exec )?weighbridge [a-z]+( --[a-z]+ \{[a-z.]+:q\})* &> \{log:q\}", command), command


@pytest.mark.parametrize("rules", RULES, ids=lambda path: path.name)
def test_a_rule_that_runs_declares_its_code_and_log(rules: Path) -> None:
    for rule in re.split(r"\nrule ", rules.read_text(encoding="utf-8"))[1:]:
        if "shell:" in rule:
            assert "code=code(" in rule
            assert "log:" in rule
            assert '"""' in rule


def test_imports_go_downwards() -> None:
    """``cli`` → stages and views → the plan → data, training, evidence, registry → the core."""
    level = {name: number for number, layer in enumerate(_LAYERS) for name in layer}
    wrong = []
    for source in sorted((ROOT / "weighbridge").rglob("*.py")):
        own = source.relative_to(ROOT / "weighbridge").parts[0].removesuffix(".py")
        for module in sorted(named(source)):
            head, _, rest = module.partition(".")
            target = rest.partition(".")[0]
            if head == "weighbridge" and target in level and own in level and level[target] > level[own]:
                wrong.append(f"{source.relative_to(ROOT)} imports {module}")
    assert wrong == []


def test_the_engine_knows_nothing_of_the_project() -> None:
    for source in sorted((ROOT / "weighbridge").rglob("*.py")):
        assert not [name for name in named(source) if name.split(".")[0] == "project"], source
        assert "nycflights" not in source.read_text(encoding="utf-8"), source


def test_conda_installs_what_the_lock_says() -> None:
    document = yaml.safe_load((ROOT / "environment.yml").read_text())
    by_pip = next(item["pip"] for item in document["dependencies"] if isinstance(item, dict))
    assert by_pip[0] == "-r requirements.lock"
    named_python = next(item for item in document["dependencies"] if str(item).startswith("python="))
    assert named_python.removeprefix("python=") in {"3.11", "3.12", "3.13"}
    names = {re.split("[=<> ]", item)[0] for item in document["dependencies"] if isinstance(item, str)}
    pinned = {line.partition("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert not (names - {"python", "pip"}) & pinned, "one place says each version"


def test_the_lock_pins_each_dependency_within_its_bounds() -> None:
    import tomllib

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = dict(line.split(";")[0].strip().split("==") for line in lines if "==" in line)
    for line in lines:
        assert re.fullmatch(r"([A-Za-z0-9._-]+==[^\s+]+( ;.*)?)?|#.*", line), "a version that no public registry has"
    for text in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(pins[canonicalize_name(wanted.name)]), text


def test_each_dependency_has_its_reason() -> None:
    import tomllib

    from packaging.requirements import Requirement

    reasons = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    missing = [text for text in project["dependencies"] if Requirement(text).name.lower() not in reasons.lower()]
    assert missing == []
