"""Training of one network on one fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.classification.networks import architecture

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from dawson.classification.device import Computing
    from dawson.config import TrainingSection

INFERENCE_BATCH = 32


@dataclass
class Trained:
    """A network at its best epoch, and how it got there.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode, on the device it was trained on.
    best_epoch : int
        Counted from 1.
    history : list of dict
        epoch, train_loss, validation_loss, validation_accuracy; one an epoch.
    """

    network: Any
    best_epoch: int
    history: list[dict[str, float]] = field(default_factory=list)


def class_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Weight of each class in the loss: images / (classes * images of the class), shape (classes,)."""
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (classes * np.maximum(counts, 1))).astype(np.float32)


def soft_class_weights(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """`class_weights` where each image is a share of every class: targets (images, classes) to weights (classes,)."""
    shares = targets.sum(axis=0, dtype=np.float64)
    return (len(targets) / (targets.shape[1] * np.maximum(shares, 1))).astype(np.float32)


def soft_cross_entropy(logits: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Class-weighted cross-entropy against class probabilities, a mean over the weights that the targets carry.

    The loss of an image is torch's for probabilities, -sum_c w_c t_c log p_c. torch would divide by the number of images; here it
    is the sum of w_c t_c, as torch itself does for class indices, so that certain targets give the loss of the labels.

    Parameters
    ----------
    logits, targets : Tensor, shape (images, classes)
    weight : Tensor, shape (classes,)
    """
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits, targets, weight=weight, reduction="sum") / (targets * weight).sum()


def train(
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    training_rows: NDArray[np.intp],
    validation_rows: NDArray[np.intp],
    *,
    classes: int,
    training: TrainingSection,
    computing: Computing,
    seed: Sequence[int],
    targets: NDArray[np.float32] | None = None,
) -> Trained:
    """Train from scratch and keep the epoch with the lowest class-weighted validation loss.

    Parameters
    ----------
    images : ndarray of float32, shape (images, channels, rows, columns)
    labels : ndarray of int, shape (images,)
    training_rows, validation_rows : ndarray of int
        Positions in `images`.
    classes : int
    training : TrainingSection
    computing : Computing
    seed : sequence of int
        Entropy of this run, such as (study seed, repeat, fold): initial weights, order of images and augmentation follow from it.
    targets : ndarray of float32, shape (images, classes), optional
        Class probabilities to learn in place of the labels, which then only tell the validation accuracy.

    Returns
    -------
    Trained
    """
    import torch
    from torch.nn.functional import cross_entropy

    from dawson.classification.augmentation import apply, draw

    entropy = np.random.SeedSequence(list(seed)).generate_state(2, dtype=np.uint64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(entropy[0] >> np.uint64(1)))
        network = architecture(training.network).build(images.shape[1], classes)
    generator = torch.Generator().manual_seed(int(entropy[1] >> np.uint64(1)))

    device = torch.device(computing.device)
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.from_numpy(images[training_rows]).to(device)
    truth = labels if targets is None else targets
    loss_of = cross_entropy if targets is None else soft_cross_entropy
    y = torch.from_numpy(truth[training_rows]).to(device)
    validation_truth, validation_labels = torch.from_numpy(truth[validation_rows]), torch.from_numpy(labels[validation_rows])
    balanced = class_weights(labels[training_rows], classes) if targets is None else soft_class_weights(targets[training_rows])
    weight = torch.from_numpy(balanced if training.class_weights else np.ones(classes, np.float32))
    optimizer = torch.optim.Adam(network.parameters(), lr=training.learning_rate, fused=True)

    history: list[dict[str, float]] = []
    best_loss, best_epoch, best_state = np.inf, 0, {}
    for epoch in range(1, training.epochs + 1):
        network.train()
        total = 0.0
        for batch in torch.randperm(len(x), generator=generator).split(training.batch_size):
            if len(batch) == 1 and len(x) > 1:
                continue  # batch normalisation learns nothing from a single image
            shown = apply(x[batch], draw((len(batch), *x.shape[1:]), training, generator))
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=computing.autocast):
                logits = network(shown.to(memory_format=torch.channels_last))
            loss = loss_of(logits.float(), y[batch], weight=weight.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(batch)
        logits = torch.from_numpy(predict_logits(network, images[validation_rows]))
        validation_loss = float(loss_of(logits, validation_truth, weight=weight))
        accuracy = float((logits.argmax(1) == validation_labels).float().mean())
        history.append({"epoch": epoch, "train_loss": total / len(x), "validation_loss": validation_loss, "validation_accuracy": accuracy})
        if validation_loss < best_loss:
            best_loss, best_epoch = validation_loss, epoch
            best_state = {name: value.detach().clone() for name, value in network.state_dict().items()}
    if best_epoch == 0:
        raise FloatingPointError(f"the validation loss was never a number in {training.epochs} epochs")
    network.load_state_dict(best_state)
    return Trained(network.eval(), best_epoch, history)


def predict_logits(network: torch.nn.Module, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits in float32, shape (images, classes), with the network in evaluation mode."""
    import torch

    network.eval()
    parameter = next(network.parameters())
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), INFERENCE_BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(images[start : start + INFERENCE_BATCH])).to(parameter.device)
            parts.append(network(batch.to(memory_format=torch.channels_last)).float().cpu().numpy())
    return np.concatenate(parts)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Class probabilities, shape (images, classes), each row summing to 1."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponent = np.exp(shifted)
    return np.asarray(exponent / exponent.sum(axis=1, keepdims=True))
