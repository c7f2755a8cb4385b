"""A small project in a folder of its own: this repository's files with quick data, and real Git, DVC and Snakemake."""

import dataclasses
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
SECRET = "kept/In+the.Environment-only"  # noqa: S105 - made up
"""The value of a secret variable that each command here is given; it may turn up nowhere."""
_OWN_FILES = REPOSITORY / "tests"
_LEFT_OUT = re.compile(r"(tests|benchmarks|docs/reference|schemas|runs)/|(data|models)/.*\.(dvc|yaml|md|csv)$")
_OUTSIDE = re.compile(r"GIT_|DVC_|XDG_|SNAKEMAKE_|PYTHON|EMAIL$")
_COMMAND = re.compile(
    r"^Shell command: (?:exec )?weighbridge (\w+)(?:.* --candidate '?([\w-]+)'? --seed '?(\d+)'?)?", re.MULTILINE
)
# Each process begins as a copy of one that has imported Snakemake, which is most of a dry run's cost.
_SNAKEMAKE = multiprocessing.get_context("forkserver")
_SNAKEMAKE.set_forkserver_preload(["snakemake.cli"])


def _run_here(root: Path, arguments: list[str], env: dict[str, str], output: Path) -> None:
    """Run Snakemake in this process, with all that it prints going to a file."""
    os.chdir(root)
    os.environ.clear()
    os.environ.update(env)
    with output.open("w", encoding="utf-8") as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
    from snakemake.cli import main

    main(arguments)


@dataclasses.dataclass(frozen=True)
class Done:
    """What a command came to: its exit code, and what it printed on both streams."""

    code: int
    out: str
    text: str


@dataclasses.dataclass(frozen=True)
class Project:
    """The root of a project, and the commands that people type there."""

    root: Path

    def env(self) -> dict[str, str]:
        """Return an environment with an empty home."""
        home = self.root.parent / "home"
        home.mkdir(exist_ok=True)
        kept = {key: value for key, value in os.environ.items() if not _OUTSIDE.match(key)}
        return kept | {
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GIT_CONFIG_NOSYSTEM": "1",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(home / "dvc"),
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_COLOR": "1",
            "DEPLOY_TOKEN": SECRET,
        }

    def attempt(self, *command: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Done:
        """Run a command, whatever comes of it."""
        done = subprocess.run(
            command, cwd=cwd or self.root, env=self.env() | dict(env or {}), capture_output=True, text=True, check=False
        )
        return Done(done.returncode, done.stdout, done.stdout + done.stderr)

    def sh(self, *command: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
        """Run a command and return what it prints; an error fails the test."""
        done = self.attempt(*command, env=env, cwd=cwd)
        assert done.code == 0, f"{' '.join(command)}\n{done.text}{self.logs()}"
        return done.out

    def snakemake(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run the pipeline on two cores and return all that is printed."""
        done = self.attempt("snakemake", "--cores", "2", *arguments, env=env)
        assert done.code == 0, f"{done.text}{self.logs()}"
        return done.text

    def refused(self, *arguments: str) -> str:
        """Run the pipeline, which must fail without a traceback, and return what is printed."""
        done = self.attempt("snakemake", "--cores", "2", *arguments)
        assert done.code != 0, done.text
        assert "Traceback" not in done.text
        return done.text

    def planned(self, *arguments: str) -> set[str]:
        """Return what a dry run would do: ``train logistic 0``, ``package``."""
        done = self.dry_run(*arguments)
        assert done.code == 0, done.text
        return {" ".join(filter(None, found)) for found in _COMMAND.findall(done.text)}

    def dry_run(self, *arguments: str) -> Done:
        """Let Snakemake say what it would do."""
        output = self.root.parent / "dry-run.txt"
        command = ["--cores", "2", "--dry-run", "--printshellcmds", *arguments]
        process = _SNAKEMAKE.Process(target=_run_here, args=(self.root, command, self.env(), output))
        process.start()
        process.join()
        text = output.read_text(encoding="utf-8")
        return Done(process.exitcode or 0, text, text)

    def stage(
        self, stage: str, *options: str, env: Mapping[str, str] | None = None, before: Sequence[str] = ()
    ) -> Done:
        """Run one stage as its rule does; *before* is put in front of the command."""
        from weighbridge import plan  # not at the top: a dry run has to find the engine of its own checkout

        candidate = options[options.index("--candidate") + 1] if "--candidate" in options else ""
        told = plan.Plan(plan.load(self.root), self.root)
        settings = [] if stage == "draw" else ["--settings", told.settings_file(stage, candidate)]
        path = {"PYTHONPATH": str(self.root)} | dict(env or {})
        return self.attempt(*before, "weighbridge", stage, *settings, *options, env=path)

    def logs(self) -> str:
        """Return the jobs' logs that aren't empty, for the message of a failed test."""
        found = [path for path in sorted((self.root / "logs").rglob("*.log")) if path.stat().st_size]
        return "".join(f"\n--- {path.relative_to(self.root)}\n{path.read_text()}" for path in found)

    def log(self, stage: str) -> str:
        """Return one job's log."""
        return (self.root / "logs" / f"{stage}.log").read_text(encoding="utf-8")

    def read(self, path: str) -> str:
        """Return a file's text."""
        return (self.root / path).read_text(encoding="utf-8")

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace *old*, which must be there once, in a file."""
        text = self.read(path)
        assert text.count(old) == 1, f"{path}: {old!r} is there {text.count(old)} times"
        (self.root / path).write_text(text.replace(old, new), encoding="utf-8")

    def append(self, path: str, text: str) -> None:
        """Add *text* to the end of a file."""
        with (self.root / path).open("a", encoding="utf-8") as stream:
            stream.write(text)

    def git(self, *arguments: str) -> str:
        """Run ``git`` and return what it prints, without the end of line."""
        return self.sh("git", *arguments).strip()

    def commit(self, message: str) -> str:
        """Commit all that changed in tracked files, and return the commit."""
        self.git("commit", "--all", "--quiet", f"--message={message}")
        return self.git("rev-parse", "HEAD")

    def tags(self) -> list[str]:
        """Return the tags."""
        return self.git("tag", "--list").split()


def files() -> list[Path]:
    """Return this repository's files, relative to it: what Git tracks, and what isn't committed yet."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [Path(name) for name in sorted(set(done.stdout.split("\0"))) if name and (REPOSITORY / name).is_file()]


def make(root: Path, kind: str = "small") -> Project:
    """Make a project with small data, committed, that has not run yet.

    *kind* is the folder with its files: ``small``, of two classes; ``small_classes`` and ``small_numbers``.
    """
    for path in files():
        if not _LEFT_OUT.match(path.as_posix()):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / path, root / path)
    shutil.copy2(_OWN_FILES / kind / "dataset.py", root / "project" / "dataset.py")
    for name in ("config.yaml", "gates.yaml"):
        shutil.copy2(_OWN_FILES / kind / name, root / "config" / name)
    project = Project(root)
    project.edit("dvc.yaml", "  flights:\n", "  small:\n")
    project.edit("dvc.yaml", "models/flights", "models/small")
    project.edit(".dvc/config", "../.storage", "../../storage")
    (root / "models/.gitignore").write_text("/small\n/predictions.parquet\n")
    project.git("init", "--quiet", "--initial-branch=main")
    project.git("config", "user.name", "Grace Hopper")
    project.git("config", "user.email", "grace@example.org")
    fetch(project)
    project.git("add", ".")
    project.git("commit", "--quiet", "--message=Begin")
    return project


def fetch(project: Project) -> None:
    """Bring the raw files anew, and let DVC know them."""
    shutil.rmtree(project.root / "data/raw", ignore_errors=True)
    text = "from pathlib import Path; from project import dataset; dataset.fetch(Path('data/raw'))"
    project.sh(sys.executable, "-c", text, env={"PYTHONPATH": str(project.root)})
    project.sh("dvc", "add", "--quiet", "data/raw")


def copy(project: Project, folder: Path) -> Project:
    """Copy a project with its times, so that Snakemake takes it for the same."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(project.root, folder / "project", symlinks=True)
    return Project(folder / "project")


def without_network() -> tuple[str, ...]:
    """Return what to put before a command so that it sees no network; nothing where the system doesn't allow it."""
    unshare = ("unshare", "--map-root-user", "--net")
    possible = shutil.which("unshare") and subprocess.run([*unshare, "true"], check=False).returncode == 0
    return unshare if possible else ()
