"""A model from its import path and parameters: an estimator of scikit-learn or a ``torch.nn.Module``.

What the path names is called with the parameters, so it may be a class or a function that builds the model.
Nothing here imports torch: a scikit-learn candidate never pays for it.
"""

import difflib
import importlib
import inspect
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

from weighbridge import importable
from weighbridge.data.schema import Schema
from weighbridge.errors import ModelError

_LISTED = 12  # parameter names in a message


def build(  # noqa: PLR0913 - what a model is made from
    model: str, params: dict[str, Any], schema: Schema, *, seed: int, threads: int, inputs: int
) -> Any:
    """Return the model that *model* (``package.module:attribute``) builds from *params*, not yet fitted.

    Where its signature has the names ``inputs`` and ``outputs``, it is given the number of columns after
    preprocessing, and 1 or the number of several classes; under the name ``shape``, the shape of the array where
    *schema* has exactly one: its numbers are the last of the columns. An estimator's ``random_state`` becomes *seed*
    unless it is set, and its ``n_jobs`` *threads*, in nested estimators too. A network's weights are drawn under
    *seed*; lazy layers are given their shapes by a first forward pass.

    Raises:
        ModelError: where the path can't be imported, names no model, refuses the parameters, or names an
            estimator of another task: a regressor for numbers, a classifier with ``predict_proba`` for classes.
    """
    builder = _resolve(model)
    arguments = _arguments(model, builder, params, _offered(schema, inputs))
    had_torch = "torch" in sys.modules
    built = _call(model, builder, arguments, seed)
    if is_network(built):
        if not had_torch:  # torch came with the first call, so its generator was not seeded yet
            built = _call(model, builder, arguments, seed)
        _initialise_lazy(model, built, inputs)
        return built
    _check_estimator(model, built, schema)
    _set_random_state(built, seed)
    _set_jobs(built, threads)
    return built


def is_network(model: Any) -> bool:
    """Return whether *model* is a ``torch.nn.Module``, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def _resolve(path: str) -> Callable[..., Any]:
    module_name, _, attribute = path.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as problem:  # noqa: BLE001 - a project's module may fail with anything while it is imported
        cause = f"{type(problem).__name__}: {problem}"
        raise ModelError(
            f"model {path!r}: can't import {module_name!r} ({cause}); check the spelling, and that it is installed"
        ) from None
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, dir(found), n=1)
            hint = f"did you mean {near[0]!r}?" if near else "check the spelling"
            raise ModelError(f"model {path!r}: {module_name!r} has no {attribute!r}; {hint}")
        found = getattr(found, part)
    refused = importable.problem(path, found)
    if refused:
        raise ModelError(f"model {refused}")
    if not (inspect.isclass(found) or inspect.isroutine(found)):
        raise ModelError(
            f"model {path!r}: is {_kind(found)}; expected a class, or a function that returns a model: "
            "put it into a function, so that each seed gets a new one"
        )
    return found


def _kind(found: Any) -> str:
    return "a module" if inspect.ismodule(found) else f"an object of type {type(found).__name__}"


def _offered(schema: Schema, inputs: int) -> dict[str, Any]:
    """Return what a builder may ask for by name."""
    offered: dict[str, Any] = {"inputs": inputs, "outputs": len(schema.labels) if schema.task == "multiclass" else 1}
    if len(schema.arrays) == 1:
        offered["shape"] = schema.features[schema.arrays[0]].shape
    return offered


def _arguments(
    path: str, builder: Callable[..., Any], params: dict[str, Any], offered: dict[str, Any]
) -> dict[str, Any]:
    """Return *params* with what is *offered* where the builder takes it; refuse unknown names."""
    try:
        signature = inspect.signature(builder).parameters
    except ValueError:  # compiled classes may tell no signature
        return dict(params)
    accepts_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.values())
    known = [
        name for name, value in signature.items() if value.kind in {value.POSITIONAL_OR_KEYWORD, value.KEYWORD_ONLY}
    ]
    for name in params:
        if name not in known and not accepts_any:
            raise ModelError(f"model {path!r}: unknown parameter {name!r}; {_nearest(name, known)}")
    arguments = {name: value for name, value in offered.items() if name in known} | params
    missing = [name for name in known if signature[name].default is inspect.Parameter.empty and name not in arguments]
    if missing[:1] == ["shape"]:
        raise ModelError(
            f"model {path!r}: asks for the shape of an array, which is filled in where the schema has exactly one "
            "column of type array; give it in the candidate's params"
        )
    if missing:
        raise ModelError(f"model {path!r}: parameter {missing[0]!r} is missing; add it to the candidate's params")
    return arguments


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    if not known:
        return "it takes no parameters"
    shown = ", ".join(known[:_LISTED]) + (", …" if len(known) > _LISTED else "")
    return f"expected some of {shown}"


def _call(path: str, builder: Callable[..., Any], arguments: dict[str, Any], seed: int) -> Any:
    """Build under *seed*: the global generators are seeded, since layers and functions draw from them."""
    seed_everything(seed)
    try:
        return builder(**arguments)
    except Exception as problem:  # noqa: BLE001 - a project's code may fail with anything
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        cause = f"{type(problem).__name__}: {problem}"
        raise ModelError(f"model {path!r}: can't be built with ({given}): {cause}; check its params") from None


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, NumPy and, where it is imported, torch."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - scikit-learn and projects' code draw from the global generator
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


def _initialise_lazy(path: str, network: Any, inputs: int) -> None:
    """Run one forward pass where parameters have no shape yet."""
    import torch

    if not any(torch.nn.parameter.is_lazy(value) for value in (*network.parameters(), *network.buffers())):
        return
    network.eval()  # running means must not see the zeros
    try:
        with torch.no_grad():
            network(torch.zeros(2, inputs))
    except Exception as problem:  # noqa: BLE001 - a project's forward may fail with anything
        raise ModelError(f"model {path!r}: fails on an input of shape (2, {inputs}): {problem}") from None
    network.train()


def _check_estimator(path: str, built: Any, schema: Schema) -> None:
    wanted = "regressor" if schema.task == "regression" else "classifier"
    if inspect.isclass(built) or not (hasattr(built, "fit") and hasattr(built, "get_params")):
        raise ModelError(f"model {path!r}: gave {_kind(built)}; expected a scikit-learn {wanted} or a torch.nn.Module")
    from sklearn.base import is_classifier, is_regressor

    if not (is_regressor if wanted == "regressor" else is_classifier)(built):
        target = f"the classes {', '.join(schema.labels)}" if schema.labels else "a number"
        raise ModelError(
            f"model {path!r}: {type(built).__name__} is no {wanted}; data.task is {schema.task}, and "
            f"{schema.target!r} is {target}: name a {wanted}, or another task"
        )
    if wanted == "regressor":
        return
    # a meta-estimator may know only once it is fitted, so only a plain one is refused before that
    nested = {"estimator", "estimators", "steps"} & set(built.get_params(deep=False))
    if not hasattr(type(built), "predict_proba") or not (nested or hasattr(built, "predict_proba")):
        raise without_probabilities(path, built)


def without_probabilities(path: str, built: Any) -> ModelError:
    """Return the error for a classifier that gives no probabilities."""
    return ModelError(
        f"model {path!r}: {type(built).__name__} gives no probabilities (predict_proba) with these params; "
        "choose another loss, or wrap it in sklearn.calibration:CalibratedClassifierCV"
    )


def _set_random_state(estimator: Any, seed: int) -> None:
    unset = {
        name: seed
        for name, value in estimator.get_params(deep=True).items()
        if name.rsplit("__", 1)[-1] == "random_state" and value is None
    }
    estimator.set_params(**unset)


def _set_jobs(estimator: Any, threads: int) -> None:
    """Set ``n_jobs`` where it differs from *threads*; unset means one, and some estimators warn when it is set."""
    other = {
        name: threads
        for name, value in estimator.get_params(deep=True).items()
        if name.rsplit("__", 1)[-1] == "n_jobs" and (1 if value is None else value) != threads
    }
    estimator.set_params(**other)


def nested(model: Any) -> Iterator[Any]:
    """Yield *model* and each fitted part of it that scikit-learn defines, each once."""
    waiting, seen = [model], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
        elif hasattr(value, "__dict__") and (value is model or type(value).__module__.startswith("sklearn.")):
            yield value
            waiting += vars(value).values()
