"""ResNet-18 at a quarter of the width: 0.7 million weights instead of 11, for small cohorts and quick trials."""

from __future__ import annotations

from torch import nn

from dawson.classification.networks import Architecture


def build(channels: int, classes: int) -> nn.Module:
    """An untrained ResNet-18 whose four stages have 16, 32, 64 and 128 channels."""
    from monai.networks.nets import ResNet

    network: nn.Module = ResNet(
        block="basic", layers=[2, 2, 2, 2], block_inplanes=[16, 32, 64, 128], spatial_dims=2, n_input_channels=channels,
        num_classes=classes, conv1_t_stride=2,
    )  # fmt: skip
    return network


ARCHITECTURE = Architecture(
    name="resnet18-narrow",
    build=build,
    gradcam_layer="layer4",
    description="a ResNet-18 of a quarter of the width (after He et al. 2016; MONAI) with slices as input channels and randomly "
    "initialised weights",
)
