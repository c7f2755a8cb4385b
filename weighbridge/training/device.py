"""What computes: the processor, or a GPU for each process."""

import os
from typing import Literal

import torch
from torch import nn

from weighbridge.errors import ModelError

_WORKSPACE = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it some products of matrices differ from run to run


def chosen(name: Literal["cpu", "cuda"]) -> torch.device:
    """Return the device of this process, on a machine with several GPUs one of its own.

    Raises:
        ModelError: where there is no GPU for it.
    """
    if name == "cpu":
        return torch.device("cpu")
    os.environ.setdefault(*_WORKSPACE)
    number = int(os.environ.get("LOCAL_RANK", "0"))
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if number >= found:
        gpus = f"only {found} GPU{'s' if found > 1 else ''}" if found else "no GPU"
        needed = f" for {number + 1} processes, which need one each" if number else ""
        raise ModelError(
            f"fit.device is cuda, and torch {torch.__version__} finds {gpus} here{needed}: "
            "install torch's build for CUDA, ask for a machine with a GPU for each process, or set fit.device to cpu"
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def of(network: nn.Module) -> torch.device:
    """Return where the weights of *network* are."""
    return next((value.device for value in network.parameters()), torch.device("cpu"))
