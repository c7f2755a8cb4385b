"""What the documents name is there: pages, headings, commands and their options, make's targets, keys of the files."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import small_project
import yaml

from weighbridge import fields, plan, settings
from weighbridge.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = [path for path in small_project.files() if path.suffix == ".md" and "{" not in str(path)]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FILE = re.compile(r"\.(yaml|png|md)$").search
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

every_page = pytest.mark.parametrize("page", PAGES, ids=str)


def text(page: Path) -> str:
    """Return a page as it is."""
    return (ROOT / page).read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _FENCE.sub("", text(page))


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of code in one language."""
    return [body for found, body in _FENCE.findall(text(page)) if found == language]


def code(page: Path) -> Iterator[str]:
    """Yield all that stands in code: lines of blocks, and spans."""
    for _, body in _FENCE.findall(text(page)):
        yield from body.splitlines()
    yield from _INLINE.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """Return the names by which links reach a page's headings."""
    headings = _HEADING.findall(prose(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def keys(record: type[msgspec.Struct]) -> set[str]:
    """Return the dotted keys of a settings record, with ``<name>`` where names are one's own."""
    found = set()
    for field in msgspec.structs.fields(record):
        found.add(field.encode_name)
        named = ".<name>" if "dict" in str(field.type) else ""
        for inner in fields.records_of(field.type):
            found |= {f"{field.encode_name}{named}.{key}" for key in keys(inner)}
    return found


def test_there_are_pages() -> None:
    named = {"README.md", "CHANGELOG.md", "docs/README.md", "docs/getting-started.md", "docs/concepts.md"}
    assert named <= {str(page) for page in PAGES}


@every_page
def test_each_link_leads_somewhere(page: Path) -> None:
    missing = []
    for link in _LINK.findall(prose(page)):
        place, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = page if not place else Path(re.sub(r"[^/]+/\.\./", "", str(page.parent / place)))
        if not (ROOT / target).exists() or (anchor and anchor not in anchors(target)):
            missing.append(link)
    assert not missing


@every_page
def test_each_command_and_option_exists(page: Path) -> None:
    for line in code(page):
        for name, rest in re.findall(r"\bweighbridge ([a-z][a-z-]*)\b([^`|#:]*)", line):
            assert name in main.commands, line
            known = {option for one in main.commands[name].params for option in [*one.opts, *one.secondary_opts]}
            named = set(re.findall(r"(?<!\S)--[a-z][a-z-]*", rest))
            assert named <= known | {"--help"}, line


@every_page
def test_each_target_of_make_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for line in code(page):
        assert set(re.findall(r"(?:^|\$ |; )make ([a-z]+)", line)) <= targets, line


@every_page
def test_each_key_of_the_configuration_exists(page: Path) -> None:
    known = keys(settings.Config) | keys(settings.GateFile)
    sections = {key for key in known if "." not in key}
    for span in _INLINE.findall(prose(page)):
        if re.fullmatch(r"[a-z_]+(\.(<name>|[a-z_]+))+", span) and span.split(".")[0] in sections and not _FILE(span):
            assert span in known | {f"{key}.<name>" for key in sections} | {key.rpartition(".")[0] for key in known}, (
                span
            )


@every_page
def test_each_piece_of_configuration_is_accepted(page: Path) -> None:
    """Laid over the project's own files, as Snakemake does it with an overlay."""
    for block in blocks(page, "yaml"):
        plan.load(ROOT, yaml.safe_load(block))


@every_page
def test_python_in_a_page_can_be_read(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, str(page), "exec")


def test_guards_say_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n[gone](gone.md) `weighbridge weight` `release.pull` `make tea`\n", encoding="utf-8")
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "Makefile").write_text("run:\n", encoding="utf-8")
    for guard in (
        test_each_link_leads_somewhere,
        test_each_command_and_option_exists,
        test_each_target_of_make_exists,
        test_each_key_of_the_configuration_exists,
    ):
        with pytest.raises(AssertionError):
            guard(Path("page.md"))
