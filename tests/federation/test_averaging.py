"""Averages worked out by hand, and updates that must not get into them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from dawson.classification.device import Computing
from dawson.classification.networks.group_norm import with_group_norm
from dawson.config import TrainingSection
from dawson.errors import ExperimentError
from dawson.federation.averaging import average, update_norm
from dawson.federation.local_training import LocalWork, proximal_term, train_locally
from dawson.federation.messages import ModelUpdate
from dawson.federation.plan import FederatedPlan
from dawson.federation.shared_weights import build_network, get_kept, get_shared, set_shared, shared_names

START = {"w": np.array([1.0, 2.0], np.float32)}
LIMITS = {"minimum_sites": 2, "maximum_norm": 100.0, "norm_factor": 5.0}


def update(people: int, *step: float, name: str = "w") -> ModelUpdate:
    arrays = {name: np.array(step, np.float32)}
    return ModelUpdate(job="j", site="a", round=1, arrays=arrays, people=people, loss=0.5, evaluation=None)


def test_each_site_counts_by_its_people():
    # (30 * 1 + 10 * 3) / 40 = 1.5 and (30 * 0 + 10 * -4) / 40 = -1
    done = average(START, {"a": update(30, 1, 0), "b": update(10, 3, -4)}, **LIMITS)
    np.testing.assert_array_equal(done.weights["w"], np.array([2.5, 1], np.float32))
    assert done.share == {"a": 0.75, "b": 0.25}
    assert done.norms == {"a": 1.0, "b": 5.0}
    assert START["w"].tolist() == [1, 2]


def test_the_norm_is_over_all_weights():
    assert update_norm({"w": np.array([3.0], np.float32), "v": np.array([[0.0, 4.0]], np.float32)}) == 5.0


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (update(10, np.nan, 0), "not finite"),
        (update(10, np.inf, 0), "not finite"),
        (update(10, 1, 1, 1), "other weights"),
        (update(10, 1, 1, name="v"), "other weights"),
        (update(10, 6, 0), "huge update"),
        (update(0, 1, 0), "nobody"),
        (update(1000, 1, 0), "more people than announced"),
    ],
    ids=["nan", "infinity", "shape", "name", "huge", "nobody", "liar"],
)
def test_a_bad_update_is_left_out_and_the_others_are_averaged(bad, fault):
    good = {"a": update(10, 1, 0), "b": update(10, 0, 1)}
    done = average(START, {**good, "c": bad}, announced={"a": 10, "b": 10, "c": 10}, **LIMITS)
    assert done.dropped == {"c": fault}
    np.testing.assert_array_equal(done.weights["w"], np.array([1.5, 2.5], np.float32))


def test_an_update_is_huge_by_its_length_alone_or_beside_the_lower_median():
    # norms 1, 2, 11: the lower median is 2, so 10 is the limit; of the two norms 1 and 11 it is 1
    three = average(START, {"a": update(1, 1, 0), "b": update(1, 2, 0), "c": update(1, 11, 0)}, **LIMITS)
    assert three.dropped == {"c": "huge update"}
    with pytest.raises(ExperimentError, match=r"1 sites .* needs 2 \(b: huge update\)"):
        average(START, {"a": update(1, 1, 0), "b": update(1, 11, 0)}, **LIMITS)
    absolute = {**LIMITS, "maximum_norm": 1.5, "minimum_sites": 1}
    assert average(START, {"a": update(1, 1, 0), "b": update(1, 2, 0)}, **absolute).dropped == {"b": "huge update"}
    still = average(START, {"a": update(1, 0, 0), "b": update(1, 0, 0), "c": update(1, 1, 0)}, **LIMITS)
    assert still.dropped == {}


def test_a_site_that_still_learns_is_not_huge_beside_those_that_know_their_people_by_heart():
    late = {"a": update(1, 0.1, 0), "b": update(1, 0.1, 0), "c": update(1, 2, 0)}
    assert average(START, late, **LIMITS).dropped == {"c": "huge update"}
    assert average(START, late, **LIMITS, usual_norm=2.0).dropped == {}
    assert average(START, late | {"c": update(1, 11, 0)}, **LIMITS, usual_norm=2.0).dropped == {"c": "huge update"}


def test_too_few_sites_are_no_average():
    with pytest.raises(ExperimentError, match="needs 2"):
        average(START, {"a": update(10, 1, 0)}, **LIMITS)


def test_the_proximal_term_is_half_mu_times_the_squared_way():
    network = nn.Linear(2, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[3.0, 4.0]]))
        network.bias.copy_(torch.tensor([7.0]))
    term = proximal_term(network, [torch.zeros(1, 2)], ["weight"], 0.2)
    assert float(term.detach()) == pytest.approx(2.5)  # 0.1 * (9 + 16); the bias is not named
    term.backward()
    torch.testing.assert_close(network.weight.grad, torch.tensor([[0.6, 0.8]]))


def test_a_strong_proximal_term_holds_the_weights_near_the_start():
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((12, 2, 8, 8)).astype(np.float32), np.tile([0, 1], 6)
    training = TrainingSection(batch_size=4, learning_rate=0.01)

    def moved(mu: float) -> float:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(108, 2))
        before = get_shared(network, "average")
        work = LocalWork(images, labels, np.ones(2, np.float32), epochs=5, proximal=mu, seed=(0, 1))
        train_locally(network, work, training, Computing("cpu", autocast=False), shared_names(network, "average"))
        after = get_shared(network, "average")
        return update_norm({name: after[name] - before[name] for name in before})

    assert moved(100.0) < 0.5 * moved(0.0)
    assert moved(0.0) == moved(0.0)


def test_group_norm_replaces_every_batch_norm_and_sees_one_image_at_a_time():
    network = with_group_norm(nn.Sequential(nn.Conv2d(1, 48, 3), nn.BatchNorm2d(48), nn.Sequential(nn.BatchNorm2d(7)))[:2])
    assert isinstance(network[1], nn.GroupNorm)
    assert network[1].num_groups == 16  # greatest common divisor of 32 and 48
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(images)[:1], network(images[:1]))


@pytest.mark.parametrize("normalisation", ["groupnorm", "fedbn", "average"])
def test_what_travels(normalisation):
    plan = FederatedPlan(job="j", normalisation=normalisation, training={"network": "resnet18-narrow"})
    network = build_network(plan)
    travels, stays = get_shared(network, normalisation), get_kept(network, normalisation)
    statistics = [name for name in travels if "running" in name]
    assert not any("num_batches" in name for name in [*travels, *stays])
    assert bool(statistics) == (normalisation == "average")
    assert bool(stays) == (normalisation == "fedbn")
    assert {"conv1.weight", "fc.bias"} <= set(travels)
    assert ("bn1.weight" in stays) == (normalisation == "fedbn")
    again = get_shared(build_network(plan), normalisation)
    assert all(np.array_equal(travels[name], again[name]) for name in travels)
    set_shared(network, {name: array + 1 for name, array in travels.items()})
    assert all(np.array_equal(array, travels[name] + 1) for name, array in get_shared(network, normalisation).items())
    assert all(np.array_equal(array, stays[name]) for name, array in get_kept(network, normalisation).items())
