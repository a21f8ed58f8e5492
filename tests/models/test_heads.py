import sys

import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import MultilevelPixelData, PoseDataSample

from swahr_mmpose.models import HigherHRNetHead, SWAHRHead
from swahr_mmpose.models.heads import higherhrnet_head
from swahr_mmpose.models.losses.scale_regularization_loss import plain_regularization_loss
from swahr_mmpose.models.losses.weight_adaptive_loss import plain_heatmap_loss

from ..codecs.test_targets import codec_for

# the package has the registered classes of these names
weight_adaptive_loss_file = sys.modules[plain_heatmap_loss.__module__]
scale_regularization_file = sys.modules[plain_regularization_loss.__module__]

CODEC = dict(type="ScaleAdaptiveHeatmap", input_size=(64, 96), heatmap_sizes=[(16, 24), (32, 48)])
FEATS = (2, 8, 24, 16)


def head_of(kind=SWAHRHead, **kwargs):
    options = dict(in_channels=8, num_keypoints=5, num_basic_blocks=1, decoder=CODEC) | kwargs
    head = kind(**options)
    head.init_weights()
    return head


def sample_of(keypoints, visible, mask=True):
    encoded = codec_for((64, 96)).encode(keypoints, visible)
    sample = PoseDataSample(metainfo=dict(img_shape=(96, 64), flip_indices=[1, 0, 2, 4, 3]))
    sample.gt_fields = MultilevelPixelData(
        heatmaps=[torch.from_numpy(maps) for maps in encoded["heatmaps"]],
        heatmap_mask=[torch.full((1, *m.shape[1:]), mask) for m in encoded["heatmaps"]],
    )
    sample.gt_instance_labels = InstanceData(
        keypoint_indices=torch.from_numpy(encoded["keypoint_indices"])
    )
    return sample


def two_people():
    keypoints = torch.rand(2, 5, 2).numpy() * (64, 96)
    return sample_of(keypoints, torch.ones(2, 5).numpy())


@pytest.mark.parametrize("weight_branch", ["analytic", "learned"])
def test_output_shapes(weight_branch):
    output = head_of(tag_dim=2, weight_branch=weight_branch)((torch.randn(FEATS),))
    assert [tuple(maps.shape) for maps in output.heatmaps] == [(2, 5, 24, 16), (2, 5, 48, 32)]
    assert tuple(output.tags.shape) == (2, 10, 24, 16)
    assert [maps.shape for maps in output.scales] == [maps.shape for maps in output.heatmaps]
    if weight_branch == "learned":
        assert [m.shape for m in output.weight_shifts] == [m.shape for m in output.heatmaps]
    else:
        assert output.weight_shifts is None


def test_branches_start_at_zero():
    output = head_of(weight_branch="learned")((torch.randn(FEATS),))
    assert all((maps == 0).all() for maps in (*output.scales, *output.weight_shifts))


def test_learned_weight_starts_as_the_papers():
    feats, samples = (torch.randn(FEATS),), [two_people(), two_people()]
    analytic, learned = head_of(), head_of(weight_branch="learned")
    learned.load_state_dict(analytic.state_dict(), strict=False)
    expected = analytic.loss(feats, samples)
    losses = learned.loss(feats, samples)
    assert losses.pop("loss_weight_s4") == losses.pop("loss_weight_s2") == 0
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(expected[name].item()), name


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (HigherHRNetHead, {"loss_heatmap_s4", "loss_heatmap_s2", "loss_pull", "loss_push"}),
        (
            SWAHRHead,
            {"loss_heatmap_s4", "loss_heatmap_s2", "loss_scale_s4", "loss_scale_s2"}
            | {"loss_pull", "loss_push"},
        ),
    ],
)
def test_every_parameter_gets_a_gradient(kind, names):
    head = head_of(kind)
    losses = head.loss((torch.randn(FEATS),), [two_people(), two_people()])
    assert set(losses) == names
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in head.parameters())
    assert all(torch.isfinite(parameter.grad).all() for parameter in head.parameters())


@pytest.mark.parametrize("kind", [HigherHRNetHead, SWAHRHead])
def test_targets_rendered_by_the_head_give_the_same_losses(kind):
    keypoints, visible = torch.rand(2, 5, 2).numpy() * (64, 96), torch.ones(2, 5).numpy()
    given = sample_of(keypoints, visible)
    rendered = sample_of(keypoints, visible)
    encoded = codec_for((64, 96), encode_heatmaps=False).encode(keypoints, visible)
    rendered.gt_instance_labels.keypoint_centers = torch.from_numpy(encoded["keypoint_centers"])
    del rendered.gt_fields
    rendered.gt_fields = MultilevelPixelData(heatmap_mask=given.gt_fields.heatmap_mask)
    head, feats = head_of(kind), (torch.randn(FEATS),)
    expected = head.loss(feats, [given, given])
    for name, loss in head.loss(feats, [rendered, rendered]).items():
        torch.testing.assert_close(loss, expected[name], msg=name)
    head.decoder = None
    with pytest.raises(RuntimeError, match="needs the codec as its `decoder`"):
        head.loss(feats, [rendered, rendered])


def level_of(kind, weight_branch):
    """A head and what the losses of its coarse resolution take."""
    options = dict(weight_branch=weight_branch) if kind is SWAHRHead else {}
    head = head_of(kind, heatmap_loss=dict(type="WeightAdaptiveLoss"), **options)
    output = head((torch.randn(FEATS),))
    targets, masks = head._field_targets([two_people(), two_people()], output.heatmaps)
    maps = [output.heatmaps[0], None, None]
    for place, branch in ((1, output.scales), (2, output.weight_shifts)):
        if branch is not None:
            maps[place] = torch.randn_like(branch[0]) * 0.1
    return head, maps, targets[0], masks[0]


@pytest.mark.parametrize(
    ("kind", "weight_branch"),
    [(HigherHRNetHead, None), (SWAHRHead, "analytic"), (SWAHRHead, "learned")],
)
def test_losses_of_a_resolution_compile_as_one_graph(kind, weight_branch, monkeypatch):
    """With the formulas that a GPU computes, and without a compiler's code, which is for GPUs."""
    monkeypatch.setattr(weight_adaptive_loss_file, "sparse_heatmap_loss", plain_heatmap_loss)
    monkeypatch.setattr(
        scale_regularization_file, "sparse_regularization_loss", plain_regularization_loss
    )
    head, maps, target, mask = level_of(kind, weight_branch)
    compiled = torch.compile(head._level_losses, fullgraph=True, backend="aot_eager")
    results = []
    for compute in (compiled, head._level_losses):
        leaves = [None if m is None else m.detach().clone().requires_grad_() for m in maps]
        losses = compute(*leaves, target, mask)
        sum(losses.values()).backward()
        results.append([*losses.values(), *(leaf.grad for leaf in leaves if leaf is not None)])
    assert len(results[0]) == {None: 2, "analytic": 4, "learned": 6}[weight_branch]
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_compiled_losses_on_a_gpu_are_those_on_the_cpu():
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    feats, samples = torch.randn(FEATS), [two_people(), two_people()]
    head = head_of(weight_branch="learned", compile_losses=True)
    on_cpu = head.loss((feats,), samples)
    on_gpu = head.cuda().loss((feats.cuda(),), [sample.cuda() for sample in samples])
    for name, loss in on_cpu.items():
        torch.testing.assert_close(on_gpu[name].cpu(), loss, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("num_people", [0, 2])
def test_images_without_labelled_keypoints_train(num_people):
    keypoints = torch.zeros(num_people, 5, 2).numpy()
    sample = sample_of(keypoints, torch.zeros(num_people, 5).numpy())
    head = head_of()
    losses = head.loss((torch.randn(FEATS),), [sample, sample])
    assert losses["loss_pull"] == losses["loss_push"] == 0
    sum(losses.values()).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in head.parameters())


def test_masked_pixels_do_not_count():
    sample = two_people()
    sample.gt_fields.heatmap_mask = [torch.zeros_like(m) for m in sample.gt_fields.heatmap_mask]
    losses = head_of().loss((torch.randn(FEATS),), [sample, sample])
    assert losses["loss_heatmap_s4"] == losses["loss_heatmap_s2"] == 0


def test_prediction_does_not_run_the_branches():
    head = head_of(weight_branch="learned").eval()
    for branch in (*head.scale_layers, *head.weight_layers):
        branch.register_forward_hook(lambda *args: pytest.fail("a training branch ran"))
    preds = head.predict((torch.randn(FEATS)[:1],), [two_people()])
    assert preds[0].keypoints.shape[1:] == (5, 2)


@torch.no_grad()
def test_flip_test_of_a_symmetric_network_is_the_prediction_itself():
    """If the flipped pass sees the mirror image, undoing the flip must bring the maps back."""
    head = head_of().eval()
    feat = torch.randn(FEATS)
    flip_indices = two_people().metainfo["flip_indices"]
    original, flipped_back = head.test_passes([(feat,), (feat,)], flip_indices)
    for maps, back in zip(original, flipped_back, strict=True):
        torch.testing.assert_close(back, maps[:, flip_indices].flip(-1))


@torch.no_grad()
def test_flip_test_puts_the_tags_of_both_passes_side_by_side():
    head = head_of().eval()
    feat = torch.randn(FEATS)[:1]
    _, fields = head.predict(
        [(feat,), (feat.flip(-1),)], [two_people()], dict(output_heatmaps=True)
    )
    assert tuple(fields[0].heatmaps.shape) == (5, 96, 64)
    assert tuple(fields[0].tags.shape) == (10, 96, 64)


def test_options_of_the_stock_head_that_are_not_used_are_named(monkeypatch):
    messages = []
    monkeypatch.setattr(higherhrnet_head, "print_log", lambda text, **_: messages.append(text))
    feat = torch.randn(FEATS)[:1]
    head_of().eval().predict((feat,), [two_people()], dict(shift_heatmap=True, flip_test=False))
    assert [text.split(" is ")[0] for text in messages] == ["`test_cfg.shift_heatmap=True`"]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(decoder=CODEC | dict(num_keypoints=17)), "`num_keypoints=17`, but the head has"),
        (dict(decoder=CODEC | dict(tag_dim=2)), "`tag_dim=2`, but the head has `tag_dim=1`"),
        (dict(decoder=CODEC | dict(heatmap_sizes=[(16, 24)])), "1 entries, but the network has 2"),
        (dict(decoder=CODEC | dict(heatmap_sizes=[(32, 48), (16, 24)])), "in the wrong order"),
        (dict(weight_branch="none"), "`weight_branch` must be 'analytic' or 'learned'"),
        (dict(weight_shift_loss=dict(type="ScaleRegularizationLoss")), "`weight_shift_loss` is"),
        (dict(num_keypoints=0), "`num_keypoints` must be a positive integer"),
        (dict(tag_dim=-1), "`tag_dim` must be a positive integer"),
        (dict(heatmap_loss=dict(type="WeightAdaptiveLoss", gamma=0)), "`gamma` must be positive"),
    ],
)
def test_configs_that_disagree_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        head_of(**kwargs)


def test_targets_for_another_number_of_keypoints_are_named():
    head = head_of(num_keypoints=7)
    with pytest.raises(ValueError, match="Give codec and head the same keypoints"):
        head.loss((torch.randn(FEATS),), [two_people(), two_people()])


def test_prediction_without_a_codec_says_so():
    head = head_of(decoder=None).eval()
    with pytest.raises(RuntimeError, match="has no decoder"):
        head.predict((torch.randn(FEATS)[:1],), [two_people()])


def test_flip_test_without_flip_indices_says_so():
    head = head_of().eval()
    feat = (torch.randn(FEATS),)
    with pytest.raises(ValueError, match="needs `flip_indices`"):
        head.test_passes([feat, feat], None)


def test_losses_are_registered():
    for name in ("WeightAdaptiveLoss", "ScaleRegularizationLoss", "TagGroupingLoss"):
        assert MODELS.build(dict(type=name)) is not None
