"""One person, one bounded gradient; and whether an attacker can tell who was in a training."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dawson.errors import ModelError
from dawson.federation.membership import calibrated_attack, loss_attack
from dawson.federation.privacy_budget import epsilon_of, noise_for
from dawson.federation.private_training import PrivateSettings, bounded_sum, image_weights, train_privately

pytest.importorskip("opacus")


def small_network(seed: int = 0, width: int = 8) -> nn.Module:
    torch.manual_seed(seed)
    first = (nn.Conv2d(2, width, 3, padding=1), nn.GroupNorm(2, width), nn.ReLU())
    return nn.Sequential(*first, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * width, 2))


def images_of(people: int, scans: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people) % 2, scans)
    images = rng.standard_normal((people * scans, 2, 12, 12)).astype(np.float32)
    images[labels == 1, :, :4] += 0.3
    return images, labels.astype(np.int64), [f"p{number // scans}" for number in range(people * scans)]


def summed(images: np.ndarray, labels: np.ndarray, people: list[str], bound: float) -> Tensor:
    """The sum of bounded gradients of one step over everybody, as one vector."""
    _, owner = np.unique(people, return_inverse=True)
    weight = image_weights(owner, labels, None)
    x, y, places = (
        torch.from_numpy(images),
        torch.from_numpy(labels),
        [np.flatnonzero(owner == number) for number in range(owner.max() + 1)],
    )
    parts = bounded_sum(small_network(), [(x[place], y[place], weight[place]) for place in places], bound)
    return torch.cat([part.flatten() for part in parts])


def test_one_person_changes_the_sum_by_twice_the_bound_at_most() -> None:
    images, labels, people = images_of(6, 3, 1)
    changed = images.copy()
    changed[:3] = 50 * np.random.default_rng(2).standard_normal((3, 2, 12, 12))
    for bound in (0.01, 0.2, 5.0):
        difference = summed(images, labels, people, bound) - summed(changed, labels, people, bound)
        assert 0 < float(difference.norm()) <= 2 * bound * (1 + 1e-5)
    without = summed(images[3:], labels[3:], people[3:], 0.2)
    assert float((summed(images, labels, people, 0.2) - without).norm()) <= 0.2 * (1 + 1e-5)


def test_the_same_scan_five_times_counts_as_one() -> None:
    images, labels, people = images_of(6, 1, 1)
    often = [*range(6), *[0] * 4]
    again = summed(images[often], labels[often], [people[place] for place in often], 0.2)
    torch.testing.assert_close(again, summed(images, labels, people, 0.2))


def test_without_noise_and_bound_it_is_plain_training() -> None:
    images, labels, people = images_of(8, 2, 3)
    network = small_network()
    plain = copy.deepcopy(network)
    settings = PrivateSettings(noise_multiplier=0.0, bound=1e9, people_per_step=8, steps=4, learning_rate=0.01)
    train_privately(network, images, labels, people, settings, generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam(plain.parameters(), lr=0.01)
    for _ in range(4):
        optimiser.zero_grad()
        nn.functional.cross_entropy(plain(torch.from_numpy(images)), torch.from_numpy(labels)).backward()
        optimiser.step()
    for mine, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_a_step_that_draws_nobody_is_noise_alone() -> None:
    images, labels, people = images_of(4, 1, 3)
    network = small_network()
    before = copy.deepcopy(network.state_dict())
    settings = PrivateSettings(noise_multiplier=1.0, people_per_step=1e-9, steps=2)
    train_privately(network, images, labels, people, settings, generator=torch.Generator().manual_seed(0))
    assert any(not torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_the_noise_is_another_each_time() -> None:
    images, labels, people = images_of(4, 1, 3)
    settings = PrivateSettings(noise_multiplier=1.0, people_per_step=4, steps=1)
    one, other = (train_privately(small_network(), images, labels, people, settings) for _ in range(2))
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


def test_batch_normalisation_is_refused() -> None:
    images, labels, people = images_of(4, 1, 3)
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(ModelError, match="cannot be trained privately"):
        train_privately(network, images, labels, people, PrivateSettings(1.0, steps=1))


def losses_of(network: nn.Module, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        found = nn.functional.cross_entropy(network.eval()(torch.from_numpy(images)), torch.from_numpy(labels), reduction="none")
    return found.numpy()


def memory(seed: int) -> nn.Module:
    """A network that can learn every image by heart."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(288, 64), nn.ReLU(), nn.Linear(64, 2))


def test_an_overfitted_model_tells_its_members_and_a_private_one_does_not() -> None:
    images, labels, people = images_of(240, 1, 5)
    member = np.arange(len(people)) % 4 < 2  # labels alternate, so both classes are in and out
    inside = np.flatnonzero(member)
    own = [people[place] for place in inside]
    plain = PrivateSettings(noise_multiplier=0.0, bound=1e9, people_per_step=40, steps=60, learning_rate=0.01)
    overfitted = train_privately(memory(1), images[inside], labels[inside], own, plain, generator=torch.Generator().manual_seed(1))
    attack = loss_attack(losses_of(overfitted, images, labels), people, member)
    assert attack.low >= 0.65 and (attack.members, attack.others) == (120, 120)

    noise = noise_for(1.0, 1e-3, 40 / 120, plain.steps)
    settings = PrivateSettings(noise, bound=1.0, people_per_step=40, steps=plain.steps, learning_rate=0.01)
    assert epsilon_of([settings.run("a", 120)], 1e-3) <= 1.0
    private = train_privately(memory(1), images[inside], labels[inside], own, settings, generator=torch.Generator().manual_seed(1))
    quiet = loss_attack(losses_of(private, images, labels), people, member)
    assert quiet.low <= 0.5 <= quiet.high


def test_a_person_is_judged_by_all_their_scans() -> None:
    attack = loss_attack([0.1, 0.3, 0.9, 0.7, 0.2, 0.8], ["a", "a", "b", "b", "c", "d"], [True, True, False, False, True, False])
    assert (attack.auc, attack.members, attack.others) == (1.0, 2, 2)
    # people who are hard for any model are not taken for strangers
    hard = calibrated_attack([2.0, 0.5], [[3.0, 0.4], [3.0, 0.4]], ["a", "b"], [True, False])
    assert hard.auc == 1.0
    with pytest.raises(ValueError, match="people who were in the training"):
        loss_attack([0.1], ["a"], [True])
