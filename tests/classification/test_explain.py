import numpy as np
import pytest
import torch
from torch import nn

from dawson.classification import explain
from dawson.classification.networks import architecture
from dawson.classification.training import predict_logits


class Tiny(nn.Module):
    """Convolutions, mean pooling and a linear layer: Grad-CAM and occlusion have closed forms."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(5, 5, 1, bias=False)
        self.last = nn.Conv2d(5, 3, 1)
        self.head = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.last(self.first(x)).mean((2, 3)))


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((3, 5, 32, 32)).astype(np.float32)


def test_grad_cam_is_the_formula_of_selvaraju(images: np.ndarray) -> None:
    torch.manual_seed(0)
    network = Tiny().eval()
    maps = explain.grad_cam(network, images, "last", 2)
    with torch.no_grad():
        features = network.last(network.first(torch.from_numpy(images))).numpy()
        weights = network.head.weight.numpy()
    for target in range(2):
        # The gradient of a mean-pooled linear head is its weight over the number of cells, the same in each cell.
        expected = np.maximum(np.einsum("k,nkij->nij", weights[target] / 32**2, features), 0)
        np.testing.assert_allclose(maps[:, target], expected, atol=1e-6)


def test_grad_cam_of_resnet18_has_four_by_four_cells() -> None:
    network = architecture("resnet18").build(5, 2).eval()
    maps = explain.grad_cam(network, np.random.default_rng(0).standard_normal((1, 5, 128, 128)).astype(np.float32), "layer4", 2)
    assert maps.shape == (1, 2, 4, 4)
    assert (maps >= 0).all()


def test_upsampled_maps_lie_between_zero_and_one_and_empty_ones_stay_empty() -> None:
    grid = np.zeros((2, 4, 4), np.float32)
    grid[0, 1, 2] = 7
    fine = explain.upsample(grid, (128, 128))
    assert fine.shape == (2, 128, 128)
    assert fine[0].max() == 1 and fine[0, 48, 80] > 0.8 and not fine[1].any()


def test_occlusion_of_a_linear_network_is_the_slice_itself(images: np.ndarray) -> None:
    torch.manual_seed(0)
    network = Tiny().eval()
    falls = explain.occlusion(network, images)
    with torch.no_grad():
        matrix = (network.head.weight @ network.last.weight[:, :, 0, 0] @ network.first.weight[:, :, 0, 0]).numpy()
    expected = matrix[None] * images.mean((2, 3))[:, None, :]
    np.testing.assert_allclose(falls, expected, atol=1e-5)


def test_integrated_gradients_add_up_to_the_difference_of_the_logits() -> None:
    torch.manual_seed(0)
    network = architecture("resnet18").build(5, 2).eval()
    image = np.random.default_rng(1).standard_normal((2, 5, 64, 64)).astype(np.float32)
    target = np.array([1, 0])
    attribution = explain.integrated_gradients(network, image, target, steps=200)
    difference = predict_logits(network, image) - predict_logits(network, np.zeros_like(image))
    np.testing.assert_allclose(attribution.sum((1, 2, 3)), difference[[0, 1], target], atol=0.02)
