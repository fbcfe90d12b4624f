import numpy as np
import pytest
import torch

from dawson.classification.augmentation import Draw, apply, draw
from dawson.classification.device import Computing, choose
from dawson.classification.networks import architecture
from dawson.classification.training import class_weights, predict_logits, softmax, train
from dawson.config import TrainingSection
from dawson.errors import ConfigError

CPU = Computing("cpu", False)


def test_the_network_is_a_standard_resnet18_with_five_channels() -> None:
    network = architecture("resnet18").build(5, 2)
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(11.18e6, rel=0.01)
    assert network.conv1.weight.shape == (64, 5, 7, 7)
    features = {}
    network.layer4.register_forward_hook(lambda module, inputs, output: features.update(shape=output.shape))
    assert network(torch.zeros(3, 5, 128, 128)).shape == (3, 2)
    assert features["shape"] == (3, 512, 4, 4)


def test_an_unknown_network_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="resnet18"):
        architecture("resnet19")


def test_class_weights_are_inverse_to_the_counts() -> None:
    np.testing.assert_allclose(class_weights(np.array([0, 0, 0, 1]), 2), [4 / 6, 4 / 2])


def test_softmax_by_hand() -> None:
    np.testing.assert_allclose(softmax(np.array([[0.0, np.log(3.0)]], np.float32)), [[0.25, 0.75]], rtol=1e-6)


def test_a_flip_mirrors_columns_and_nothing_else() -> None:
    images = torch.arange(2 * 5 * 4 * 4, dtype=torch.float32).reshape(2, 5, 4, 4)
    flipped = apply(images, Draw(torch.tensor([True, False]), torch.zeros_like(images)))
    assert torch.equal(flipped[0], images[0, :, :, [3, 2, 1, 0]])
    assert torch.equal(flipped[1], images[1])


def test_no_noise_and_no_flip_change_nothing() -> None:
    training = TrainingSection(flip_probability=0, noise_sd=(0, 0))
    images = torch.randn(4, 5, 8, 8)
    assert torch.equal(apply(images, draw(images.shape, training, torch.Generator().manual_seed(0))), images)


def test_noise_has_a_deviation_between_the_limits_for_each_image() -> None:
    training = TrainingSection(noise_sd=(0.1, 0.25))
    noise = draw((200, 5, 16, 16), training, torch.Generator().manual_seed(0)).noise
    deviations = noise.std(dim=(1, 2, 3))
    assert deviations.min() > 0.09 and deviations.max() < 0.27
    assert deviations.max() - deviations.min() > 0.1


def test_training_learns_a_plain_signal_and_repeats_itself_exactly() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    images = rng.standard_normal((40, 5, 32, 32)).astype(np.float32)
    images[labels == 1, :, 4:14, 4:14] += 2
    rows, validation = np.arange(30), np.arange(30, 40)
    training = TrainingSection(epochs=6)
    once = train(images, labels, rows, validation, classes=2, training=training, computing=CPU, seed=(1, 2, 3))
    assert (predict_logits(once.network, images[validation]).argmax(1) == labels[validation]).mean() >= 0.9
    assert once.best_epoch == 1 + int(np.argmin([entry["validation_loss"] for entry in once.history]))
    again = train(images, labels, rows, validation, classes=2, training=training, computing=CPU, seed=(1, 2, 3))
    other = train(images, labels, rows, validation, classes=2, training=training, computing=CPU, seed=(1, 2, 4))
    np.testing.assert_array_equal(predict_logits(once.network, images), predict_logits(again.network, images))
    assert not np.array_equal(predict_logits(once.network, images), predict_logits(other.network, images))


def test_training_leaves_the_global_random_numbers_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    images = np.random.default_rng(0).standard_normal((8, 5, 32, 32)).astype(np.float32)
    train(images, np.arange(8) % 2, np.arange(6), np.arange(6, 8), classes=2, training=TrainingSection(epochs=1), computing=CPU, seed=(0,))
    assert torch.equal(torch.rand(1), expected)


def test_predictions_do_not_depend_on_the_company() -> None:
    network = architecture("resnet18").build(5, 3).eval()
    images = np.random.default_rng(0).standard_normal((40, 5, 32, 32)).astype(np.float32)
    np.testing.assert_allclose(predict_logits(network, images)[35:36], predict_logits(network, images[35:36]), atol=1e-5)


def test_a_device_that_is_not_here_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="nonsense"):
        choose(TrainingSection(device="nonsense"))
    assert choose(TrainingSection(device="cpu", precision="bfloat16")).autocast
    assert not choose(TrainingSection(device="cpu", precision="float32")).autocast
