"""The classification study: networks, training, evaluation, explanation, prediction."""
