"""A small network that says how good a pose is from its shape, to rank people by.

The design is DEKR's (Geng et al., "Bottom-up human pose estimation via disentangled keypoint
regression", CVPR 2021): limbs and keypoint scores in, the expected OKS out.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


def pose_features(
    keypoints: np.ndarray, keypoint_scores: np.ndarray, limbs: np.ndarray
) -> np.ndarray:
    """What a rescorer sees of each person: it does not depend on place and size.

    Args:
        keypoints: (P, K, 2), x and y in any pixels.
        keypoint_scores: (P, K).
        limbs: (J, 2) int, pairs of keypoints.

    Returns:
        (P, 3·J + K) float32: the limbs' vectors and lengths, over the mean length of the person's
        limbs, and the keypoint scores.

    Examples:
        >>> keypoints, scores = np.array([[[0, 0], [3, 4]]]), np.array([[0.9, 0.8]])
        >>> pose_features(keypoints, scores, np.array([[0, 1]]))
        array([[0.6, 0.8, 1. , 0.9, 0.8]], dtype=float32)
    """
    vectors = keypoints[:, limbs[:, 1]] - keypoints[:, limbs[:, 0]]
    lengths = np.sqrt((vectors**2).sum(axis=-1))
    size = np.maximum(lengths.mean(axis=1, keepdims=True), 1e-6)
    directions = (vectors / size[..., None]).reshape(len(vectors), 2 * len(limbs))
    parts = [directions, lengths / size, keypoint_scores]
    return np.concatenate(parts, axis=1).astype(np.float32)


@dataclass(frozen=True)
class Rescorer:
    """Predicts each person's OKS with the person it is taken for.

    ``tools/fit_rescorer.py`` makes them.

    Attributes:
        limbs: (J, 2) int, pairs of keypoints.
        num_keypoints: K.
        layers: Weights (out, in) and biases (out,), with ReLU between.

    Examples:
        >>> layer = np.array([[0, 0, 0, 0.5, 0.5]]), np.zeros(1)  # the mean of two scores
        >>> rescorer = Rescorer(np.array([[0, 1]]), 2, [layer])
        >>> rescorer(np.array([[[0, 0], [3, 4]]]), np.array([[0.5, 1.0]])).tolist()
        [0.75]
    """

    limbs: np.ndarray
    num_keypoints: int
    layers: Sequence[tuple[np.ndarray, np.ndarray]]

    def __call__(self, keypoints: np.ndarray, keypoint_scores: np.ndarray) -> np.ndarray:
        """The predicted OKS of each person, (P,) float32 in 0…1; instance scores times this rank.

        Args:
            keypoints: (P, K, 2), x and y in any pixels, missing ones filled in.
            keypoint_scores: (P, K).

        Raises:
            ValueError: If it is for another number of keypoints.
        """
        if keypoints.shape[1] != self.num_keypoints:
            raise ValueError(
                f"The rescorer is for {self.num_keypoints} keypoints, but people have "
                f"{keypoints.shape[1]}. Fit one for this dataset with tools/fit_rescorer.py."
            )
        values = pose_features(keypoints, keypoint_scores, self.limbs)
        for index, (weight, bias) in enumerate(self.layers):
            values = (np.maximum(values, 0) if index else values) @ weight.T + bias
        predicted: np.ndarray = values[:, 0].clip(0, 1).astype(np.float32)
        return predicted

    def save(self, path: str | Path) -> None:
        """Write to a file of arrays (``.npz``)."""
        arrays = dict(limbs=self.limbs, num_keypoints=np.array(self.num_keypoints))
        for index, (weight, bias) in enumerate(self.layers):
            arrays[f"weight{index}"], arrays[f"bias{index}"] = weight, bias
        with open(path, "wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Rescorer:
        """Read from a file; it holds plain arrays, and nothing is unpickled.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is no file of a rescorer.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"There is no file '{path}' with a rescorer.")
        try:
            with np.load(str(path), allow_pickle=False) as arrays:
                count = sum(name.startswith("weight") for name in arrays.files)
                layers = [
                    (arrays[f"weight{index}"], arrays[f"bias{index}"]) for index in range(count)
                ]
                rescorer = cls(arrays["limbs"], int(arrays["num_keypoints"]), layers)
            rescorer._check()
        except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"'{path}' can't be read as a rescorer ({error}). tools/fit_rescorer.py makes them."
            ) from error
        return rescorer

    def _check(self) -> None:
        """Raise a ValueError if the arrays do not fit together."""
        limbs = self.limbs
        if limbs.ndim != 2 or limbs.shape[1] != 2 or limbs.dtype.kind not in "iu":
            raise ValueError(f"limbs of shape {limbs.shape} and type {limbs.dtype}")
        if limbs.size and not 0 <= limbs.min() <= limbs.max() < self.num_keypoints:
            raise ValueError(f"limbs beyond the {self.num_keypoints} keypoints")
        width = 3 * len(limbs) + self.num_keypoints
        for weight, bias in self.layers:
            fits = weight.ndim == 2 and weight.shape[1] == width and bias.shape == weight.shape[:1]
            if not fits or weight.dtype.kind != "f" or bias.dtype.kind != "f":
                raise ValueError("layers that do not fit together")
            width = len(weight)
        if not self.layers or width != 1:
            raise ValueError("no layer with one output at the end")
