"""What a network looked at: Grad-CAM, channel occlusion, integrated gradients.

Slices are the channels of the input, so Grad-CAM gives one coarse map for all of them (4 x 4 cells for ResNet-18 at 128 x 128).
What a single slice contributes comes from occlusion, and finer detail from integrated gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

ATTRIBUTION_STEPS = 24


def grad_cam(network: torch.nn.Module, images: NDArray[np.float32], layer: str, classes: int) -> NDArray[np.float32]:
    """Grad-CAM on the last convolution, for every class.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode.
    images : ndarray of float32, shape (images, channels, rows, columns)
    layer : str
        Module whose output is the last convolutional map.
    classes : int

    Returns
    -------
    ndarray of float32, shape (images, classes, cells, cells)
        ReLU of the gradient-weighted sum of feature maps, in units of the logit; not scaled.

    References
    ----------
    Selvaraju et al., ICCV 2017 (here MONAI's implementation).
    """
    return np.stack([grad_cam_toward(network, images, layer, np.full(len(images), index)) for index in range(classes)], axis=1)


def grad_cam_toward(network: torch.nn.Module, images: NDArray[np.float32], layer: str, targets: NDArray[np.int64]) -> NDArray[np.float32]:
    """`grad_cam` for one class an image.

    Parameters
    ----------
    network, images, layer
        As for `grad_cam`.
    targets : ndarray of int, shape (images,)
        The class explained in each image.

    Returns
    -------
    ndarray of float32, shape (images, cells, cells)
    """
    from copy import deepcopy

    import torch
    from monai.visualize import GradCAM

    device = next(network.parameters()).device
    cam = GradCAM(nn_module=deepcopy(network), target_layers=layer)  # a copy: MONAI's hooks stay on the network that it is given
    maps = []
    for image, target in zip(images, targets, strict=True):
        batch = torch.from_numpy(image[None]).to(device)
        maps.append(cam.compute_map(batch, class_idx=int(target)).detach().float().cpu().numpy()[0, 0])
    return np.asarray(maps, dtype=np.float32)


def upsample(grid: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Coarse maps brought to the image's size by bilinear interpolation and scaled to [0, 1] by their own maximum.

    Parameters
    ----------
    grid : ndarray, shape (..., cells, cells)
    shape : (rows, columns)

    Returns
    -------
    ndarray of float32, shape (..., rows, columns)
        All zero where the map is all zero.
    """
    fine = upsample_raw(grid, shape)
    largest = fine.max(axis=(-2, -1), keepdims=True)
    return np.asarray(fine / np.where(largest > 0, largest, 1), dtype=np.float32)


def upsample_raw(grid: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """`upsample` without the scaling: maps of several networks can be averaged afterwards."""
    import torch
    from torch.nn.functional import interpolate

    flat = torch.from_numpy(np.ascontiguousarray(grid, dtype=np.float32).reshape(-1, 1, *grid.shape[-2:]))
    fine = interpolate(flat, size=shape, mode="bilinear", align_corners=False).numpy().reshape(*grid.shape[:-2], *shape)
    return np.asarray(fine, dtype=np.float32)


def occlusion(network: torch.nn.Module, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """What each slice contributes: the fall of each class's logit when the slice is emptied.

    A slice is emptied to 0, the mean of a brain after normalisation and the value outside it.

    Returns
    -------
    ndarray of float32, shape (images, classes, channels)
        Positive where the slice spoke for the class.
    """
    from dawson.classification.training import predict_logits

    whole = predict_logits(network, images)
    falls = []
    for channel in range(images.shape[1]):
        without = images.copy()
        without[:, channel] = 0
        falls.append(whole - predict_logits(network, without))
    return np.stack(falls, axis=-1).astype(np.float32)


def integrated_gradients(
    network: torch.nn.Module, images: NDArray[np.float32], targets: NDArray[np.int64], steps: int = ATTRIBUTION_STEPS
) -> NDArray[np.float32]:
    """Integrated gradients of one class's logit from an empty image to the image itself.

    Parameters
    ----------
    network : torch.nn.Module
    images : ndarray of float32, shape (images, channels, rows, columns)
    targets : ndarray of int, shape (images,)
        The class explained in each image.
    steps : int
        Points of the midpoint rule along the path.

    Returns
    -------
    ndarray of float32, shape of `images`
        Sums, nearly, to the logit of the image minus the logit of the empty image.

    References
    ----------
    Sundararajan, Taly & Yan, ICML 2017.
    """
    import torch

    device = next(network.parameters()).device
    fractions = ((torch.arange(steps, dtype=torch.float32) + 0.5) / steps).to(device)[:, None, None, None]
    results = []
    for image, target in zip(images, targets, strict=True):
        end = torch.from_numpy(image).to(device)
        path = (fractions * end).requires_grad_()
        (gradient,) = torch.autograd.grad(network(path)[:, int(target)].sum(), path)
        results.append((gradient.mean(0) * end).detach().float().cpu().numpy())
    return np.asarray(results, dtype=np.float32)
