"""Where a network computes, and how precisely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dawson.errors import ConfigError

if TYPE_CHECKING:
    from dawson.config import TrainingSection


@dataclass(frozen=True)
class Computing:
    """Device and precision of a training run.

    Parameters
    ----------
    device : str
        "cpu", "cuda", "mps", or a torch device with its index.
    autocast : bool
        bfloat16 in the forward and backward pass; weights and predictions stay float32.
    """

    device: str
    autocast: bool

    @property
    def on_cpu(self) -> bool:
        """Whether the processor does the work."""
        return self.device == "cpu"

    @property
    def precision(self) -> str:
        """For records: what the training pass used."""
        return "bfloat16 autocast" if self.autocast else "float32"


def choose(training: TrainingSection) -> Computing:
    """The device and precision that a training section means on this machine.

    "auto" takes a GPU when there is one, and bfloat16 where the hardware computes it itself (AMX or AVX512-BF16 on a CPU).

    Raises
    ------
    ConfigError
        The device asked for is not here.
    """
    import torch

    device = training.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"Device {device!r} cannot be used: {str(error).splitlines()[0]}.", "Set [training] device = 'auto'.") from None
    if training.precision == "auto":
        gains = torch.cuda.is_bf16_supported() if device.startswith("cuda") else device == "cpu" and _cpu_has_bfloat16()
        return Computing(device, gains)
    return Computing(device, training.precision == "bfloat16")


def _cpu_has_bfloat16() -> bool:
    import torch

    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        supported = getattr(torch.cpu, name, None)
        if supported is not None and supported():
            return True
    return False
