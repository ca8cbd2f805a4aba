"""Where networks are trained: the processor, or a GPU that is there."""

from __future__ import annotations

import torch

from volplugin.errors import ParameterError

AUTO = "auto"
KINDS = ("cpu", "cuda", "mps")


def device_named(name: str) -> torch.device:
    """Return the device of that name; for ``"auto"`` a GPU where there is one, CUDA before Metal.

    Raises
    ------
    ParameterError
        If there is no such kind of device, or none of it on this machine.
    """
    if name == AUTO:
        return torch.device(next((kind for kind in ("cuda", "mps") if _count(kind)), "cpu"))
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = torch.device("meta")
    if device.type not in KINDS:
        raise ParameterError(f"device is {name!r}; pass auto, {', '.join(KINDS)}, or one of several such as cuda:1")
    if (device.index or 0) >= _count(device.type):
        raise ParameterError(f"device is {name!r}, which this machine does not have; pass auto, or cpu")
    return device


def _count(kind: str) -> int:
    """Devices of a kind on this machine."""
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    return int(kind == "cpu" or torch.backends.mps.is_available())
