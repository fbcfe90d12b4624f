"""The network: a compact 3D residual U-Net with instance normalisation and deep supervision."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dawson.lesions.recipe import NetworkPart

CHANNELS = ("FLAIR", "T1w")
_SLOPE = 0.01


class InstanceNorm(nn.Module):
    """Instance normalisation with scale and shift.

    Computed as the batch normalisation of one sample at a time, which is the same and three times as fast on a processor where
    channels come last.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (n, c, x, y, z) over space."""
        done = [functional.batch_norm(one, None, None, self.weight, self.bias, training=True) for one in x.split(1)]
        return done[0] if len(done) == 1 else torch.cat(done)


class Block(nn.Module):
    """Two convolutions, each normalised, with the input added before the last rectifier."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv3d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.first_norm = InstanceNorm(outputs)
        self.second = nn.Conv3d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = InstanceNorm(outputs)
        self.stride = stride
        self.around = nn.Conv3d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, x, y, z) to (n, outputs, x / stride, ...)."""
        y = functional.leaky_relu(self.first_norm(self.first(x)), _SLOPE, inplace=True)
        y = self.second_norm(self.second(y))
        around = functional.avg_pool3d(x, self.stride) if self.stride > 1 else x
        return functional.leaky_relu(y + self.around(around), _SLOPE, inplace=True)


class Up(nn.Module):
    """Doubled resolution, joined with the encoder's features of that level, and one convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(inputs, outputs, 2, stride=2, bias=False)
        self.join = nn.Conv3d(2 * outputs, outputs, 3, padding=1, bias=False)
        self.norm = InstanceNorm(outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(n, inputs, x, y, z) and (n, outputs, 2x, 2y, 2z) to the latter's shape."""
        return functional.leaky_relu(self.norm(self.join(torch.cat((self.up(x), skip), dim=1))), _SLOPE, inplace=True)


class LesionNetwork(nn.Module):
    """3D U-Net after Isensee et al., Nat Methods 2021 (deep supervision, instance norm), with residual encoder blocks.

    Parameters
    ----------
    part : NetworkPart
    """

    def __init__(self, part: NetworkPart) -> None:
        super().__init__()
        widths = part.widths
        inputs = (len(CHANNELS), *widths[:-1])
        self.down = nn.ModuleList(Block(inputs[level], width, 1 if level == 0 else 2) for level, width in enumerate(widths))
        self.up = nn.ModuleList(Up(widths[level + 1], widths[level]) for level in range(len(widths) - 1))
        self.heads = nn.ModuleList(nn.Conv3d(widths[level], 1, 1) for level in range(part.supervised))

    def levels(self, x: Tensor) -> list[Tensor]:
        """Logits at full, half, quarter ... resolution, as many as are supervised."""
        features = []
        for block in self.down:
            x = block(x)
            features.append(x)
        logits: list[Tensor] = []
        for level in reversed(range(len(self.up))):
            x = self.up[level](x, features[level])
            if level < len(self.heads):
                logits.insert(0, self.heads[level](x))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Logits of lesion, (n, 1, x, y, z), of images (n, 2, x, y, z): FLAIR and T1w."""
        return self.levels(x)[0]


def build_network(part: NetworkPart, seed: int) -> LesionNetwork:
    """A network with first weights that follow from the seed alone; channels last, which is the fast layout on a processor."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = LesionNetwork(part)
        # a lesion voxel is rare: start from that, or the first steps only unlearn one half everywhere
        for head in network.heads:
            assert isinstance(head, nn.Conv3d) and head.bias is not None
            nn.init.constant_(head.bias, -3.0)
    return network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]


def lesion_loss(levels: Sequence[Tensor], target: Tensor) -> Tensor:
    """Dice plus cross-entropy at every supervised level, halved in weight from level to level.

    Both accept soft targets. The Dice term is the semimetric of Wang et al., MICCAI 2023 (DML1), 1 - (|p| + |t| - |p - t|) / (|p| + |t|),
    whose least value is at p = t for targets between 0 and 1 too, where the usual soft Dice is least at a hard mask.

    Parameters
    ----------
    levels : sequence of Tensor (n, 1, x, y, z), then half of that, ...
        Logits.
    target : Tensor (n, 1, x, y, z)
        Probability of lesion.
    """
    total, weights = target.new_zeros(()), 0.0
    for level, logits in enumerate(levels):
        logits = logits.float()
        wanted = functional.avg_pool3d(target, 2**level) if level else target
        probability = torch.sigmoid(logits)
        both = probability.sum() + wanted.sum()
        # 1 keeps batches without a lesion from swinging between 0 and 1
        overlap = (both - (probability - wanted).abs().sum() + 1.0) / (both + 1.0)
        weight = 0.5**level
        total = total + weight * (1 - overlap + functional.binary_cross_entropy_with_logits(logits, wanted))
        weights += weight
    return total / weights
