"""Make the project: copy what it shares with the template, give it its name, say how to go on.

Runs on ``cookiecutter``, on ``cruft create``, and twice on ``cruft update``: so it has no effect outside of the folder
that it is run in. The shared files are those that Git tracks in the template, byte for byte.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

CONTEXT = json.loads(r""" {{ cookiecutter | tojson }} """)
TEMPLATE = Path(json.loads(r""" {{ template_root() | tojson }} """))
NAME = CONTEXT["project_slug"]
EXAMPLE = "flights"
JUNK = {"__pycache__", ".ipynb_checkpoints", ".DS_Store"}
IS_REPOSITORY = (TEMPLATE / ".git").exists()  # and not a zip, which may have been unpacked inside of another one
CREDENTIALS = re.compile(r"(https?://)[^/]*@")
TEMPORARY = re.compile(r"tmp[a-z0-9_]{8}")


def git(*arguments):
    """Return what Git says of the template, where it is a repository."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-C", str(TEMPLATE), "--literal-pathspecs", *arguments]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    except FileNotFoundError:
        sys.exit("git isn't installed, or not on PATH; install Git 2.30 or later")
    if done.returncode:
        sys.exit(f"git {arguments[0]} failed in {TEMPLATE}: {done.stderr.strip()}")
    return done.stdout


def shared():
    """Return the shared files: those that Git tracks; from a zip, all but junk."""
    if IS_REPOSITORY:
        return [name for name in git("ls-files", "-z", "--", *CONTEXT["_shared"]).split("\0") if name]
    found = []
    for path in (TEMPLATE / name for name in CONTEXT["_shared"]):
        found += [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    names = [path.relative_to(TEMPLATE) for path in found]
    return [name.as_posix() for name in names if not JUNK & {*name.parts}]


def copy(names):
    """Copy files from the template."""
    missing = [name for name in names if not (TEMPLATE / name).is_file()]
    if missing:
        sys.exit(f"the template lacks files that its Git tracks: {', '.join(missing)}; bring them back: git restore .")
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TEMPLATE / name, name)


def replaced(path, changes):
    """Replace in a file what each pattern finds; each has to find something, once."""
    text = Path(path).read_text(encoding="utf-8")
    for pattern, new in changes.items():
        text, count = re.subn(pattern, lambda _, new=new: new, text, flags=re.MULTILINE)
        if count != 1:
            sys.exit(f"the template's {path} has {count} lines like {pattern}; expected one. Please report this")
    with Path(path).open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)


def quoted(text):
    """Return *text* as a string of YAML, in double quotes."""
    return json.dumps(text, ensure_ascii=False)


def rename():
    """Let config/ and dvc.yaml say what was answered."""
    said = {"owner": CONTEXT["owner"], "project": CONTEXT["project"]}
    changes = {r'^name: ".*"$': f"name: {quoted(NAME)}"}
    changes.update({rf'^  {key}: ".*"$': f"  {key}: {quoted(value)}" for key, value in said.items()})
    replaced("config/config.yaml", changes)
    key = yaml.safe_dump({NAME: None}).rpartition(":")[0]  # in quotes where YAML would read it as something else
    folder = quoted(f"models/{NAME}")
    artifact = {f"{EXAMPLE}@v": f"{NAME}@v", f"^  {EXAMPLE}:$": f"  {key}:", f'"models/{EXAMPLE}"': folder}
    replaced("dvc.yaml", artifact)


def write_json(path, value):
    """Write a file that a program reads, one item a line."""
    with Path(path).open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def record(names):
    """Write down the engine's files as they came, for ``weighbridge check`` to see which were edited."""
    engine = [name for name in names if any(f"{name}/".startswith(f"{part}/") for part in CONTEXT["_engine"])]
    digests = {name: hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in sorted(engine)}
    write_json(".weighbridge.json", {"engine": digests})


def remember_template():
    """Write the note that ``cruft`` works from; return why there is none, where there can't be one.

    Cruft writes its own: one that were written here would count as a change of the template.
    """
    if "_commit" in CONTEXT:
        return ""
    if not IS_REPOSITORY:
        return "the template came without its Git history"
    changed = git("status", "--porcelain", "--untracked-files=no")
    if changed:
        return "the template has changes that aren't committed"
    by_path = CONTEXT["_template"] == CONTEXT["_repo_dir"]
    source = str(TEMPLATE) if by_path else CREDENTIALS.sub(r"\1", git("config", "--get", "remote.origin.url").strip())
    commit = git("rev-parse", "HEAD").strip()
    left_out = {"_output_dir", "_repo_dir", "_checkout"}  # paths of this machine, and what is said below
    answers = {key: value for key, value in CONTEXT.items() if key not in left_out}
    answers.update({"_template": source, "_commit": commit})
    note = {"template": source, "commit": commit, "checkout": CONTEXT.get("_checkout")}
    write_json(".cruft.json", {**note, "context": {"cookiecutter": answers}, "directory": None})
    return ""


def next_steps(without_updates):
    """Return what to do now."""
    folder = Path.cwd().name
    lines = [
        "",
        f"The project {folder} is there. It runs as it is, on the example's data:",
        "",
        f"  cd {folder}",
        f"  make run         # an environment, Git and DVC, then the first release: {NAME}@v1.0.0",
        "",
        "Then make it yours: docs/first-project.md. The template's later improvements: docs/upgrade.md.",
    ]
    if without_updates:
        lines += [f"({without_updates}, so there is no .cruft.json; 'cruft link ADDRESS' gives it one.)"]
    return "\n".join(lines)


FILES = shared()
copy(FILES)
rename()
record(FILES)
WITHOUT_UPDATES = remember_template()
if "_commit" not in CONTEXT or not TEMPORARY.fullmatch(Path.cwd().parent.name):
    # An update renders into temporary folders, where nothing comes next.
    print(next_steps(WITHOUT_UPDATES))
