"""The lesion network and its loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dawson.errors import ConfigError
from dawson.lesions.network import InstanceNorm, build_network, lesion_loss
from dawson.lesions.recipe import LesionRecipe, NetworkPart, parse_recipe, read_recipe
from dawson.lesions.weights import SHIPPED, read_lesion_model

SMALL = NetworkPart(widths=(4, 6, 8), supervised=2)


def test_instance_norm_is_torchs():
    x = torch.randn(3, 5, 4, 6, 7)
    own, reference = InstanceNorm(5), torch.nn.InstanceNorm3d(5, affine=True)
    torch.testing.assert_close(own(x), reference(x))


def test_levels_halve_from_one_to_the_next():
    levels = build_network(SMALL, 0).levels(torch.zeros(2, 2, 16, 8, 12))
    assert [tuple(level.shape) for level in levels] == [(2, 1, 16, 8, 12), (2, 1, 8, 4, 6)]


def test_the_first_weights_follow_from_the_seed():
    one, same, other = (build_network(SMALL, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["down.0.first.weight"], other["down.0.first.weight"])


def test_the_shipped_ensemble_stays_below_20_megabytes():
    recipe = LesionRecipe()
    weights = sum(value.numel() for value in build_network(recipe.network, 0).parameters())
    assert weights * 4 * recipe.ensemble.members < 20e6


def test_the_shipped_model_is_what_the_recipe_makes():
    model = read_lesion_model()
    assert model.recipe == LesionRecipe() and len(model.weights()) == LesionRecipe().ensemble.members
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 20e6
    assert model.description["SimulatedData"] is True and model.intervals is not None


def test_loss_is_least_at_a_soft_target():
    target = torch.full((1, 1, 4, 4, 4), 0.3)
    target[..., 0] = 0.8
    at = {shift: float(lesion_loss([torch.logit(target) + shift], target)) for shift in (-1.0, -0.2, 0.0, 0.2, 1.0)}
    assert min(at, key=lambda shift: at[shift]) == 0.0


def test_dice_term_is_one_minus_dice_for_masks():
    truth = torch.zeros(1, 1, 10, 10, 10)
    truth[..., :5] = 1
    guess = torch.zeros_like(truth)
    guess[..., 2:7] = 1
    logits = (guess - 0.5) * 60
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth)
    # 300 voxels in common of 500 and 500: Dice 0.6; the smoothing of 1 voxel changes the fourth figure
    assert float(lesion_loss([logits], truth) - entropy) == pytest.approx(0.4, abs=1e-3)


def test_a_patch_that_does_not_fit_the_levels_is_refused():
    with pytest.raises(ConfigError, match="multiple of 8"):
        LesionRecipe().updated(patches={"size": 60})


def test_an_unknown_name_in_a_recipe_is_refused(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("[optimisation]\nstep = 3\n")
    with pytest.raises(ConfigError, match=r"optimisation\.step"):
        read_recipe(path)


def test_a_recipe_comes_back_from_its_json_form():
    recipe = LesionRecipe().updated(network={"widths": (8, 16), "supervised": 1}, optimisation={"steps": 7})
    assert parse_recipe(recipe.model_dump(mode="json"), "x") == recipe


def test_a_network_learns_a_bright_ball():
    """A few steps on one image must lower the loss by far: shapes, loss and gradients fit each other."""
    rng = torch.Generator().manual_seed(0)
    image = torch.randn(1, 2, 16, 16, 16, generator=rng) * 0.2
    truth = torch.zeros(1, 1, 16, 16, 16)
    truth[..., 5:10, 5:10, 5:10] = 1
    image[:, :1] += 3 * truth
    network = build_network(SMALL, 0)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        loss = lesion_loss(network.levels(image), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.4 * losses[0]
    with torch.no_grad():
        assert np.mean((torch.sigmoid(network(image)) > 0.5).numpy() == (truth > 0.5).numpy()) > 0.99
