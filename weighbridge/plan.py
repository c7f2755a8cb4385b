"""From the configuration to what each rule is told: its settings as one string, and its source files."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from weighbridge import (
    code,
    documents,
    importable,
    links,
    overlays,
    paths,
    retired,
    search,
    secrets_guard,
    signatures,
    tasks,
)
from weighbridge.data.split_rules import split_problems
from weighbridge.digest import canonical_json, sha256_bytes
from weighbridge.errors import SettingsError, SetupError
from weighbridge.evidence import catalogue, gates
from weighbridge.registry import content
from weighbridge.root import engine, is_engines, located
from weighbridge.settings import Candidate, Churn, Config, FoldSplit, GateFile, Section, Settings

_TEMPLATE = "__use_yte__"
"""The key that makes a YAML file a program, for Snakemake."""

_TRUTH = {"true": True, "false": False}
_WRITTEN = frozenset({"approvals", "data", "logs", "models", "results", "runs"})
_STAGES_TOLD = ("fetch", "preprocess", "package", "weigh", "judge", "release")  # besides those of a candidate


def lead(folder: Path) -> None:
    """Let the jobs that this process starts find the engine in *folder* before any installed one."""
    others = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), others] if others else [str(folder)])


def load(root: Path, overlay: Mapping[str, Any] | None = None, overlay_files: Sequence[Path] = ()) -> Settings:
    """Read both files of ``config/``, lay *overlay* over them, and return the typed settings.

    *overlay* is what Snakemake made of ``--configfile`` and ``--config``; *overlay_files* are read again, strictly,
    for what Snakemake's own reader lets pass. Mappings are merged key by key, lists are replaced, and null takes a key
    out (but not below ``params``, where it is a value like others). Each candidate that is searched is replaced by the
    points of its search.

    Raises:
        SettingsError: naming file, line, key, what was found and what was expected, all problems at once.
        SetupError: where what the pipeline writes would land elsewhere, through links.
    """
    _refuse_profiles(root)
    config = documents.read(root / paths.CONFIG)
    gate_file = documents.read(root / paths.GATES)
    config, gate_file = _shown_from(root, config), _shown_from(root, gate_file)
    for file in overlay_files:
        _refuse_templates(documents.read(file))
    extra = dict(overlay or {})
    if isinstance(extra.get("reuse"), str):  # of --config, where Snakemake knows no false but False
        extra["reuse"] = _TRUTH.get(extra["reuse"], extra["reuse"])
    gate_extra = {"gates": extra.pop("gates")} if "gates" in extra else {}
    own = config
    config, gate_file = overlays.laid(config, extra), overlays.laid(gate_file, gate_extra)
    for document in (config, gate_file):
        secrets_guard.refuse(document)
    old = [*retired.problems(config), *retired.problems(gate_file)]
    if old:
        raise SettingsError("\n".join(old))
    settings = Settings(
        config=_expanded(_with_usual_metrics(documents.typed(config, Config)), config),
        gates=documents.typed(gate_file, GateFile),
        own_rules=_own_rules(own),
    )
    _check(settings, config)
    _check_parameters(root, settings.config, config)
    _check_custom_rules(settings.config, config)
    links.refuse(root, settings.config.name)
    return settings


def _own_rules(document: documents.Document) -> tuple[str, ...]:
    named = document.value.get("custom_rules") if isinstance(document.value, dict) else None
    return tuple(map(str, named)) if isinstance(named, list) else ()


def _expanded(config: Config, document: documents.Document) -> Config:
    """Put the points of each search in the place of the candidate that is searched."""
    if not config.search:
        return config
    return msgspec.structs.replace(config, candidates=search.expand(config.candidates, config.search, document))


def _with_usual_metrics(config: Config) -> Config:
    """Fill in the metrics that the configuration leaves to the task."""
    names = config.metrics.names or catalogue.USUAL[config.data.task]
    return msgspec.structs.replace(
        config,
        metrics=msgspec.structs.replace(config.metrics, names=names),
        select=msgspec.structs.replace(config.select, metric=config.select.metric or names[0]),
    )


def _refuse_templates(document: documents.Document) -> None:
    if isinstance(document.value, dict) and _TEMPLATE in document.value:
        raise SettingsError(
            f"{document.where((_TEMPLATE,))}: Snakemake has run the Python code of this file; expected plain values. "
            "Remove the key, and look through the file: it may have done anything"
        )


def _refuse_profiles(root: Path) -> None:
    """Refuse programs in the profiles that Snakemake picks up unasked; by then they have run, which is said."""
    for place in {root, engine(root)}:
        for file in sorted([*place.glob("profiles/*/*.y*ml"), *place.glob("workflow/profiles/*/*.y*ml")]):
            if re.search(rf"^\W*{_TEMPLATE}\b", file.read_text(encoding="utf-8", errors="replace"), re.MULTILINE):
                raise SettingsError(
                    f"{file.relative_to(place)}: {_TEMPLATE}: Snakemake runs the Python code of this file at each "
                    "start; expected plain values. Remove the key, and look through the file: it may have done anything"
                )


def _shown_from(root: Path, document: documents.Document) -> documents.Document:
    """Name the document relative to the project's root in messages."""
    source = Path(document.source)
    name = source.relative_to(root).as_posix() if source.is_relative_to(root) else document.source
    return msgspec.structs.replace(document, source=name)


def _check(settings: Settings, document: documents.Document) -> None:
    config = settings.config
    wrong = [
        f"{document.where(('data', 'split', key))}: {problem}" for key, problem in split_problems(config.data.split)
    ]
    if wrong:
        raise SettingsError("\n".join(wrong))
    if len(set(config.seeds)) != len(config.seeds):
        raise SettingsError(f"{document.where(('seeds',))}: found {list(config.seeds)}; expected different seeds")
    if not re.fullmatch(r"[^<>\n]+ <[^<>@\s]+@[^<>@\s]+>", config.card.owner):
        raise SettingsError(
            f"{document.where(('card', 'owner'))}: found {config.card.owner!r}; expected 'Name <name@example.org>'"
        )
    for path, named in _import_paths(config):
        refused = importable.problem(named)
        if refused:
            raise SettingsError(f"{document.where(path)}: {refused}")
    folds = isinstance(config.data.split, FoldSplit)
    gates.check(settings.gates, config.metrics, config.select, cost=config.cost, task=config.data.task, folds=folds)
    _check_cases(settings.gates)


def _import_paths(config: Config) -> Iterator[tuple[documents.Path_, str]]:
    """Yield each import path with its key."""
    data = config.data
    yield from ((("data", key), getattr(data, key)) for key in ("fetch", "load", "schema"))
    yield from ((("candidates", name, "model"), one.model) for name, one in config.candidates.items())
    yield from ((("metrics", "own", name, "function"), one.function) for name, one in config.metrics.own.items())


def _check_parameters(root: Path, config: Config, document: documents.Document) -> None:
    """Refuse parameters that a model doesn't take, as far as its source tells: else the first training would."""
    searched = search.named(config.search)
    known = {model: signatures.parameters(root, model) for model in {one.model for one in config.candidates.values()}}
    wrong: dict[str, None] = {}
    for name, candidate in config.candidates.items():
        taken = known[candidate.model]
        for key in candidate.params:
            if taken is not None and key not in taken:
                base, point = searched.get(name, (name, {}))
                section = "search" if key in point.get("params", {}) else "candidates"
                where = document.where((section, base, "params", key))
                wrong[f"{where}: {candidate.model!r} takes no parameter {key!r}; {documents.nearest(key, taken)}"] = (
                    None
                )
    if wrong:
        raise SettingsError("\n".join(wrong))


def _check_cases(gate_file: GateFile) -> None:
    """Refuse files of critical cases outside of ``config/``: a release has to hold them."""
    for name, gate in gate_file.gates.items():
        if not isinstance(gate, Churn) or not gate.cases:
            continue
        path = PurePosixPath(gate.cases)
        if path.parts[:1] != ("config",) or ".." in path.parts or path.suffix != ".csv":
            raise SettingsError(
                f"{paths.GATES}: gates.{name}.cases: found {gate.cases!r}; expected a CSV file in config/, such as "
                "config/critical_cases.csv"
            )


def _check_custom_rules(config: Config, document: documents.Document) -> None:
    """Refuse files of rules that a release couldn't hold: outside of the project, or where the pipeline writes."""
    for i, name in enumerate(config.custom_rules):
        path = PurePosixPath(name)
        where = f"{document.where(('custom_rules', i))}: found {name!r}"
        if path.is_absolute() or ".." in path.parts or path.suffix != ".smk" or "\\" in name:
            raise SettingsError(
                f"{where}; expected a file of rules (.smk) in this project, relative to it, such as "
                "project/rules/notify.smk"
            )
        if path.parts[0] in _WRITTEN or path.parts[0].startswith("."):
            raise SettingsError(f"{where}, where releases hold no rules; move it, such as to project/rules/")
    if len(set(config.custom_rules)) != len(config.custom_rules):
        raise SettingsError(f"{document.where(('custom_rules',))}: a file is named twice; name each once")


def _remembered(memory: Path) -> dict[str, tuple[int, int, str]]:
    """Return what was written at the last look; nothing where that can't be read, for it only saves time."""
    try:
        return msgspec.json.decode(memory.read_bytes(), type=dict[str, tuple[int, int, str]])
    except (OSError, msgspec.DecodeError):
        return {}


class Plan:
    """The settings, and from them the parameters and source files of each rule."""

    def __init__(self, settings: Settings, root: Path) -> None:
        self.settings = settings
        self.config = settings.config
        self.root = root
        self._sources: dict[tuple[str, ...], tuple[str, ...]] = {}

    def settings_of(self, stage: str, candidate: str = "") -> str:
        """Return the task of *stage* as canonical JSON."""
        return canonical_json(self.task(stage, candidate))

    def settings_file(self, stage: str, candidate: str = "") -> str:
        """Return the path of a file that holds :meth:`settings_of`, and see that it is there.

        Its name bears a digest: other settings are another file, which is how Snakemake notices them. Those of all
        stages are written at once, for Snakemake lists a folder once and takes for missing what is added later.

        Raises:
            SetupError: where it can't be written.
        """
        path, _ = self._settings_file(stage, candidate)
        if not (self.root / path).is_file():
            candidates = [(each, name) for name in self.config.candidates for each in ("train", "evaluate")]
            searching = ("search",) if self.config.search else ()
            for each, name in [*((each, "") for each in (*_STAGES_TOLD, *searching)), *candidates]:
                self._write_settings(each, name)
        return path.as_posix()

    def _settings_file(self, stage: str, candidate: str) -> tuple[Path, str]:
        text = self.settings_of(stage, candidate)
        return paths.settings(stage, candidate, sha256_bytes(text.encode())), text

    def _write_settings(self, stage: str, candidate: str) -> None:
        path, text = self._settings_file(stage, candidate)
        if (self.root / path).is_file():
            return
        try:
            documents.write(self.root / path, text)
        except OSError as problem:
            raise SetupError(f"{path}: can't be written ({problem.strerror}); free space or mend its folder") from None

    def code_of(self, stage: str, candidate: str = "") -> list[str]:
        """Return the source files whose change re-runs *stage*."""
        modules = (f"weighbridge.stages.{stage}", *dict.fromkeys(self._project_modules(stage, candidate)))
        if modules not in self._sources:  # a search has a thousand candidates of one model
            self._sources[modules] = code.closure(self.root, *modules)
        return list(self._sources[modules])

    def code_digest(self, stage: str, candidate: str = "") -> str:
        """Return one digest of :meth:`code_of`."""
        return code.digest(self.root, tuple(self.code_of(stage, candidate)))

    def cases(self) -> list[str]:
        """Return the files of critical cases that gates name."""
        named = (gate.cases for gate in self.settings.gates.gates.values() if isinstance(gate, Churn))
        return sorted({path for path in named if path})

    def custom_rules(self) -> list[Path]:
        """Return the files of rules that the project adds.

        Raises:
            SettingsError: where one isn't there, or leads out of the project.
        """
        for name in self.config.custom_rules:
            file = self.root / name
            if not file.is_file() or not file.resolve().is_relative_to(self.root.resolve()):
                raise SettingsError(
                    f"{paths.CONFIG}: custom_rules: found {name!r}, and no such file in this project; write it, or "
                    "remove the entry"
                )
        return [self.root / name for name in self.config.custom_rules]

    def source_files(self, stage: str, candidate: str = "") -> list[str]:
        """Return where :meth:`code_of` lies: relative to the project, or where the engine is elsewhere, there."""
        apart = engine(self.root) != self.root
        return [
            str(located(self.root, name)) if apart and is_engines(name) else name
            for name in self.code_of(stage, candidate)
        ]

    def _raw_address(self) -> str | None:
        """Return DVC's address of the raw files; where they are absent, that of what fetch has to bring.

        Files whose size and time are as in the last look are not read again.
        """
        folder, pointer = self.root / paths.RAW, self.root / paths.RAW_POINTER
        if not folder.is_dir():
            return content.pointer_address(pointer) if pointer.is_file() else None
        memory = self.root / paths.ADDRESSES
        known = _remembered(memory)
        address, seen = content.folder_address(folder, known)
        if seen != known:
            documents.write(memory, json.dumps(seen))
        return address

    def _project_modules(self, stage: str, candidate: str) -> list[str]:
        data = self.config.data
        models = [self.config.candidates[candidate].model] if candidate in self.config.candidates else []
        if stage == "package":
            models = [known.model for known in self.config.candidates.values()]
        named = {
            "fetch": [data.fetch],
            "preprocess": [data.load, data.schema],
            "train": models,
            "evaluate": models,
            "package": models,
            "judge": [data.schema],
        }
        if stage in {"evaluate", "package", "weigh", "judge"}:
            own = [metric.function for metric in self.config.metrics.own.values()]
            named[stage] = [*named.get(stage, []), *own]
        return [path.partition(":")[0] for path in named.get(stage, [])]

    def task(self, stage: str, candidate: str = "") -> Section:
        """Return what *stage* is told, as a record of :mod:`weighbridge.tasks`.

        Raises:
            SettingsError: where there is no such candidate.
        """
        if candidate and candidate not in self.config.candidates:
            known = ", ".join(self.config.candidates)
            raise SettingsError(f"{paths.CONFIG}: no candidate {candidate!r}; expected one of {known}")
        tell: Any = getattr(self, f"_{stage}_task")
        told: Section = tell(self.config.candidates[candidate]) if candidate else tell()
        return told

    def _fetch_task(self) -> tasks.FetchTask:
        return tasks.FetchTask(fetch=self.config.data.fetch, address=self._raw_address())

    def _preprocess_task(self) -> tasks.PreprocessTask:
        return tasks.PreprocessTask(data=self.config.data)

    def _train_task(self, candidate: Candidate) -> tasks.TrainTask:
        config = self.config
        return tasks.TrainTask(
            candidate=candidate,
            data_schema=config.data.schema,
            threads=config.threads,
            reuse=config.reuse,
            memory_mb=config.memory_mb,
        )

    def _evaluate_task(self, candidate: Candidate) -> tasks.EvaluateTask:
        return tasks.EvaluateTask(
            candidate=candidate,
            data_schema=self.config.data.schema,
            threads=self.config.threads,
            names=self.config.metrics.names,
            threshold=self.config.metrics.threshold,
            own=self.config.metrics.own,
        )

    def _package_task(self) -> tasks.PackageTask:
        return tasks.PackageTask(
            name=self.config.name,
            candidates=self.config.candidates,
            seeds=self.config.seeds,
            data_schema=self.config.data.schema,
            threads=self.config.threads,
            metric=self.config.select.metric,
            threshold=self.config.metrics.threshold,
            own=self.config.metrics.own,
        )

    def _weigh_task(self) -> tasks.WeighTask:
        return tasks.WeighTask(
            name=self.config.name,
            data_schema=self.config.data.schema,
            metrics=self.config.metrics,
            cases=tuple(self.cases()),
        )

    def _search_task(self) -> tasks.SearchTask:
        return tasks.SearchTask(
            search=self.config.search, metric=self.config.select.metric, own=self.config.metrics.own
        )

    def _judge_task(self) -> tasks.JudgeTask:
        return tasks.JudgeTask(
            gates=self.settings.gates,
            intended_use=self.config.card.intended_use,
            data_schema=self.config.data.schema,
            own=self.config.metrics.own,
            cost=self.config.cost,
        )

    def _release_task(self) -> tasks.ReleaseTask:
        """Tell of all settings, but of own rules only where an overlay names them: others the commit holds."""
        config = self.config
        if config.custom_rules == self.settings.own_rules:
            config = msgspec.structs.replace(config, custom_rules=())
        return tasks.ReleaseTask(config=config, gates=self.settings.gates)
