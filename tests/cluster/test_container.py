"""The recipe of the environment, built and run; what runs inside makes the bits of what runs outside.

No registry of images is asked: the base is bootstrapped from Debian's mirror. Charliecloud builds and runs as any user.
The lock is cut down to what a training of an estimator needs; all else is the same recipe.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from small_project import REPOSITORY, Project

from weighbridge import documents, paths
from weighbridge.digest import folder_entries
from weighbridge.manifest import RunRecord

pytestmark = pytest.mark.slow(seconds=50)

RECIPE = Path("workflow/container/Containerfile")
_BESIDE = (RECIPE, RECIPE.with_name("engine.pth"))
_TOOLS = {"mmdebstrap": "mmdebstrap", "ch-image": "charliecloud", "ch-run": "charliecloud"}
_SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"  # these tools are Python of Debian's
_IN_BASE = "ca-certificates,git,make,openssh-client,python3,python3-venv"  # which the recipe then needn't fetch twice
# What `weighbridge --version` takes, and what a training of an estimator takes, which is too much for CI.
_LEAST = ("click", "msgspec", "pyyaml", "rich")
_TRAINING = (
    "click", "cryptography", "dvc", "msgspec", "numpy", "pandas", "psutil", "pyarrow", "pyyaml", "rich", "safetensors",
    "scikit-learn", "skops", "snakemake", "threadpoolctl",
)  # fmt: skip


def needed(names: tuple[str, ...]) -> set[str]:
    """Return the distributions that are installed here for these to work."""
    done: set[tuple[str, tuple[str, ...]]] = set()
    waiting: list[tuple[str, tuple[str, ...]]] = [(name, ()) for name in names]
    while waiting:
        name, extras = waiting.pop()
        if (canonicalize_name(name), extras) in done:
            continue
        done.add((canonicalize_name(name), extras))
        given = map(Requirement, importlib.metadata.requires(name) or ())
        waiting += [
            (each.name, tuple(sorted(each.extras)))
            for each in given
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras or ("",))
        ]
    return {name for name, _ in done}


def context(folder: Path, names: tuple[str, ...]) -> Path:
    """Lay out what the recipe copies: the lock, cut down to what *names* need, and what lies beside the recipe."""
    for path in _BESIDE:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / path, folder / path)
    wanted = needed(names)
    lines = (REPOSITORY / paths.LOCK).read_text().splitlines(keepends=True)
    kept = [line for line in lines if canonicalize_name(re.split(r"[=\[]", line)[0]) in wanted]
    assert len(kept) == len(wanted)
    (folder / paths.LOCK).write_text("".join(kept))
    return folder


def run(*command: str | Path, env: Mapping[str, str] | None = None, timeout: float = 900) -> str:
    """Run a command of the system's and return what it prints; an error fails the test."""
    outside = {key: value for key, value in os.environ.items() if not re.match(r"PYTHON|VIRTUAL_ENV|WEIGHBRIDGE", key)}
    done = subprocess.run(
        [*map(str, command)],
        env=outside | {"PATH": _SYSTEM, "USER": os.environ.get("USER", "root")} | dict(env or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def wheels(place: Path, into: Path) -> None:
    """Gather what the lock in *place* names, by the way that pip has here."""
    command = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps")
    run(*command, f"--requirement={place / paths.LOCK}", f"--wheel-dir={into}", env={"PATH": os.environ["PATH"]})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with ``base.tar``, a small Debian; what is built goes into it, and all of it goes at the end."""
    lacking = {package for tool, package in _TOOLS.items() if not shutil.which(tool, path=_SYSTEM)}
    if lacking and os.geteuid():
        pytest.skip(f"apt-get install {' '.join(sorted(lacking))}: needed here, and there is no right to do so")
    assert not lacking, f"apt-get install --no-install-recommends {' '.join(sorted(lacking))}"
    folder = tmp_path_factory.mktemp("shop")
    try:
        try:
            run("mmdebstrap", "--variant=minbase", f"--include={_IN_BASE}", "bookworm", folder / "base.tar")
        except AssertionError as problem:
            if re.search(r"Temporary failure resolving|Could not connect|Could not resolve|timed out", str(problem)):
                pytest.skip("Debian's mirror can't be reached from here")
            raise
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def charliecloud(shop: Path) -> dict[str, str]:
    """Charliecloud's environment; ``flights`` is the image of the recipe, from a folder of wheels and no index."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the base has Python 3.11, whose wheels this one can't gather")
    place = context(shop / "context", _LEAST if "CI" in os.environ else _TRAINING)
    wheels(place, shop / "w")
    env = {"CH_IMAGE_STORAGE": str(shop / "charliecloud")}
    run("ch-image", "import", shop / "base.tar", "base", env=env)
    arguments = {"BASE": "base", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/mnt", "IMAGE": "flights:2"}
    build = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    build += ["--no-cache", "--force", f"--bind={shop / 'w'}:/mnt", f"--file={place / RECIPE}", "--tag=flights"]
    run("ch-image", "build", *build, place, env=env)
    return env


def inside(project: Project, env: Mapping[str, str], *command: str) -> str:
    """Run a command of the image, with the project bound in and its own home."""
    options = ["--home", "--set-env", f"--bind={project.root}:/project", "--cd=/project"]
    return run("ch-run", *options, "flights", "--", *command, env={**env, "HOME": project.env()["HOME"]})


def test_the_engine_in_the_container_is_the_bound_projects_own(finished: Project, charliecloud: dict[str, str]) -> None:
    assert re.fullmatch(r"weighbridge, version \S+\n", inside(finished, charliecloud, "weighbridge", "--version"))
    where = inside(finished, charliecloud, "python", "-c", "import weighbridge; print(weighbridge.__file__)")
    assert where == "/project/weighbridge/__init__.py\n"


@pytest.mark.long
def test_a_training_in_the_container_makes_the_same_bits(finished: Project, charliecloud: dict[str, str]) -> None:
    folder = finished.root / paths.run("logistic", 0)
    before = documents.read_record(folder / "run.yaml", RunRecord)
    shutil.rmtree(folder)
    inside(finished, charliecloud, "snakemake", "--cores", "1", "--", f"{paths.run('logistic', 0)}/run.yaml")
    after = documents.read_record(folder / "run.yaml", RunRecord)
    assert after.files == before.files
    assert [one for one in folder_entries(folder) if one.path != "run.yaml"] == list(before.files)
    assert after.environment.container == "charliecloud flights:2"
    debians = inside(finished, charliecloud, "python", "-c", "import platform; print(platform.python_version())")
    assert after.environment.python == f"CPython {debians}".strip()
    assert after.training.restored_from is None
