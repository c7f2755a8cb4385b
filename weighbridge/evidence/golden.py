"""The bundle's golden samples, repeated where nothing is installed but onnxruntime.

What runs here may lean on what happens to be installed here. So the samples are fed in a fresh process whose path
holds the standard library and links to the files of onnxruntime and of what it requires, and nothing else.
"""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from weighbridge.errors import ModelError, RecordError, SetupError
from weighbridge.evidence import bare
from weighbridge.manifest import Golden

NEEDED = "onnxruntime"
_SECONDS = 120
_AGAIN = "run 'snakemake --cores all --forcerun package'"


class Samples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``golden.json``: columns of inputs, and the outputs that they gave.

    A missing number is null, an array a list, or lists of lists, of its shape.
    """

    inputs: dict[str, list[float | str | list[Any] | None]]
    outputs: dict[str, list[float | list[float]]]


def read(path: Path) -> Samples:
    """Return the golden samples at *path*.

    Raises:
        RecordError: where the file is missing, damaged, empty, or its columns aren't of one length.
    """
    try:
        samples = msgspec.json.decode(path.read_bytes(), type=Samples)
    except FileNotFoundError:
        raise RecordError(f"{path}: no such file; expected the golden samples, {_AGAIN}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise RecordError(f"{path}: not golden samples: {problem}; {_AGAIN}") from None
    lengths = {f"{name!r} {len(values)}" for part in (samples.inputs, samples.outputs) for name, values in part.items()}
    if not samples.inputs or not samples.outputs or len({text.rpartition(" ")[2] for text in lengths}) != 1:
        found = ", ".join(sorted(lengths)) or "nothing"
        raise RecordError(f"{path}: found rows: {found}; expected inputs and outputs of one length. {_AGAIN}")
    if not _rows(samples):
        raise RecordError(f"{path}: found no samples; expected at least one, {_AGAIN}")
    return samples


def repeat(onnx: Path, golden: Path) -> Golden:
    """Return how closely *onnx* repeats the samples at *golden* in a bare process.

    Raises:
        RecordError: where the samples are damaged, or aren't of this model's inputs and outputs.
        ModelError: where the model can't be run there.
        SetupError: where onnxruntime isn't installed as files that can be linked.
    """
    samples = read(golden)
    packages = closure(NEEDED)
    with tempfile.TemporaryDirectory() as folder:
        link(packages, Path(folder))
        done = run_bare(Path(folder), str(Path(bare.__file__).resolve()), str(onnx.resolve()), str(golden.resolve()))
    if done.returncode == bare.OTHER_SAMPLES:
        raise RecordError(f"{golden}: {_last(done.stderr)}; {_AGAIN}")
    if done.returncode != 0:
        raise ModelError(f"{onnx}: can't be run with nothing but {', '.join(packages)} installed: {_last(done.stderr)}")
    return Golden(
        samples=_rows(samples),
        largest_difference=float(json.loads(done.stdout)["largest_difference"]),
        packages=packages,
    )


def closure(name: str) -> dict[str, str]:
    """Return the versions of an installed distribution and of all that it requires, by name, sorted.

    What is required for an extra, or isn't installed since its marker doesn't hold here, is left out.

    Raises:
        SetupError: where *name* isn't installed.
    """
    found: dict[str, str] = {}
    wanted = [name]
    while wanted:
        one = wanted.pop()
        if one in found:
            continue
        try:
            distribution = importlib.metadata.distribution(one)
        except importlib.metadata.PackageNotFoundError:
            if one == name:
                raise SetupError(f"{name} isn't installed; install it with 'pip install {name}'") from None
            continue
        found[one] = distribution.version
        wanted += _required(distribution)
    return dict(sorted(found.items()))


def _required(distribution: importlib.metadata.Distribution) -> Iterator[str]:
    for requirement in distribution.requires or ():
        text, _, marker = requirement.partition(";")
        name = re.match(r"[A-Za-z0-9._-]+", text.strip())
        if name and not re.search(r"\bextra\s*==", marker):
            yield re.sub(r"[-_.]+", "-", name[0]).lower()


def link(packages: dict[str, str], folder: Path) -> None:
    """Link what the distributions hold into *folder*.

    A package is linked whole; one without ``__init__.py``, such as ``google``, file by file, for other distributions
    may have a share in it.

    Raises:
        SetupError: where a distribution has no list of its files.
    """
    for name in packages:
        distribution = importlib.metadata.distribution(name)
        files = distribution.files
        if not files:
            raise SetupError(f"{name}: its list of files is missing; install it again with 'pip install {name}'")
        base = Path(str(distribution.locate_file(""))).resolve()
        whole = {file.parts[0] for file in files if file.parts[1:] == ("__init__.py",)}
        apart = {file.as_posix() for file in files if file.parts[0] not in whole | {".."} and not file.is_absolute()}
        for path in sorted(whole | apart):  # leaving out scripts, which lie beside the libraries
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if (base / path).exists():
                target.symlink_to(base / path)


def run_bare(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run *script* with the standard library and what lies in *folder*, and nothing else.

    Raises:
        ModelError: where it takes more than two minutes.
    """
    code = (
        "import runpy, sys; folder, script, *sys.argv[1:] = sys.argv[1:]; "
        "sys.path.append(folder); runpy.run_path(script, run_name='__main__')"
    )
    # isolated, without site-packages, and writing nothing beside what is linked
    command = [sys.executable, "-I", "-S", "-B", "-c", code, str(folder), script, *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        return subprocess.run(  # noqa: S603 - our own code, by this interpreter
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"{script}: no answer within {_SECONDS} s in a bare process") from None


def _rows(samples: Samples) -> int:
    return len(next(iter(samples.inputs.values())))


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]
