import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData
from mmpose.structures import MultilevelPixelData, PoseDataSample

from swahr_mmpose.models import HigherHRNetHead, SWAHRHead
from swahr_mmpose.models.outputs import Level

from ..helpers import HostData, codec_for, without_waiting

CODEC = dict(type="ScaleAdaptiveHeatmap", input_size=(64, 96), heatmap_sizes=[(16, 24), (32, 48)])
FEATS = (2, 8, 24, 16)
MAP_SIZES = [(24, 16), (48, 32)]


def head_of(kind=SWAHRHead, **kwargs):
    options = dict(in_channels=8, num_keypoints=5, num_basic_blocks=1, decoder=CODEC)
    options.update(kwargs)
    head = kind(**options)
    head.init_weights()
    return head


def sample_of(keypoints, visible, encode_heatmaps=True, masked=True):
    """As a pipeline gives it: with heatmaps or with centres, with masks or without."""
    encoded = codec_for((64, 96), encode_heatmaps=encode_heatmaps).encode(keypoints, visible)
    sample = PoseDataSample(metainfo=dict(img_shape=(96, 64), flip_indices=[1, 0, 2, 4, 3]))
    labels = dict(keypoint_indices=torch.from_numpy(encoded["keypoint_indices"]))
    fields = {}
    if encode_heatmaps:
        fields["heatmaps"] = [torch.from_numpy(maps) for maps in encoded["heatmaps"]]
    else:
        labels["keypoint_centers"] = torch.from_numpy(encoded["keypoint_centers"])
        sample.set_metainfo(dict(target_sigma=encoded["target_sigma"]))
    if masked:
        fields["heatmap_mask"] = [torch.ones(1, *size, dtype=torch.bool) for size in MAP_SIZES]
    if fields:
        sample.gt_fields = MultilevelPixelData(**fields)
    sample.gt_instance_labels = InstanceData(**labels)
    return sample


def two_people(**kind):
    keypoints = torch.rand(2, 5, 2).numpy() * (64, 96)
    return sample_of(keypoints, torch.ones(2, 5).numpy(), **kind)


def with_no_pixels(sample):
    """The sample with no pixel that counts."""
    sample.gt_fields.heatmap_mask = [torch.zeros_like(m) for m in sample.gt_fields.heatmap_mask]
    return sample


@pytest.mark.parametrize("weight_branch", ["analytic", "learned"])
def test_output_shapes(weight_branch):
    output = head_of(tag_dim=2, weight_branch=weight_branch)((torch.randn(FEATS),))
    assert [tuple(maps.shape) for maps in output.heatmaps] == [(2, 5, 24, 16), (2, 5, 48, 32)]
    assert tuple(output.tags.shape) == (2, 10, 24, 16)
    assert [maps.shape for maps in output.scales] == [maps.shape for maps in output.heatmaps]
    branches = output.scales
    if weight_branch == "learned":
        assert [m.shape for m in output.weight_shifts] == [m.shape for m in output.heatmaps]
        branches += output.weight_shifts
    else:
        assert output.weight_shifts is None
    assert all((maps == 0).all() for maps in branches)  # where training starts


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
            | {"loss_pull", "loss_push", "mean_width_s4", "mean_width_s2"},
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
def test_targets_of_all_pipelines_give_the_same_losses(kind):
    """Rendered by the codec or by the head, and with a mask that is all ones or without."""
    keypoints, visible = torch.rand(2, 5, 2).numpy() * (64, 96), torch.ones(2, 5).numpy()
    head, feats = head_of(kind), (torch.randn(FEATS),)
    results = [
        head.loss(feats, [sample_of(keypoints, visible, encode_heatmaps, masked)] * 2)
        for encode_heatmaps in (True, False)
        for masked in (True, False)
    ]
    for losses in results[1:]:
        for name, loss in losses.items():
            torch.testing.assert_close(loss, results[0][name], msg=name)


CENTERS = torch.zeros(2, 5, 2, 2, dtype=torch.int32)


@pytest.mark.parametrize(
    ("num_keypoints", "labels", "meta", "message"),
    [
        (7, None, {}, "Give codec and head the same keypoints"),
        (5, None, dict(target_sigma=3.0), r"has `sigma=3.0`, but .* head .* `sigma=2.0`"),
        (5, {}, {}, r"hold no targets, .* Add `dict\(type='GenerateTarget'"),
        (5, dict(keypoint_centers=CENTERS), {}, "or not their width.* pack with `BottomupPack"),
        # tags would be trained at wrong pixels, and keypoints be dropped
        (
            5,
            dict(keypoint_centers=CENTERS),
            dict(target_sigma=2.0, heatmap_sizes=[(16, 16), (32, 32)]),
            "the size of the training images as `input_size`",
        ),
    ],
)
def test_targets_that_do_not_fit_are_named(num_keypoints, labels, meta, message):
    sample = two_people()
    sample.set_metainfo(meta)
    if labels is not None:
        del sample.gt_fields
        sample.gt_instance_labels = InstanceData(**labels)
    with pytest.raises(ValueError, match=message):
        head_of(num_keypoints=num_keypoints).loss((torch.randn(FEATS),), [sample, sample])


@pytest.mark.parametrize(
    ("kind", "weight_branch"),
    [(HigherHRNetHead, None), (SWAHRHead, "analytic"), (SWAHRHead, "learned")],
)
def test_losses_of_a_resolution_compile_as_one_graph(kind, weight_branch):
    """Without a compiler's code, which is for GPUs."""
    options = dict(weight_branch=weight_branch) if kind is SWAHRHead else {}
    head = head_of(kind, heatmap_loss=dict(type="WeightAdaptiveLoss"), **options)
    sample = two_people()
    target = sample.gt_fields.heatmaps[0][None]
    mask = sample.gt_fields.heatmap_mask[0][None]
    maps = torch.randn(3, *target.shape) * 0.1
    wanted = [True, kind is SWAHRHead, weight_branch == "learned"]
    results = []
    for compute in (
        torch.compile(head.level_losses, fullgraph=True, backend="aot_eager"),
        head.level_losses,
    ):
        leaves = [m.clone().requires_grad_() if use else None for m, use in zip(maps, wanted)]
        losses = compute(Level(leaves[0], target, mask, *leaves[1:]))
        sum(losses.values()).backward()
        results.append([*losses.values(), *(leaf.grad for leaf in leaves if leaf is not None)])
    assert len(results[0]) == {None: 2, "analytic": 4, "learned": 6}[weight_branch]
    for one, other in zip(*results):
        torch.testing.assert_close(one, other)


@pytest.mark.gpu
def test_compiled_losses_on_a_gpu_are_those_on_the_cpu(gpu):
    feats, samples = torch.randn(FEATS), [two_people(), two_people()]
    head = head_of(weight_branch="learned", compile_losses=True)
    on_cpu = head.loss((feats,), samples)
    on_gpu = head.to(gpu).loss((feats.to(gpu),), [sample.to(gpu) for sample in samples])
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


def test_the_mean_width_is_that_of_pixels_with_people():
    head, sample = head_of(), two_people()
    feats = (torch.randn(FEATS),)
    losses = head.loss(feats, [sample, sample])
    assert losses["mean_width_s4"] == losses["mean_width_s2"] == 1  # the branches start at zero
    assert not losses["mean_width_s4"].requires_grad
    for layers in head.scale_layers:
        layers[-1].bias.data.fill_(3.0)
    narrow = head.loss(feats, [sample, sample])
    assert narrow["mean_width_s4"] == pytest.approx(0.5)  # 1/√(1+3)
    with_no_pixels(sample)
    assert head.loss(feats, [sample, sample])["mean_width_s4"] == 1


def test_masked_pixels_do_not_count():
    sample = with_no_pixels(two_people())
    losses = head_of().loss((torch.randn(FEATS),), [sample, sample])
    assert losses["loss_heatmap_s4"] == losses["loss_heatmap_s2"] == 0


def test_prediction_does_not_run_the_branches():
    head = head_of(weight_branch="learned").eval()
    for branch in (*head.scale_layers, *head.weight_layers):
        branch.register_forward_hook(lambda *args: pytest.fail("a training branch ran"))
    preds = head.predict((torch.randn(FEATS)[:1],), [two_people()])
    assert preds[0].keypoints.shape[1:] == (5, 2)


class Symmetric(HigherHRNetHead):
    """Predicts from features as they are: mirrored features give mirrored maps."""

    def predict_maps(self, feats, with_scales=False):
        heatmaps = feats[0][:, :5]
        return self.forward(feats)._replace(heatmaps=(heatmaps, heatmaps), tags=heatmaps)


@torch.no_grad()
def test_flip_test_undoes_the_flip():
    """A network that sees the mirror image in the mirror gives the same maps with flip test."""
    head = head_of(Symmetric).eval()
    sample, flip_indices = two_people(), two_people().flip_indices
    feat = torch.randn(FEATS)[:1]
    mirrored = feat.flip(-1)
    mirrored[:, :5] = mirrored[:, flip_indices]
    test_cfg = dict(output_heatmaps=True)
    _, (single,) = head.predict((feat,), [sample], test_cfg)
    _, (both,) = head.predict([(feat,), (mirrored,)], [sample], dict(test_cfg, flip_test=True))
    torch.testing.assert_close(both.heatmaps, single.heatmaps)
    torch.testing.assert_close(both.tags, torch.cat([single.tags, single.tags]))


@torch.no_grad()
def test_a_neck_that_returns_a_list_is_no_flip_pair():
    """Whether there are two passes is for `test_cfg` to say."""
    head = head_of().eval()
    feats = [torch.randn(FEATS)[:1], torch.randn(1, 4, 12, 8)]
    _, (from_list,) = head.predict(feats, [two_people()], dict(output_heatmaps=True))
    _, (from_tuple,) = head.predict(tuple(feats), [two_people()], dict(output_heatmaps=True))
    torch.testing.assert_close(from_list.heatmaps, from_tuple.heatmaps)
    assert tuple(from_list.tags.shape) == (5, 96, 64)


def test_options_of_the_stock_head_that_are_not_used_are_named_once(caplog):
    MMLogger.get_current_instance().addHandler(caplog.handler)
    feat = torch.randn(FEATS)[:1]
    for _ in range(3):
        head_of().eval().predict((feat,), [two_people()], dict(shift_heatmap=True))
    messages = [message for message in caplog.messages if "`test_cfg." in message]
    assert [text.split(" is ")[0] for text in messages] == ["`test_cfg.shift_heatmap=True`"]


def test_pretrained_branches_stay(tmp_path):
    """`init_cfg=Pretrained` on the head is loaded after the branches were zeroed."""
    trained = head_of()
    torch.nn.init.ones_(trained.scale_layers[0][-1].weight)
    torch.save(dict(state_dict=trained.state_dict()), tmp_path / "head.pth")
    init_cfg = dict(type="Pretrained", checkpoint=str(tmp_path / "head.pth"))
    head = head_of(init_cfg=init_cfg)
    assert (head.scale_layers[0][-1].weight == 1).all()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(decoder=dict(CODEC, num_keypoints=17)), "`num_keypoints=17`, but the head has"),
        (dict(decoder=dict(CODEC, decode_keypoint_order=[0, 1])), "each of the 5 keypoints once"),
        (dict(decoder=dict(CODEC, tag_dim=2)), "`tag_dim=2`, but the head has `tag_dim=1`"),
        (dict(decoder=dict(CODEC, heatmap_sizes=[(16, 24)])), "those of the network's strides"),
        (dict(decoder=dict(CODEC, heatmap_sizes=[(32, 48), (16, 24)])), "in this order"),
        (
            dict(weight_branch="learned", heatmap_loss=dict(type="WeightAdaptiveLoss", gamma=None)),
            "`weight_branch='learned'` shifts the weight of WAHR",
        ),
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


@pytest.mark.parametrize(
    ("head", "test_cfg", "error", "message"),
    [
        (dict(decoder=None), {}, RuntimeError, "has no decoder"),
        ({}, dict(flip_test=True), ValueError, "needs `flip_indices`"),
        ({}, dict(multiscale_test=True), ValueError, "multiscale_test=True` is not how scales"),
        (dict(kind=HigherHRNetHead), dict(output_scales=True), ValueError, "no trained scale"),
    ],
)
def test_predictions_that_can_not_be_had_are_named(head, test_cfg, error, message):
    sample, feat = PoseDataSample(metainfo=dict(img_shape=(96, 64))), (torch.randn(FEATS),)
    feats = [feat, feat] if test_cfg.get("flip_test") else feat
    with pytest.raises(error, match=message):
        head_of(**head).eval().predict(feats, [sample], test_cfg)


def test_a_training_step_copies_nothing_from_the_host():
    head, samples = head_of(weight_branch="learned"), [two_people(encode_heatmaps=False)] * 2
    with HostData() as host:
        torch.as_tensor([0])
        head.loss((torch.randn(FEATS),), samples)
    assert len(host.made) == 1  # the one made here to see that it is noticed


@pytest.mark.gpu
def test_losses_do_not_wait_for_the_device(gpu):
    head = head_of(weight_branch="learned").to(gpu)
    no_one = sample_of(*(torch.zeros(0, 5, *end).numpy() for end in ((2,), ())), False)
    samples = [two_people(encode_heatmaps=False).to(gpu), no_one.to(gpu)]
    feats = (torch.randn(FEATS, device=gpu),)
    sum(head.loss(feats, samples).values()).backward()  # warms up
    with without_waiting(gpu):
        sum(head.loss(feats, samples).values()).backward()
