"""timm's feature extractors, fused into the one stride-4 feature that the heads take."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from ...checkpoints.reading import read_checkpoint, state_dict_of

#: Input pixels per pixel of the features that are fused.
_FUSED_STRIDES = (4, 8, 16, 32)


def _smoothing(channels: int) -> nn.Sequential:
    """A depthwise and a pointwise convolution, normalised."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


def _path_of(weights: str) -> Path:
    """The path of a weights file; ``PACKAGE::FILE`` is a file of an installed Python package."""
    package, _, file = weights.rpartition("::")
    if not package:
        return Path(weights)
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"`pretrained={weights!r}`: there is no Python package {package!r}. Install it, or "
            "give the path of a weights file."
        )
    return Path(spec.origin).parent / file


@MODELS.register_module()
class TimmPyramid(BaseModule):
    """Any convolutional feature extractor of timm, its strides 4 to 32 fused into one of stride 4.

    Each feature passes a 1×1 convolution. From the coarsest on, the sum is upsampled to the next
    finer one (nearest), added and smoothed. Needs timm (``pip install timm``).

    Args:
        name: timm's name of the model, such as ``'tf_efficientnet_lite0'``.
        out_channels: Channels of the feature, the head's ``in_channels``.
        pretrained: Weights of the extractor to begin with. True: timm's own, which it downloads. A
            path, or ``'PACKAGE::FILE'`` for a file of an installed Python package: weights of
            timm's model of that name, or of the same network in another project if its tensors
            come in the same order.
        frozen_stages: How many of the fused features, finest first, come from layers that are not
            trained.
        norm_eval: Whether the extractor's batch norms keep their statistics in training.
        init_cfg: As for MMEngine's modules.

    Raises:
        ValueError: If the model has no features at strides 4, 8, 16 and 32, or the weights are of
            another network.
    """

    def __init__(
        self,
        name: str,
        out_channels: int = 64,
        pretrained: bool | str = False,
        frozen_stages: int = 0,
        norm_eval: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        import timm

        given: dict[str, Any] = {}
        if isinstance(pretrained, str):
            given["pretrained_cfg_overlay"] = dict(state_dict=_weights(name, pretrained))
        self.extractor = timm.create_model(
            name, pretrained=bool(pretrained), features_only=True, **given
        )
        info: Any = self.extractor.feature_info
        strides = info.reduction()
        if not set(_FUSED_STRIDES) <= set(strides):
            raise ValueError(
                f"timm's {name!r} has features at strides {strides}, but {list(_FUSED_STRIDES)} "
                "are fused. Choose another `name`."
            )
        self._fused = [strides.index(stride) for stride in _FUSED_STRIDES]
        self.laterals = nn.ModuleList(
            nn.Conv2d(info.channels(index), out_channels, 1) for index in self._fused
        )
        self.smoothing = nn.ModuleList(_smoothing(out_channels) for _ in self._fused[1:])
        self.norm_eval = norm_eval
        if frozen_stages:
            last = info.module_name(self._fused[frozen_stages - 1])
            for parameter in self._parameters_until(last):
                parameter.requires_grad_(False)

    def _parameters_until(self, module: str) -> Iterator[nn.Parameter]:
        """The extractor's parameters in their order, up to the last one of a module."""
        names = [name for name, _ in self.extractor.named_parameters()]
        # timm's flattened extractors have "stages_0" for "stages.0"
        prefixes = (f"{module}.", f"{module.replace('.', '_')}.")
        last = max(index for index, name in enumerate(names) if name.startswith(prefixes))
        return (value for _, value in list(self.extractor.named_parameters())[: last + 1])

    def train(self, mode: bool = True) -> TimmPyramid:
        """As usual; batch norms stay in evaluation mode with ``norm_eval``."""
        super().train(mode)
        if self.norm_eval:
            for module in self.extractor.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Images (B, 3, H, W) to one feature (B, C, H/4, W/4)."""
        features = self.extractor(images)
        *finer, fused = [layer(features[index]) for layer, index in zip(self.laterals, self._fused)]
        for feature, smooth in zip(reversed(finer), self.smoothing):
            fused = smooth(feature + F.interpolate(fused, size=feature.shape[2:]))
        return (fused,)


def _weights(name: str, file: str) -> dict[str, Tensor]:
    """Weights by timm's names, from a file that has these or their order."""
    import timm

    path = _path_of(file)
    weights = state_dict_of(read_checkpoint(path), path)
    own = timm.create_model(name).state_dict()
    if own.keys() & weights.keys():
        return weights
    if [value.shape for value in own.values()] != [value.shape for value in weights.values()]:
        raise ValueError(
            f"`pretrained={file!r}`: its {len(weights)} tensors have neither the names nor, in "
            f"order, the shapes of the {len(own)} of timm's {name!r}."
        )
    return dict(zip(own, weights.values()))
