"""ResNet-18 with one input channel a slice and one output a class, as in Seok, Cho et al. 2023."""

from __future__ import annotations

from torch import nn

from dawson.classification.networks import Architecture


def build(channels: int, classes: int) -> nn.Module:
    """An untrained ResNet-18.

    `conv1_t_stride=2` gives the standard stem (7 x 7, stride 2, then max pooling), so that a 128 x 128 image ends in a 4 x 4 map.
    """
    from monai.networks.nets import resnet18

    network: nn.Module = resnet18(spatial_dims=2, n_input_channels=channels, num_classes=classes, conv1_t_stride=2)
    return network


ARCHITECTURE = Architecture(
    name="resnet18",
    build=build,
    gradcam_layer="layer4",
    description="ResNet-18 (He et al. 2016; MONAI) with slices as input channels and randomly initialised weights",
)
