"""What cookiecutter makes of the template, in each way that it may be called; and the answers that it refuses."""

import json
import re
import shutil
import string
import sys
import tomllib
from pathlib import Path

import baking
import msgspec
import pytest
import small_project
from hypothesis import given
from hypothesis import strategies as st
from small_project import REPOSITORY, Project

from hooks import answers
from weighbridge import documents, dvc_file, plan
from weighbridge.registry import git
from weighbridge.settings import Name

# What stays here: the template's own development, and what is made anew for each project.
TEMPLATE_ONLY = (
    ".ci/", "CHANGELOG.md", "CONTRIBUTING.md", "README.md", "benchmarks/", "cookiecutter.json", "hooks/",
    "models/", "tests/", "{{cookiecutter.project_slug}}/",
)  # fmt: skip
_LINK = re.compile(r"\]\(([^)\s#]+)[^)\s]*\)")
SOUND = {"project_slug": "a", "project": "A", "owner": "A <a@b>"}


def test_each_file_is_shared_or_the_templates_own() -> None:
    names = map(str, small_project.files())
    undecided = [name for name in names if not baking.is_shared(name) and not name.startswith(TEMPLATE_ONLY)]
    assert undecided == [], "say in cookiecutter.json (_shared) or in TEMPLATE_ONLY here where these go"


def test_each_entry_of_the_lists_is_there() -> None:
    listed = [*baking.settings()["_shared"], *baking.settings()["_engine"], *TEMPLATE_ONLY]
    assert [name for name in listed if not (REPOSITORY / name).exists()] == []
    assert {*baking.settings()["_engine"]} <= {*baking.settings()["_shared"]}


def test_shared_files_arrive_unchanged_and_nothing_else_does(template: Project, baked: Project) -> None:
    there, given_ = baking.contents(baked.root), baking.contents(template.root)
    shared = {name for name in given_ if baking.is_shared(name)}
    assert {*there} == shared | baking.RENDERED | baking.MADE_BY_THE_HOOK
    assert [name for name in sorted(shared) if there[name] != given_[name]] == sorted(baking.RENAMED)


def test_no_placeholder_is_left(baked: Project) -> None:
    for path in baked.root.rglob("*"):
        assert "cookiecutter" not in path.name
        if path.is_file() and path.name != ".cruft.json":
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not re.search(r"\{\{ ?cookiecutter", text), path


def test_each_link_of_its_pages_leads_somewhere(baked: Project) -> None:
    pages = {page: page.read_text(encoding="utf-8") for page in sorted(baked.root.rglob("*.md"))}
    missing = [
        f"{page.relative_to(baked.root)}: {link}"
        for page, text in pages.items()
        for link in _LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        if "://" not in link and not (page.parent / link).exists()
    ]
    assert missing == []


def test_what_an_update_leaves_alone_is_what_a_user_edits() -> None:
    skipped = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["cruft"]["skip"]
    assert {*skipped} == {"README.md", "config", "data", "models", "project", "runs"}
    assert not {*skipped} & {*baking.settings()["_engine"]}


@pytest.mark.parametrize("name", ["larder", "no", "0x1f", "1_000", "2024-01-01", "null", "a" * 64])
def test_configuration_and_dvc_yaml_say_what_was_answered(name: str, template: Project, elsewhere: Path) -> None:
    made = baking.bake(elsewhere, str(template.root), project_slug=name, project="Ünï, 'so': #1 ☂", owner="Ø <ø@b.c>")
    config = plan.load(made.root).config
    assert (config.name, config.card.project, config.card.owner) == (name, "Ünï, 'so': #1 ☂", "Ø <ø@b.c>")
    assert dvc_file.stale(made.root, config) is None
    assert made.read("models/.gitignore").splitlines()[0] == f"/{name}"
    assert "# Ünï, 'so': #1 ☂\n" in made.read("README.md")


def test_the_next_steps_are_said(template: Project, elsewhere: Path) -> None:
    said = baking.attempt(elsewhere, str(template.root)).out
    assert "cd larder\n" in said
    assert "make run" in said
    assert "larder@v1.0.0" in said


class TestWaysToStart:
    """Each makes the same project; only the note of where it came from differs."""

    def same(self, made: Project, baked: Project) -> None:
        found, expected = baking.contents(made.root), baking.contents(baked.root)
        assert {name for name in found | expected if found.get(name) != expected.get(name)} <= {".cruft.json"}

    def note(self, made: Project) -> dict[str, str]:
        found: dict[str, str] = json.loads(made.read(".cruft.json"))
        return found

    def test_by_path(self, template: Project, baked: Project) -> None:
        note = self.note(baked)
        assert (note["template"], note["commit"]) == (str(template.root), template.git("rev-parse", "HEAD"))

    def test_by_relative_path(self, template: Project, baked: Project, tmp_path: Path) -> None:
        shutil.copytree(template.root, tmp_path / "weighbridge")
        made = baking.bake(tmp_path / "here", "../weighbridge")
        self.same(made, baked)
        assert self.note(made)["template"] == str(tmp_path / "weighbridge")

    def test_in_the_templates_own_folder(self, template: Project, baked: Project, tmp_path: Path) -> None:
        shutil.copytree(template.root, tmp_path / "weighbridge")
        made = baking.bake(tmp_path / "weighbridge", ".")
        self.same(made, baked)
        assert Project(tmp_path / "weighbridge").git("status", "--porcelain") == "?? larder/"

    def test_by_address_and_by_tag(self, template: Project, baked: Project, tmp_path: Path) -> None:
        bare = Project(tmp_path / "bare.git")
        template.git("clone", "--quiet", "--bare", str(template.root), str(bare.root))
        first = template.git("rev-parse", "HEAD")
        bare.git("tag", "v0.1.0")
        clone = Project(tmp_path / "clone")
        template.git("clone", "--quiet", str(bare.root), str(clone.root))
        clone.append("docs/README.md", "More.\n")
        clone.git("-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "--all", "--message=More")
        clone.git("push", "--quiet", "origin", "main")
        newest = baking.bake(tmp_path / "newest", f"file://{bare.root}")
        assert newest.read("docs/README.md").endswith("More.\n")
        assert self.note(newest)["template"] == f"file://{bare.root}"
        tagged = baking.bake(tmp_path / "tagged", f"file://{bare.root}", "--checkout", "v0.1.0")
        self.same(tagged, baked)
        note = self.note(tagged)
        assert (note["template"], note["commit"], note["checkout"]) == (f"file://{bare.root}", first, "v0.1.0")

    def test_from_a_zip(self, template: Project, baked: Project, tmp_path: Path) -> None:
        template.git("archive", "--format=zip", "--prefix=weighbridge-main/", f"--output={tmp_path}/it.zip", "HEAD")
        done = baking.attempt(tmp_path / "here", str(tmp_path / "it.zip"))
        assert "cruft link ADDRESS" in done.out
        self.same(Project(tmp_path / "here/larder"), baked)
        assert not (tmp_path / "here/larder/.cruft.json").exists()

    def test_by_cruft(self, template: Project, baked: Project, tmp_path: Path) -> None:
        made = Project(tmp_path / "larder")
        template.sh(
            "cruft", "create", str(template.root), "--no-input", f"--extra-context={json.dumps(baking.ANSWERS)}",
            f"--output-dir={tmp_path}",
        )  # fmt: skip
        self.same(made, baked)
        assert self.note(made)["commit"] == self.note(baked)["commit"]

    def test_changes_that_are_not_committed_leave_no_note(self, template: Project, tmp_path: Path) -> None:
        shutil.copytree(template.root, tmp_path / "weighbridge")
        Project(tmp_path / "weighbridge").append("Makefile", "# mine\n")
        done = baking.attempt(tmp_path / "here", str(tmp_path / "weighbridge"))
        assert "changes that aren't committed, so there is no .cruft.json" in done.out
        assert not (tmp_path / "here/larder/.cruft.json").exists()

    def test_credentials_in_an_address_are_not_written_down(self, template: Project, tmp_path: Path) -> None:
        address = "https://me:hunter2@4@example.org/weighbridge.git"
        home = tmp_path / "home"
        home.mkdir()
        (home / ".gitconfig").write_text(f'[url "file://{template.root}"]\n    insteadOf = {address}\n')
        made = baking.bake(tmp_path / "here", address)
        assert self.note(made)["template"] == "https://example.org/weighbridge.git"
        assert "hunter2" not in "".join(path.read_text() for path in made.root.rglob("*.json"))


def test_cruft_takes_a_project_made_by_cookiecutter_for_its_own(baked: Project) -> None:
    assert "up to date" in baked.sh("cruft", "check")
    assert baked.sh("cruft", "diff", "--exit-code") == ""


def test_nothing_changes_outside_of_the_new_folder(template: Project, tmp_path: Path) -> None:
    shutil.copytree(template.root, tmp_path / "weighbridge")
    before = baking.contents(tmp_path)
    baking.bake(tmp_path, str(tmp_path / "weighbridge"))
    new = {name for name, digest in baking.contents(tmp_path).items() if before.get(name) != digest}
    of_cookiecutter = {"home/.cookiecutter_replay/weighbridge.json"}
    assert {name for name in new if not name.startswith("larder/")} <= of_cookiecutter


def test_two_templates_rendered_by_one_process_do_not_mix(template: Project, tmp_path: Path) -> None:
    """The second is another version, the third another template that has a module of hooks as well."""
    second, third = tmp_path / "second", tmp_path / "third"
    shutil.copytree(template.root, second)
    Project(second).append("Makefile", "# the second\n")
    (third / "hooks").mkdir(parents=True)
    (third / "{{cookiecutter.name}}").mkdir()
    (third / "cookiecutter.json").write_text('{"name": "third", "_extensions": ["hooks.shout.Shout"]}')
    (third / "hooks/shout.py").write_text(
        "from jinja2.ext import Extension\nclass Shout(Extension):\n    def __init__(self, environment):\n"
        "        super().__init__(environment)\n        environment.globals['shout'] = lambda: 'AHOY'\n"
    )
    (third / "{{cookiecutter.name}}/said.txt").write_text("{{ shout() }}")
    program = (
        "import sys\nfrom cookiecutter.main import cookiecutter\n"
        "for number, source in enumerate(sys.argv[1:]):\n"
        "    cookiecutter(source, no_input=True, output_dir=str(number))\n"
    )
    here = Project(tmp_path)
    here.sh(sys.executable, "-c", program, str(template.root), str(second), str(third), str(template.root))
    assert (tmp_path / "0/flights/Makefile").read_bytes() == (template.root / "Makefile").read_bytes()
    assert (tmp_path / "1/flights/Makefile").read_bytes() == (second / "Makefile").read_bytes()
    assert (tmp_path / "2/third/said.txt").read_text() == "AHOY"
    assert (tmp_path / "3/flights/Makefile").read_bytes() == (template.root / "Makefile").read_bytes()


class TestRefusals:
    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"project_slug": ""}, "found ''; expected 1 to 64 small letters"),
            ({"project_slug": "My Model"}, "such as my-model"),
            ({"project_slug": "../../evil"}, "such as evil"),
            ({"project_slug": "x;touch y"}, "such as x-touch-y"),
            ({"project_slug": "plots"}, "plots is taken"),
            ({"project": "a\nb", "owner": "nobody"}, "expected one line without control characters"),
            ({"project": "{% raw %}{{ 7 }}{% endraw %}"}, "expected words without braces"),
            ({"owner": 'Ada "A" <ada@example.org>'}, "expected words without braces, double quotes"),
            ({"owner": "ada@example.org"}, "such as Ada Lovelace <ada@example.org>"),
        ],
    )
    def test_bad_answers_are_refused_with_words_and_nothing_is_made(
        self, wrong: dict[str, str], words: str, template: Project, elsewhere: Path
    ) -> None:
        done = baking.attempt(elsewhere, str(template.root), **wrong)
        assert done.code != 0
        assert words in done.text
        assert "Traceback" not in done.text
        assert list(elsewhere.iterdir()) == []
        assert [path.name for path in elsewhere.parent.iterdir() if path.name != "home"] == ["elsewhere"]

    def test_cruft_says_the_same_words_alone(self, template: Project, elsewhere: Path) -> None:
        elsewhere.mkdir()
        said = json.dumps(baking.ANSWERS | {"project_slug": "Our Larder"})
        done = Project(elsewhere).attempt(
            "cruft", "create", str(template.root), "--no-input", f"--extra-context={said}"
        )
        assert done.code != 0
        assert done.text.startswith("No project was made.\nname of the model: found 'Our Larder'")
        assert "Traceback" not in done.text
        assert list(elsewhere.iterdir()) == []

    def test_an_answer_that_a_replay_brings_is_refused_as_well(self, template: Project, elsewhere: Path) -> None:
        baking.bake(elsewhere, str(template.root))
        replay = elsewhere.parent / "home/.cookiecutter_replay/weighbridge.json"
        replay.write_text(replay.read_text().replace("ada@example.org", "nobody"))
        shutil.rmtree(elsewhere / "larder")
        done = Project(elsewhere).attempt("cookiecutter", "--replay", str(template.root))
        assert done.code != 0
        assert "such as Ada Lovelace <ada@example.org>" in done.text
        assert not (elsewhere / "larder").exists()

    def test_a_folder_that_exists_is_refused_and_left_alone(self, template: Project, elsewhere: Path) -> None:
        (elsewhere / "larder").mkdir(parents=True)
        (elsewhere / "larder/mine.txt").write_text("mine")
        done = baking.attempt(elsewhere, str(template.root))
        assert done.code != 0
        assert "already exists" in done.text
        assert "Traceback" not in done.text
        assert [path.name for path in (elsewhere / "larder").iterdir()] == ["mine.txt"]

    @given(st.text(alphabet=st.sampled_from("aZ0-_./ \n{é"), max_size=70) | st.text(max_size=70))
    def test_a_name_is_accepted_where_settings_accept_it(self, name: str) -> None:
        found = answers.problems(SOUND | {"project_slug": name})
        try:
            msgspec.convert(name, Name)
        except msgspec.ValidationError:
            assert found
            assert all(line.isprintable() for line in found)
        else:
            assert bool(found) == (name in {"metrics", "plots"})

    @given(st.text(max_size=40), st.sampled_from([*string.punctuation, "", " ", "\n", "\x85", "\u2028"]))
    def test_what_is_accepted_as_words_reads_back_from_yaml_and_names_an_author(self, text: str, odd: str) -> None:
        owner = f"{text}{odd} <a{odd}@b>"
        if answers.problems(SOUND | {"project": text + odd, "owner": owner}):
            return
        said = f'name: "n"\nproject: {json.dumps(text + odd, ensure_ascii=False)}\n'
        assert documents.parse(said, "config.yaml").value["project"] == text + odd
        assert re.fullmatch(r"[^<>\n]+ <[^<>@\s]+@[^<>@\s]+>", owner), "config/config.yaml asks for it"
        assert git._OWNER.fullmatch(owner)
