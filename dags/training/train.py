"""Train a small neural network on data that it makes: work for a meter to measure."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

import numpy as np


def make_spirals(rng: np.random.Generator, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points of two entwined spirals [n, 2], and which spiral each is on [n]."""
    label = rng.integers(0, 2, points)
    angle = np.sqrt(rng.random(points)) * 3 * np.pi
    radius = angle / (3 * np.pi)
    turn = angle + np.pi * label
    noise = rng.normal(scale=0.02, size=(points, 2))
    return np.stack((radius * np.cos(turn), radius * np.sin(turn)), axis=1) + noise, label


class Network:
    """Two hidden layers, trained by Adam on the logistic loss."""

    def __init__(self, rng: np.random.Generator, width: int = 128) -> None:
        sizes = [(2, width), (width, width), (width, 1)]
        self.weights = [rng.normal(scale=np.sqrt(2 / n), size=(n, m)) for n, m in sizes]
        self.biases = [np.zeros(m) for _, m in sizes]
        self.moments = [(np.zeros_like(p), np.zeros_like(p)) for p in self._parameters()]
        self.steps = 0
        self.trained_s = 0.0

    def save(self, file: Path) -> None:
        """Leave the state in a file, which is whole or the one before."""
        part = file.with_suffix(".part.npz")
        moments = [one for pair in self.moments for one in pair]
        np.savez(part, *self._parameters(), *moments, counts=[self.steps, self.trained_s])
        part.replace(file)

    def load(self, file: Path) -> None:
        """Go on from a file."""
        with np.load(file) as kept:
            moments = [one for pair in self.moments for one in pair]
            for number, value in enumerate([*self._parameters(), *moments]):
                value[...] = kept[f"arr_{number}"]
            self.steps, self.trained_s = int(kept["counts"][0]), float(kept["counts"][1])

    def _parameters(self) -> list[np.ndarray]:
        return [*self.weights, *self.biases]

    def _layers(self, x: np.ndarray) -> list[np.ndarray]:
        first = np.maximum(x @ self.weights[0] + self.biases[0], 0)
        second = np.maximum(first @ self.weights[1] + self.biases[1], 0)
        logits = second @ self.weights[2] + self.biases[2]
        return [x, first, second, 1 / (1 + np.exp(-np.clip(logits, -30, 30)))]

    def accuracy(self, x: np.ndarray, y: np.ndarray) -> float:
        """Return the share of points on the right spiral."""
        return float(((self._layers(x)[-1][:, 0] > 0.5) == y).mean())  # noqa: PLR2004 - even odds

    def step(self, x: np.ndarray, y: np.ndarray, rate: float = 3e-3) -> float:
        """Make one step on a batch and return its loss."""
        *hidden, guess = self._layers(x)
        error = (guess[:, 0] - y)[:, None] / len(y)
        by_weight, by_bias = [], []
        for layer in (2, 1, 0):
            by_weight.insert(0, hidden[layer].T @ error)
            by_bias.insert(0, error.sum(axis=0))
            error = (error @ self.weights[layer].T) * (hidden[layer] > 0)
        self.steps += 1
        gradients = [*by_weight, *by_bias]
        for value, slope, (mean, power) in zip(
            self._parameters(), gradients, self.moments, strict=True
        ):
            mean[...] += 0.1 * (slope - mean)
            power[...] += 0.001 * (slope**2 - power)
            scale = np.sqrt(power / (1 - 0.999**self.steps)) + 1e-8
            value[...] -= rate * mean / (1 - 0.9**self.steps) / scale
        guess = np.clip(guess[:, 0], 1e-9, 1 - 1e-9)
        return float(-np.mean(y * np.log(guess) + (1 - y) * np.log(1 - guess)))


def main() -> None:
    """Train for a while, say how it goes, and fail if nothing was learnt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long to train [s]")
    parser.add_argument("--checkpoint", type=Path, help="where to go on from, and to leave off")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    network = Network(rng)
    x, y = make_spirals(rng, 20_000)
    loss = float("nan")
    if options.checkpoint:
        # Not with 0: it has not done its work.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        if options.checkpoint.exists():
            network.load(options.checkpoint)
            print(f"goes on at step {network.steps}", flush=True)  # noqa: T201
    begun = time.monotonic() - network.trained_s
    try:
        while network.steps < 200 or network.trained_s < options.seconds:  # noqa: PLR2004 - it learns by then
            batch = rng.integers(0, len(x), 512)
            loss = network.step(x[batch], y[batch])
            network.trained_s = time.monotonic() - begun
            if network.steps % 500 == 0:
                print(f"step {network.steps}: loss {loss:.4f}", flush=True)  # noqa: T201
                if options.checkpoint:
                    network.save(options.checkpoint)
    finally:
        if options.checkpoint:
            network.save(options.checkpoint)
    accuracy = network.accuracy(*make_spirals(rng, 5_000))
    print(f"{network.steps} steps, loss {loss:.4f}, accuracy {accuracy:.1%} on new points")  # noqa: T201
    if accuracy < 0.7:  # noqa: PLR2004 - two spirals: chance is one half
        message = "the network learnt nothing"
        raise SystemExit(message)


if __name__ == "__main__":
    main()
