"""Configs of MMPose 0.x, translated by the tool: what comes out can be trained and tested."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.optim.optimizer import default_constructor
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, HOOKS, MODELS

from swahr_mmpose.datasets.metainfo import description_file
from swahr_mmpose.translation import translate

from .. import documentation
from ..helpers import ROOT

K = 17
ORDER = list(range(K))
GONE = object()
NORMAL = dict(type="NormalizeTensor", mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])

DATA_CFG = dict(
    image_size=128, base_size=64, base_sigma=1.5, heatmap_size=[32, 64], num_joints=K, num_scales=2,
    dataset_channel=[ORDER], inference_channel=ORDER, scale_aware_sigma=False,
)  # fmt: skip


def stage(num_branches, block="BASIC"):
    return dict(
        num_modules=1, num_branches=num_branches, block=block,
        num_blocks=(1,) * num_branches, num_channels=tuple(8 * 2**i for i in range(num_branches)),
    )  # fmt: skip


def model():
    losses = dict(
        type="MultiLossFactory", num_joints=K, num_stages=2, ae_loss_type="exp",
        with_ae_loss=[True, False], push_loss_factor=[0.01, 0.01], pull_loss_factor=[0.002, 0.002],
        with_heatmaps_loss=[True, True], heatmaps_loss_factor=[1.0, 1.0],
    )  # fmt: skip
    return dict(
        type="AssociativeEmbedding",
        pretrained=None,
        backbone=dict(
            type="HRNet",
            in_channels=3,
            extra=dict(
                stage1=stage(1, "BOTTLENECK"), stage2=stage(2), stage3=stage(3), stage4=stage(4)
            ),
        ),
        keypoint_head=dict(
            type="AEHigherResolutionHead", in_channels=8, num_joints=K, tag_per_joint=True,
            extra=dict(final_conv_kernel=1), num_deconv_layers=1, num_deconv_filters=[8],
            num_deconv_kernels=[4], num_basic_blocks=2, cat_output=[True],
            with_ae_loss=[True, False], loss_keypoint=losses,
        ),
        train_cfg=dict(),
        test_cfg=dict(
            num_joints=K, max_num_people=20, scale_factor=[0.5, 1, 2], with_heatmaps=[True, True],
            with_ae=[True, False], project2image=True, align_corners=False, nms_kernel=3,
            nms_padding=1, tag_per_joint=True, detection_threshold=0.2, tag_threshold=1,
            use_detection_val=True, ignore_too_much=False, adjust=True, refine=False,
            flip_test=True,
        ),
    )  # fmt: skip


def old_config(folder):
    """A config as MMPose 0.x reads it, for drawn images."""
    affine = dict(
        type="BottomUpRandomAffine", rot_factor=20, scale_factor=[0.8, 1.2], scale_type="short",
        trans_factor=30,
    )  # fmt: skip
    pipelines = dict(
        train=[
            dict(type="LoadImageFromFile"),
            affine,
            dict(type="BottomUpRandomFlip", flip_prob=0.3),
            dict(type="ToTensor"),
            NORMAL,
            dict(type="BottomUpGenerateTarget", sigma=1.5, max_num_people=30),
            dict(type="Collect", keys=["img", "joints", "targets", "masks"], meta_keys=[]),
        ],
        val=[
            dict(type="LoadImageFromFile"),
            dict(type="BottomUpGetImgSize", test_scale_factor=[0.5, 1, 2]),
            dict(type="BottomUpResizeAlign", transforms=[dict(type="ToTensor"), NORMAL]),
            dict(type="Collect", keys=["img"], meta_keys=["image_file"]),
        ],
    )
    data = dict(workers_per_gpu=0, train_dataloader=dict(samples_per_gpu=2))
    for part, name in (("train", "train"), ("val", "val"), ("test", "val")):
        data[part] = dict(
            type="BottomUpCocoDataset", ann_file=f"{folder}/annotations/{name}.json",
            img_prefix=f"{folder}/images/{name}/", data_cfg=DATA_CFG,
            pipeline=pipelines[name],
        )  # fmt: skip
    return dict(
        checkpoint_config=dict(interval=5),
        evaluation=dict(interval=7, metric="mAP", save_best="AP"),
        optimizer=dict(type="SGD", lr=0.01, momentum=0.9),
        optimizer_config=dict(grad_clip=dict(max_norm=3)),
        lr_config=dict(
            policy="step", warmup="linear", warmup_iters=50, warmup_ratio=0.01, step=[20, 26]
        ),
        total_epochs=30,
        log_config=dict(interval=9, hooks=[dict(type="TextLoggerHook")]),
        log_level="INFO",
        load_from=None,
        resume_from=None,
        dist_params=dict(backend="nccl"),
        workflow=[("train", 1)],
        data_cfg=DATA_CFG,
        model=model(),
        data=data,
    )


def run_tool(content, tmp_path, capsys, *more):
    """Exit code of the tool for a config, its text or a file that is missing, and what it said."""
    old = tmp_path / "old.py"
    if content is not None:
        old.write_text(content if isinstance(content, str) else Config(content).pretty_text)
    with pytest.raises(SystemExit) as ended:
        documentation.run_program(ROOT / "tools/translate_config.py", [str(old), *map(str, more)])
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


def changed(changes, data="data"):
    """The config with other values for dotted keys; steps of a pipeline go by their types."""
    content = Config(old_config(data)).to_dict()
    for key, value in changes.items():
        place = content
        *folders, name = key.split(".")
        for folder in folders:
            if isinstance(place, list):
                place = next(step for step in place if step["type"] == folder)
            else:
                place = place.setdefault(folder, {})
        if value is not GONE:
            place[name] = value
        elif isinstance(place, list):
            place[:] = [step for step in place if step["type"] != name]
        else:
            del place[name]
    return content


@pytest.fixture
def translated(synthetic_data, tmp_path, capsys):
    new = tmp_path / "new.py"
    code, said, _ = run_tool(old_config(synthetic_data), tmp_path, capsys, new)
    assert (code, said) == (0, "All settings were translated.\n")
    return Config.fromfile(new)


def test_what_is_translated_trains_and_tests(translated):
    init_default_scope("mmpose")
    network = MODELS.build(translated.model)
    network.init_weights()
    dataset = DATASETS.build(translated.train_dataloader.dataset)
    batch = network.data_preprocessor(pseudo_collate([dataset[0], dataset[1]]), training=True)
    losses = network.loss(**batch)
    total = sum(value for name, value in losses.items() if "loss" in name)
    total.backward()
    assert np.isfinite(total.item())
    test_set = DATASETS.build(translated.test_dataloader.dataset)
    (sample,) = network.eval().test_step(pseudo_collate([test_set[0]]))
    assert sample.pred_instances.keypoints.shape[1:] == (K, 2)


def test_settings_are_where_they_belong(translated):
    codec = translated.model.head.decoder
    assert (codec.sigma, codec.decode_topk, codec.decode_nms_kernel) == (1.5, 20, 3)
    assert (codec.decode_keypoint_thr, codec.decode_fill_missing) == (0.2, False)
    assert translated.model.head.tag_loss == dict(
        type="TagGroupingLoss", pull_weight=0.002, push_weight=0.01
    )
    affine = translated.train_dataloader.dataset.pipeline[1]
    assert (affine.rotation, affine.scale, affine.translation) == (20, (0.8, 1.2), 0.15)
    assert translated.test_dataloader.dataset.pipeline[1].scales == [1.0, 0.5, 2.0]
    assert translated.model.data_preprocessor.mean == [123.675, 116.28, 103.53]
    assert translated.optim_wrapper.optimizer == dict(type="SGD", lr=0.01, momentum=0.9)
    assert translated.optim_wrapper.clip_grad == dict(max_norm=3)
    assert translated.train_cfg == dict(type="EpochBasedTrainLoop", max_epochs=30, val_interval=7)
    assert translated.param_scheduler[1].milestones == [20, 26]
    assert translated.auto_scale_lr.base_batch_size == 16


def test_what_has_no_counterpart_is_listed(synthetic_data, tmp_path, capsys):
    lost = {"model.test_cfg.use_udp": True, "lr_config.policy": "poly", "lr_config.power": 0.9}
    content = changed(lost, data=synthetic_data)
    code, config, listed = run_tool(content, tmp_path, capsys)
    assert code == 0
    assert config.startswith("_base_ = ")
    assert "model.test_cfg.use_udp = True: the coordinates of UDP" in listed
    assert "lr_config.policy = 'poly'" in listed
    assert "lr_config.power = 0.9" in listed


SEVERAL = dict(backbone=dict(type="SGD"), keypoint_head=dict(type="SGD"))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model.keypoint_head", GONE, "no `{key}`"),
        ("model", None, "no `model.keypoint_head`"),
        ("model.keypoint_head.type", "AESimpleHead", "'AESimpleHead', and only 'AEHigher"),
        ("model.keypoint_head.num_joints", GONE, "no `{key}`"),
        ("model.keypoint_head.num_joints", "17", "`{key}` is '17'"),
        ("optimizer", GONE, "no `{key}`"),
        ("optimizer", 5, "`{key}` is not as MMPose 0.x has it"),
        ("optimizer", SEVERAL, "`{key}` has no `type`. Several optimizers"),
        ("data", GONE, "no `data.train.type`"),
        ("data.train", GONE, "no `data.train.type`"),
        ("data.train.data_cfg.heatmap_size", [16], "`data_cfg.heatmap_size` is"),
        ("data.train.data_cfg.image_size", [1, 2, 3], "`data_cfg.image_size` is not"),
        ("data.val.pipeline", None, "`{key}` is not as MMPose 0.x has it"),
        ("total_epochs", "30", "`{key}` is '30', and must be the number of epochs"),
        ("total_epochs", 0, "`{key}` is 0, and must be the number of epochs"),
        (
            "data.test.pipeline.BottomUpGetImgSize.test_scale_factor",
            [0.5, 2],
            "`{key}` can't be translated. "
            "`scales` must be different positive factors with 1 among them",
        ),
        (
            "data.val.pipeline.BottomUpGetImgSize.test_scale_factor",
            [1, 1.3],
            "`{key}` can't be translated. `scales` (1.0, 1.3): 1.3 is not a multiple of 0.5",
        ),
        (
            "data.train.pipeline.BottomUpRandomAffine.rot_factor",
            [-10, 30],
            "`data.train.pipeline.BottomUpRandomAffine` can't be translated",
        ),
        (
            "data.train.pipeline.BottomUpRandomFlip.flip_prob",
            1.5,
            "`data.train.pipeline.BottomUpRandomFlip` can't be translated",
        ),
        (
            "model.test_cfg.nms_kernel",
            4,
            "`data_cfg` and `model.test_cfg` can't be translated. `decode_nms_kernel`",
        ),
    ],
)
def test_what_can_not_be_translated_is_named(key, value, message, synthetic_data, tmp_path, capsys):
    code, _, said = run_tool(changed({key: value}, data=synthetic_data), tmp_path, capsys)
    assert code == 2
    assert said.startswith("error: ")
    assert message.format(key=key) in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = nothing", "NameError: name 'nothing' is not defined"),
        ("model = dict(", "SyntaxError"),
        ("model = 1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("_base_ = ['missing.py']", "missing.py"),
        (None, "No such file"),
    ],
)
def test_whatever_reading_a_config_raises_is_said(tmp_path, capsys, text, message):
    code, _, said = run_tool(text, tmp_path, capsys, tmp_path / "new.py")
    assert code == 2
    assert said.startswith(f"error: The config '{tmp_path / 'old.py'}' can't be read. ")
    assert message in said
    assert not (tmp_path / "new.py").exists()


def test_where_nothing_can_be_written_is_named(tmp_path, capsys):
    """Before the config is read, which is not there."""
    code, _, said = run_tool(None, tmp_path, capsys, tmp_path / "missing" / "new.py")
    assert code == 2
    assert f"The folder '{tmp_path / 'missing'}'" in said


def coco_description():
    return Config.fromfile(description_file("coco")).dataset_info.to_dict()


FLIP = "data.train.pipeline.BottomUpRandomFlip"
RESIZE = "data.val.pipeline.BottomUpResizeAlign.transforms"
TEST_RESIZE = "data.test.pipeline.BottomUpResizeAlign.transforms"
STEPS = "train_dataloader.dataset.pipeline"
TO_TENSOR = dict(type="ToTensor")
NOT_NORMALISED = {
    "data.train.pipeline.NormalizeTensor": GONE,
    RESIZE: [TO_TENSOR],
    TEST_RESIZE: [TO_TENSOR],
}
BY_WINDOWS = dict(init_scale=8.0, mode="dynamic", scale_window=9)
PRETRAINED = dict(type="Pretrained", checkpoint="b.pth")
WANDB = [dict(type="WandbLoggerHook", init_kwargs=dict(a=1))]
DESCRIBED = {"data.val.dataset_info": coco_description()}


@pytest.mark.parametrize(
    ("changes", "key", "expected"),
    [
        ({f"{FLIP}.flip_prob": GONE}, f"{STEPS}.2.prob", 0.5),
        ({FLIP: GONE}, f"{STEPS}.2.prob", 0.0),
        ({"fp16": {}}, "optim_wrapper.type", "AmpOptimWrapper"),
        ({"fp16": {}}, "optim_wrapper.loss_scale", 512.0),
        ({"fp16.loss_scale": "dynamic"}, "optim_wrapper.loss_scale", "dynamic"),
        (
            {"fp16.loss_scale": BY_WINDOWS},
            "optim_wrapper.loss_scale",
            dict(init_scale=8.0, growth_interval=9),
        ),
        ({"fp16.loss_scale": dict(init_scale=8, mode="static")}, "optim_wrapper.loss_scale", 8.0),
        (NOT_NORMALISED, "model.data_preprocessor", dict(mean=[0.0] * 3, std=[255.0] * 3)),
        ({"data.train.data_cfg.base_sigma": 1.5}, "model.head.decoder.sigma", 1.5),
        ({"data_cfg": dict(image_size=512)}, f"{STEPS}.1.input_size", (128, 128)),
        ({"data.val_dataloader.workers_per_gpu": 3}, "val_dataloader.num_workers", 3),
        ({"data.samples_per_gpu": 24}, "val_dataloader.batch_size", 1),
        ({"evaluation": dict(interval=1)}, "default_hooks.checkpoint.save_best", None),
        ({"lr_config.warmup_by_epoch": True}, "param_scheduler.0.convert_to_iter_based", True),
        ({"model.backbone.init_cfg": PRETRAINED}, "model.backbone.init_cfg.checkpoint", "b.pth"),
        ({"model.keypoint_head.num_deconv_filters": GONE}, "model.head.deconv_channels", 32),
        ({"log_config.hooks": WANDB}, "vis_backends.1.init_kwargs", dict(a=1)),
        (DESCRIBED, "val_dataloader.dataset.metainfo", "nothing"),
    ],
)
def test_a_setting_is_as_in_mmpose_0x(changes, key, expected):
    translation = translate(changed(changes))
    value = translation.settings
    for name in key.split("."):
        value = value[int(name)] if isinstance(value, list) else value.get(name, "nothing")
    assert value == expected
    assert translation.report() == []


@pytest.mark.parametrize(
    "part", ["keypoint_info.0.name", "keypoint_info.1.swap", "joint_weights.3", "sigmas.2",
             "skeleton_info.4.link"]
)  # fmt: skip
def test_an_edited_description_is_kept_though_it_has_the_name(part):
    description = coco_description()
    *folders, name = [int(name) if name.isdigit() else name for name in part.split(".")]
    changed_part = description
    for folder in folders:
        changed_part = changed_part[folder]
    changed_part[name] = 0.5 if isinstance(changed_part[name], float) else "other"
    translation = translate(changed({"data.train.dataset_info": description}))
    assert translation.settings["train_dataloader"]["dataset"]["metainfo"] == description


def listed_of(old, listed):
    """Whether something of an old config is said to be lost."""
    return any(line.startswith(listed) for line in translate(old).report())


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        (
            {RESIZE: [TO_TENSOR, dict(NORMAL, mean=[0, 0, 0])]},
            f"{RESIZE}.NormalizeTensor.mean = [0, 0, 0]: images are normalised as in the training",
        ),
        (
            {TEST_RESIZE: [TO_TENSOR]},
            f"{TEST_RESIZE}.NormalizeTensor = None: images are normalised as in the training",
        ),
        ({RESIZE: [TO_TENSOR, NORMAL, dict(type="Blur")]}, f"{RESIZE}.Blur = True"),
        (
            {"model.test_cfg.align_corners": GONE},
            "model.test_cfg.align_corners = True: maps are resized as without it",
        ),
        (
            {"model.pretrained": "a.pth", "model.backbone.init_cfg": PRETRAINED},
            "model.backbone.init_cfg.checkpoint = 'b.pth'",
        ),
    ],
)
def test_whatever_is_lost_is_listed(changes, listed):
    assert listed_of(changed(changes), listed)


@pytest.mark.parametrize(("part", "place"), [("train", "[7]"), ("val", "")])
def test_a_step_that_is_not_expected_is_listed(part, place):
    old = changed({})
    old["data"][part]["pipeline"].append(dict(type="BottomUpRandomFlip"))
    assert listed_of(old, f"data.{part}.pipeline.BottomUpRandomFlip{place} = True")


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        (
            "data.train.pipeline.LoadImageFromFile.channel_order",
            "bgr",
            ": the network is given RGB",
        ),
        (
            "data.train.pipeline.BottomUpGenerateTarget.sigma",
            3,
            ": targets have the width `data_cfg.base_sigma`",
        ),
        ("data.val.pipeline.BottomUpGetImgSize.base_length", 32, ""),
        (
            "data.val.data_cfg.image_size",
            256,
            ": test images have the shorter side of the training's as their own",
        ),
        ("data.val.type", "BottomUpCrowdPoseDataset", ""),
        ("optimizer.constructor", "LayerDecay", ": it is kept by name, and must be written anew"),
        ("fp16.bucket_size_mb", 5, ""),
        ("log_config.hooks", [dict(type="TextLoggerHook", ignore_last=False)], ""),
        ("lr_config.by_epoch", False, ": epochs are counted"),
        ("model.test_cfg.score_per_joint", True, ""),
        ("model.test_cfg.with_heatmaps", [False, True], ""),
        ("model.test_cfg.ignore_too_much", True, ""),
        ("model.test_cfg.adjust", False, ""),
        ("model.test_cfg.project2image", False, ""),
        ("optimizer_config.cumulative_iters", 4, ""),
        ("evaluation.start", 9, ""),
        ("checkpoint_config.by_epoch", False, ""),
    ],
)
def test_a_setting_without_counterpart_is_listed(key, value, why):
    assert listed_of(changed({key: value}), f"{key} = {value!r}{why}")


def test_non_square_images_are_tested_by_their_shorter_side_and_listed():
    old = changed({})
    for part in ("train", "val", "test"):
        size = dict(image_size=[256, 128], heatmap_size=[[64, 32], [128, 64]])
        old["data"][part]["data_cfg"].update(size)
    translation = translate(old)
    assert translation.settings["val_dataloader"]["dataset"]["pipeline"][1]["input_size"] == 128
    (listed,) = translation.report()
    assert listed.startswith("data_cfg.image_size = [256, 128]: test images")


def test_learning_rates_of_parts_reach_the_optimizer(tmp_path, monkeypatch):
    # it says several lines for each parameter
    monkeypatch.setattr(default_constructor, "print_log", lambda *args, **kwargs: None)
    keys = dict(backbone=dict(lr_mult=0.1), keypoint_head=dict(lr_mult=10))
    constructor = {
        "optimizer.paramwise_cfg": dict(custom_keys=keys),
        "optimizer.constructor": "DefaultOptimizerConstructor",
    }
    translation = translate(changed(constructor))
    assert translation.report() == []
    new = tmp_path / "new.py"
    new.write_text(translation.text())
    config = Config.fromfile(new)
    init_default_scope("mmpose")
    network = MODELS.build(config.model)
    groups = build_optim_wrapper(network, config.optim_wrapper).param_groups
    rates = {round(group["lr"], 6) for group in groups if group["params"]}
    assert rates == {0.001, 0.1}
    assert HOOKS.build(config.default_hooks.checkpoint).interval == 5
