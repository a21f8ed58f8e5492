"""Training that starts from a network of other keypoints."""

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from swahr_mmpose.checkpoints.model_zoo import weights_of
from swahr_mmpose.checkpoints.reading import CheckpointError
from swahr_mmpose.datasets.metainfo import keypoint_names

from ..helpers import build_model, evaluation_config, load_config, save
from .test_convert import mmpose_0x, official_layout


def network(num_keypoints, start_from=None, **head):
    config = load_config("swahr_tiny_synthetic")
    config.model.head.update(num_keypoints=num_keypoints, **head)
    config.model.start_from = start_from
    return build_model(config)


@pytest.fixture
def coco(tmp_path):
    """A network of COCO's keypoints whose weights are random, and its checkpoint.

    It lacks the count of batches, which other frameworks don't save.
    """
    model = network(17)
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.1, 1)
    weights = {k: v for k, v in model.state_dict().items() if "num_batches_tracked" not in k}
    return model, str(save(dict(state_dict=weights, meta={}), tmp_path / "coco.pth"))


def same_output_rows(ours, theirs, our_names, their_names):
    """How many keypoints of the same name there are; all that belongs to them is equal."""
    pairs = [
        (i, their_names.index(name)) for i, name in enumerate(our_names) if name in their_names
    ]
    for level, blocks in ((0, 2), (1, 1)):
        for part in ("weight", "bias"):
            mine, other = (
                getattr(net.head.final_layers[level], part).unflatten(0, (blocks, len(names)))
                for net, names in ((ours, our_names), (theirs, their_names))
            )
            for i, j in pairs:
                torch.testing.assert_close(mine[:, i], other[:, j], rtol=0, atol=0)
    return len(pairs)


@pytest.mark.parametrize(
    ("target", "carried"), [("crowdpose", 12), ("aic", 12), (["nose", "tail", "left_knee"], 2)]
)
def test_keypoints_of_the_same_name_are_carried_over(coco, target, carried):
    source, path = coco
    names = keypoint_names(target)
    torch.manual_seed(1)
    start_from = dict(checkpoint=path, source="coco", target=target)
    model = network(len(names), start_from)
    model.init_weights()
    assert same_output_rows(model, source, names, keypoint_names("coco")) == carried
    torch.testing.assert_close(model.backbone.conv1.weight, source.backbone.conv1.weight)
    torch.testing.assert_close(
        model.head.deconv_layers[0][1][0].conv1.weight,
        source.head.deconv_layers[0][1][0].conv1.weight,
    )


def test_weights_in_half_precision_are_carried_over():
    start_from = dict(
        checkpoint="swahr_tiny_synthetic", source="coco", target=["nose", "tail", "left_knee"]
    )
    model = network(3, start_from)
    model.init_weights()
    weights = torch.load(weights_of("swahr_tiny_synthetic"), weights_only=True)["state_dict"]
    name = "head.final_layers.1.bias"
    assert weights[name].dtype == torch.float16
    carried = model.state_dict()[name]
    assert carried.dtype == torch.float32
    assert carried[[0, 2]].tolist() == weights[name][[0, 13]].tolist()


def test_maps_of_the_carried_keypoints_stay_as_they_were(coco):
    """The coarse ones exactly. The finer ones too where the new keypoints' maps are not read."""
    source, path = coco
    model = network(14, dict(checkpoint=path, source="coco", target="crowdpose"))
    model.init_weights()
    ours, theirs = keypoint_names("crowdpose"), keypoint_names("coco")
    both = [name for name in ours if name in theirs]
    mine, other = [ours.index(name) for name in both], [theirs.index(name) for name in both]
    # what the deconvolution reads of keypoints that only one of them has
    for net, names in ((model, ours), (source, theirs)):
        weight = net.head.deconv_layers[0][0][0].weight.data
        for i, name in enumerate(names):
            if name not in both:
                weight[24 + i] = weight[24 + len(names) + i] = 0
    feature = [torch.randn(1, 24, 16, 16)]
    with torch.no_grad():
        out, expected = model.eval().head(feature), source.eval().head(feature)
    for level in range(2):
        torch.testing.assert_close(out.heatmaps[level][:, mine], expected.heatmaps[level][:, other])
        torch.testing.assert_close(out.scales[level][:, mine], expected.scales[level][:, other])
    torch.testing.assert_close(out.tags[:, mine], expected.tags[:, other])


def test_the_log_says_what_was_carried_kept_and_left(coco, capsys):
    _, path = coco
    MMLogger.get_instance("start", logger_name="start")
    network(14, dict(checkpoint=path, source="coco", target="crowdpose")).init_weights()
    said = capsys.readouterr()
    text = said.out + said.err
    assert "carried over: 12 (left_shoulder" in text
    assert "new: 2 (top_head, neck)" in text
    assert "left behind: 5 (nose, left_eye" in text


def test_a_checkpoint_of_this_package_says_its_keypoints(coco, tmp_path):
    source, path = coco
    with pytest.raises(CheckpointError, match=r"Give `start_from.source`"):
        network(14, dict(checkpoint=path, target="crowdpose")).init_weights()
    named = dict(enumerate(keypoint_names("coco")))
    meta = dict(dataset_meta=dict(keypoint_id2name=named))
    torch.save(dict(state_dict=source.state_dict(), meta=meta), path)
    model = network(14, dict(checkpoint=path, target="crowdpose"))
    model.init_weights()
    assert same_output_rows(model, source, keypoint_names("crowdpose"), list(named.values())) == 12


@pytest.mark.parametrize(
    ("changes", "head", "message"),
    [
        (dict(source="cocoo"), {}, "no description of a dataset 'cocoo'. Did you mean 'coco'"),
        (dict(source="crowdpose"), {}, "The checkpoint has 17 keypoints, but 14 names"),
        (dict(target="coco"), {}, "The model has 14 keypoints, but 17 names"),
        (dict(target=["nose"] * 14), {}, r"\['nose'\] are named more than once"),
        ({}, dict(tag_dim=2), "`tag_dim=1`, the model `tag_dim=2`"),
        ({}, dict(deconv_channels=16), "of another shape: 17, first head.final_layers.1"),
        ({}, dict(num_basic_blocks=2), "missing weights: .*, first head.deconv_layers.0.2"),
    ],
)
def test_what_does_not_fit_is_named(coco, changes, head, message):
    _, path = coco
    start_from = dict(dict(checkpoint=path, source="coco", target="crowdpose"), **changes)
    with pytest.raises((ValueError, CheckpointError), match=message):
        network(14, start_from, **head).init_weights()


def test_a_checkpoint_of_mmpose_0x_can_be_started_from(coco, tmp_path):
    source, _ = coco
    weights = mmpose_0x(official_layout(source.state_dict()))
    path = save(dict(state_dict=weights, meta={}), tmp_path / "0x.pth")
    model = network(14, dict(checkpoint=str(path), source="coco", target="crowdpose"))
    model.init_weights()
    names = keypoint_names("crowdpose")
    assert same_output_rows(model, source, names, keypoint_names("coco")) == 12
    assert (model.head.scale_layers[0][-1].weight == 0).all()


def test_a_test_of_the_trained_network_starts_from_nothing_else(coco, synthetic_data, tmp_path):
    """The option is for the start of a training: nothing is read when its result is loaded."""
    trained = network(17)
    path = save(dict(state_dict=trained.state_dict(), meta={}), tmp_path / "trained.pth")
    config = evaluation_config(synthetic_data / "annotations" / "val.json")
    config.model.start_from = dict(checkpoint="not/there.pth", source="coco", target="coco")
    config.update(work_dir=str(tmp_path / "work"), load_from=str(path))
    runner = Runner.from_cfg(config)
    runner.test()
    loaded = runner.model.backbone.conv1.weight
    torch.testing.assert_close(loaded, trained.backbone.conv1.weight)


@pytest.mark.parametrize("method", ["higherhrnet", "swahr_hrnet"])
@pytest.mark.parametrize(
    ("width", "weights"), [("w32", "higherhrnet_w32_coco"), ("w48", "higherhrnet_w48_coco_512")]
)
def test_crowdpose_configs_start_from_published_weights(method, width, weights):
    config = load_config(f"{method}_{width}_crowdpose_from_coco")
    start_from = dict(checkpoint=weights_of(weights), source="coco", target="crowdpose")
    assert config.model.start_from == start_from
