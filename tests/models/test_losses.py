import math

import numpy as np
import pytest
import torch

from swahr_mmpose.models.losses import ScaleRegularizationLoss, TagGroupingLoss, WeightAdaptiveLoss
from swahr_mmpose.models.losses.weight_adaptive_loss import (
    scale_adaptive_target,
    weight_adaptive_loss,
)

from ..helpers import golden


def official_indices(joints, num_keypoints, map_pixels):
    """Official (B, 30, K, 2) indices into the stack of maps to ours, per image (30, K, 2)."""
    ours = np.zeros_like(joints)
    for image, person, slot in np.argwhere(joints[..., 1] > 0):
        index = joints[image, person, slot, 0]
        ours[image, person, index // map_pixels] = (index % map_pixels, 1)
    return list(torch.from_numpy(ours))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_losses_and_gradients_are_the_official_ones(dtype, device):
    numbers = golden("loss_coco")
    leaves, total = {}, 0
    for level in (0, 1):
        pred, scales = (
            leaves.setdefault(
                name, torch.from_numpy(numbers[name]).to(device, dtype).requires_grad_()
            )
            for name in (f"pred_{level}", f"scale_{level}")
        )
        target = torch.from_numpy(numbers[f"gt_{level}"]).to(device, dtype)
        mask = torch.from_numpy(numbers[f"mask_{level}"])[:, None].to(device)
        heatmap_loss = WeightAdaptiveLoss()(pred, target, scales, mask)
        scale_loss = ScaleRegularizationLoss()(scales, target, mask)
        for loss, name in ((heatmap_loss, "heatmap_loss"), (scale_loss, "scale_loss")):
            expected = numbers[f"{name}_{level}"].mean()
            assert loss.item() == pytest.approx(expected, rel=1e-5)
        total = total + heatmap_loss + scale_loss
    tags = leaves["tags_0"] = torch.from_numpy(numbers["tags_0"]).to(device, dtype).requires_grad_()
    _, k, h, w = tags.shape
    factor = float(numbers["push_pull_factor"])
    indices = [own.to(device) for own in official_indices(numbers["joints_0"], k, h * w)]
    pull, push = TagGroupingLoss(factor, factor)(tags, indices)
    assert pull.item() == pytest.approx(numbers["pull_0"].mean(), rel=1e-5)
    assert push.item() == pytest.approx(numbers["push_0"].mean(), rel=1e-5)
    total = total + pull + push
    assert total.item() == pytest.approx(float(numbers["total"]), rel=1e-5)

    total.backward()
    for name, leaf in leaves.items():
        expected = numbers[f"grad_{name}"]
        # relative to the largest gradient: single ones cancel to nearly nothing
        atol = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(leaf.grad.cpu().numpy(), expected, atol=atol)


def gaussian_target(batch=2, k=3, h=20, w=24, sigma=2.0, dtype=torch.float64):
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    target = torch.exp(-((x - 11) ** 2 + (y - 8) ** 2) / (2 * sigma**2)).to(dtype)
    target[target < 1e-3] = 0
    return target.expand(batch, k, h, w).clone()


def random_maps(dtype=torch.float64):
    target = gaussian_target(dtype=dtype)
    generator = torch.Generator().manual_seed(0)
    pred, scales, shift = (
        torch.randn(target.shape, generator=generator, dtype=dtype) * 0.3 for _ in range(3)
    )
    mask = torch.rand(2, 1, 20, 24, generator=generator) > 0.2
    return pred, target, scales, mask, shift


def oracle_loss(pred, target, scales, mask, shift, gamma):
    """The formulas of the paper, one pixel at a time in Python floats."""
    total = 0.0
    for b, k, y, x in np.ndindex(*pred.shape):
        p, g = pred[b, k, y, x].item(), target[b, k, y, x].item()
        alpha = scales[b, k, y, x].item()
        fitted = 0.0
        if g > 0:
            fitted = g * (1 + alpha * math.log(g) + 0.5 * alpha**2 * math.log(g) ** 2)
        foreground = (g**gamma if g > 0 else 0.0) + shift[b, k, y, x].item()
        foreground = min(max(foreground, 0.0), 1.0)
        weight = foreground * abs(1 - p) + (1 - foreground) * abs(p)
        total += float(mask[b, 0, y, x]) * weight * (p - fitted) ** 2
    return total / pred.numel()


def test_loss_follows_the_formulas():
    pred, target, scales, mask, shift = random_maps()
    loss = weight_adaptive_loss(pred, target, scales, mask, shift, gamma=0.05)
    assert loss.item() == pytest.approx(oracle_loss(pred, target, scales, mask, shift, 0.05))


def test_without_scales_and_gamma_it_is_the_masked_mean_squared_error():
    pred, target, _, mask, _ = random_maps()
    expected = ((pred - target) ** 2 * mask).mean()
    assert WeightAdaptiveLoss(gamma=None)(pred, target, mask=mask).item() == expected.item()
    zeros = torch.zeros_like(pred)
    assert WeightAdaptiveLoss(gamma=None)(pred, target, zeros, mask).item() == expected.item()


def exact(pred, target):
    """WAHR's loss without a mask, in float64 NumPy."""
    p, g = (maps.detach().double().numpy() for maps in (pred, target))
    foreground = np.where(g > 0, g, 0) ** 0.01
    weight = foreground * np.abs(1 - p) + (1 - foreground) * np.abs(p)
    return (weight * (p - g) ** 2).mean()


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("error", [0.0, 1e-4, 1e-2, 0.3])
def test_losses_near_zero_are_exact(error, autocast):
    """In float32, and with a network in bfloat16: the logged loss is the loss."""
    generator = torch.Generator().manual_seed(1)
    target = gaussian_target(batch=2, k=17, h=48, w=64, dtype=torch.float32)
    pred = target + error * torch.randn(target.shape, generator=generator)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        loss = WeightAdaptiveLoss()(pred, target)
    assert loss.dtype == torch.float32
    # the rounding of float32 in a mean
    assert loss.item() == pytest.approx(exact(pred, target), rel=1e-5, abs=1e-12)
    assert loss.item() >= 0


def test_losses_can_be_computed_in_inference_mode():
    pred, target, scales, mask, _ = random_maps()
    expected = WeightAdaptiveLoss()(pred, target, scales, mask)
    with torch.inference_mode():
        maps = [m.clone() for m in (pred, target, scales)]
        assert WeightAdaptiveLoss()(*maps, mask) == expected
        assert ScaleRegularizationLoss()(maps[2], maps[1], mask) > 0


def test_scales_narrow_and_widen_the_target_to_second_order():
    target = gaussian_target()
    for alpha in (-0.05, 0.05):
        exact = torch.where(target > 0, target ** (1 + alpha), 0)
        fitted = scale_adaptive_target(target, torch.full_like(target, alpha))
        # the next term of the expansion, at the edge of the support where ln G = -6.9
        assert (fitted - exact).abs().max() < abs(alpha) ** 3 * 7**3 / 6 * 0.05
    assert (scale_adaptive_target(target, torch.ones_like(target))[target == 0] == 0).all()


def test_a_target_is_never_narrowed_below_half_of_it():
    """However large α is: G' falls until α·|ln G| = 1, to G/2, and turns up again."""
    target = torch.logspace(-9, -0.1, 90, dtype=torch.float64)[:, None]
    alpha = torch.logspace(-4, 4, 801, dtype=torch.float64)[None]
    exponent = alpha * -target.log()
    share = scale_adaptive_target(target.expand_as(exponent), alpha.expand_as(exponent)) / target
    assert share.min() == pytest.approx(0.5, abs=1e-4)
    assert (share >= 0.5 - 1e-12).all()
    steps = share.diff(dim=1)
    assert (steps[exponent[:, 1:] < 1] < 0).all()
    assert (steps[exponent[:, :-1] > 1] > 0).all()
    torch.testing.assert_close(share > 1, exponent > 2)
    # widening is between none and the power's
    widened = scale_adaptive_target(target.expand_as(exponent), -alpha.expand_as(exponent))
    assert (widened >= target).all()
    assert (widened <= target ** (1 - alpha) * (1 + 1e-12)).all()


def test_loss_weights_multiply():
    pred, target, scales, mask, _ = random_maps()
    for loss, args in (
        (WeightAdaptiveLoss, (pred, target, scales, mask)),
        (ScaleRegularizationLoss, (scales, target, mask)),
    ):
        assert loss(loss_weight=3.0)(*args).item() == pytest.approx(3 * loss()(*args).item())


@pytest.mark.parametrize("gamma", [0.01, None])
def test_gradients_of_the_heatmap_loss(gamma):
    # around a corner of the Gaussian: every difference takes two losses
    pred, target, scales, mask, shift = (maps[:, :, 2:12, 14:22] for maps in random_maps())
    pred, target, scales, shift = (maps[:, :2] for maps in (pred, target, scales, shift))
    assert (target > 0).any()
    assert (target == 0).any()
    # away from the kinks of |P|, |1-P| and of the clamp, where there is no gradient to compare
    pred = torch.where(pred.abs() < 1e-3, 0.1, pred)
    pred.requires_grad_()
    scales = scales.clone().requires_grad_()
    inputs = [pred, scales]
    if gamma is not None:
        shift = (shift * 0.1 - 0.3).clamp(-0.9, -0.05).requires_grad_()
        inputs.append(shift)
        target = target.clamp(min=0) * 0.9

    def loss(pred, scales, shift=None):
        return weight_adaptive_loss(pred, target, scales, mask, shift, gamma) * 1000

    assert torch.autograd.gradcheck(loss, inputs)


def test_regulariser_follows_the_formula():
    _, target, scales, mask, _ = random_maps()
    expected = (scales.numpy() ** 2 * (target.numpy() > 0) * mask.numpy()).sum() / scales.numel()
    assert ScaleRegularizationLoss()(scales, target, mask).item() == pytest.approx(expected)


def test_gradients_of_the_regulariser():
    _, target, scales, mask, _ = random_maps()
    scales.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda scales: ScaleRegularizationLoss()(scales, target, mask), [scales]
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_finite_losses_and_gradients(dtype, device):
    version = tuple(map(int, torch.__version__.split(".")[:2]))
    if device == "cpu" and dtype == torch.float16 and version < (2, 3):
        pytest.skip("this torch has no autocast to float16 on the CPU")
    pred, target, scales, mask, shift = (maps.to(device) for maps in random_maps(torch.float32))
    tags = torch.randn(2, 3, 20, 24, device=device)
    leaves = [maps.to(dtype).requires_grad_() for maps in (pred, scales, shift, tags)]
    indices = [torch.tensor([[[3, 1], [9, 1], [0, 0]], [[40, 1], [0, 0], [7, 1]]]).to(device)] * 2
    with torch.autocast(device, dtype=dtype):
        heatmap_loss = WeightAdaptiveLoss()(leaves[0], target, leaves[1], mask, leaves[2])
        scale_loss = ScaleRegularizationLoss()(leaves[1], target, mask)
        pull, push = TagGroupingLoss(1, 1)(leaves[3], indices)
        total = heatmap_loss + scale_loss + pull + push
    assert heatmap_loss.dtype == torch.float32
    # rounding the inputs is all that half precision may cost
    rounded = [maps.detach().float() for maps in leaves[:3]]
    exact = WeightAdaptiveLoss()(rounded[0], target, rounded[1], mask, rounded[2])
    assert heatmap_loss.item() == pytest.approx(exact.item(), rel=1e-6)
    total.backward()
    for leaf in leaves:
        assert torch.isfinite(leaf.grad).all()
        assert (leaf.grad != 0).any()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(target=(2, 3, 4, 4)), "`target` must be of shape"),
        (dict(scales=(2, 1, 4, 5)), "`scales` must be of shape"),
        (dict(mask=(2, 4, 5)), r"`mask` must be of shape \(2, 1, 4, 5\)"),
        (dict(weight_shift=(2, 3, 1, 1)), "`weight_shift` must be of shape"),
    ],
)
def test_wrong_shapes_are_named(kwargs, message):
    maps = dict(target=torch.rand(2, 3, 4, 5))
    maps.update({k: torch.rand(s) for k, s in kwargs.items()})
    with pytest.raises(ValueError, match=message):
        WeightAdaptiveLoss()(torch.rand(2, 3, 4, 5), **maps)


# ------------------------------------------------------------------- tags


def oracle_tag_loss(tags, indices):
    """Straight from the definition, person by person; tags (L, K, H·W)."""
    means, pull = [], 0.0
    for person in indices:
        own = [tags[:, k, i] for k, (i, visible) in enumerate(person.tolist()) if visible]
        if own:
            own = torch.stack(own)
            means.append(own.mean(dim=0))
            pull += ((own - means[-1]) ** 2).sum(dim=1).mean()
    n = len(means)
    if n == 0:
        return 0.0, 0.0
    push = sum(torch.exp(-((a - b) ** 2).sum()) for a in means for b in means) - n
    return float(pull / n), float(0.5 * push / (n * (n - 1))) if n > 1 else 0.0


def random_indices(rng, num_people, k, pixels):
    index = rng.integers(0, pixels, size=(num_people, k))
    visible = rng.random((num_people, k)) < 0.6
    return torch.from_numpy(np.stack([np.where(visible, index, 0), visible], -1).astype(np.int64))


@pytest.mark.parametrize("tag_dim", [1, 3])
def test_tag_loss_follows_the_definition(tag_dim):
    rng = np.random.default_rng(0)
    tags = torch.randn(4, tag_dim * 5, 6, 7, dtype=torch.float64)
    indices = [random_indices(rng, n, 5, 42) for n in (4, 1, 0, 2)]
    pull, push = TagGroupingLoss(1.0, 2.0)(tags, indices)
    expected = [
        oracle_tag_loss(image.view(tag_dim, 5, 42), people) for image, people in zip(tags, indices)
    ]
    assert pull.item() == pytest.approx(np.mean([e[0] for e in expected]))
    assert push.item() == pytest.approx(2 * np.mean([e[1] for e in expected]))


@pytest.mark.parametrize("num_people", [0, 3])
def test_no_labelled_keypoint_is_zero_loss_with_a_gradient_path(num_people):
    tags = torch.randn(2, 17, 8, 8, requires_grad=True)
    pull, push = TagGroupingLoss()(tags, [torch.zeros(num_people, 17, 2, dtype=torch.long)] * 2)
    assert pull.item() == push.item() == 0
    (pull + push).backward()
    assert (tags.grad == 0).all()


def test_gradients_of_the_tag_loss():
    tags = torch.randn(2, 6, 4, 4, dtype=torch.float64, requires_grad=True)
    rng = np.random.default_rng(1)
    indices = [random_indices(rng, n, 3, 16) for n in (3, 2)]
    assert torch.autograd.gradcheck(lambda tags: TagGroupingLoss(1, 1)(tags, indices), [tags])


@pytest.mark.parametrize(
    ("tags", "indices"),
    [((2, 17, 4, 4), [(1, 17, 2)]), ((1, 17, 4, 4), [(1, 14, 2)]), ((1, 17, 4, 4), [(1, 17)])],
)
def test_wrong_tag_shapes_are_named(tags, indices):
    with pytest.raises(ValueError, match=r"`keypoint_indices` \(N, K, 2\) for each of the B im"):
        TagGroupingLoss()(
            torch.zeros(tags), [torch.zeros(shape, dtype=torch.long) for shape in indices]
        )


def test_a_shift_without_gamma_is_refused():
    maps = torch.zeros(1, 1, 2, 2)
    with pytest.raises(ValueError, match="`weight_shift` has no effect without `gamma`"):
        weight_adaptive_loss(maps, maps, weight_shift=maps, gamma=None)
