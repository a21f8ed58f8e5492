"""Configs of MMPose 0.x, translated by the tool: what comes out can be trained and tested."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, MODELS

from . import documentation
from .helpers import ROOT

K = 17
ORDER = list(range(K))

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
    """A config as MMPose 0.x reads it, for drawn pictures."""
    normal = dict(type="NormalizeTensor", mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
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
            normal,
            dict(type="BottomUpGenerateTarget", sigma=1.5, max_num_people=30),
            dict(type="Collect", keys=["img", "joints", "targets", "masks"], meta_keys=[]),
        ],
        val=[
            dict(type="LoadImageFromFile"),
            dict(type="BottomUpGetImgSize", test_scale_factor=[0.5, 1, 2]),
            dict(type="BottomUpResizeAlign", transforms=[dict(type="ToTensor"), normal]),
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
    """Exit code of the tool, and what it said."""
    old = tmp_path / "old.py"
    old.write_text(Config(content).pretty_text)
    with pytest.raises(SystemExit) as ended:
        documentation.run_program(ROOT / "tools/translate_config.py", [str(old), *more])
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


@pytest.fixture
def translated(synthetic_data, tmp_path, capsys):
    new = tmp_path / "new.py"
    code, said, _ = run_tool(old_config(synthetic_data), tmp_path, capsys, str(new))
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
    content = old_config(synthetic_data)
    content["model"]["test_cfg"]["use_udp"] = True
    content["lr_config"].update(policy="poly", power=0.9)
    code, config, listed = run_tool(content, tmp_path, capsys)
    assert code == 0
    assert config.startswith("_base_ = ")
    assert "model.test_cfg.use_udp = True: the coordinates of UDP" in listed
    assert "lr_config.policy = 'poly'" in listed
    assert "lr_config.power = 0.9" in listed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda old: old["model"].pop("keypoint_head"), "no `model.keypoint_head`"),
        (
            lambda old: old["model"]["keypoint_head"].update(type="AESimpleHead"),
            "'AESimpleHead', and only 'AEHigherResolutionHead'",
        ),
        (lambda old: old.pop("optimizer"), "no `optimizer`"),
        (lambda old: old["data_cfg"].update(heatmap_size=[16]), r"`data_cfg.heatmap_size` is"),
        (
            lambda old: old["model"]["keypoint_head"].pop("num_joints"),
            "no `model.keypoint_head.num_joints`",
        ),
        (
            lambda old: old["model"]["keypoint_head"].update(num_joints="17"),
            "`model.keypoint_head.num_joints` is '17'",
        ),
        (lambda old: old["data"].pop("train"), "no `data.train.type`"),
        (lambda old: old.pop("data"), "no `data.train.type`"),
        (lambda old: old.update(model=None), "no `model.keypoint_head`"),
        (
            lambda old: old["data"]["val"].update(pipeline=None),
            "`data.val.pipeline` is not as MMPose 0.x has it",
        ),
        (lambda old: old["data_cfg"].update(image_size=[1, 2, 3]), "`data_cfg.image_size` is not"),
        (lambda old: old.update(optimizer=5), "`optimizer` is not as MMPose 0.x has it"),
    ],
)
def test_what_can_not_be_translated_is_named(change, message, synthetic_data, tmp_path, capsys):
    content = Config(old_config(synthetic_data)).to_dict()
    change(content)
    code, _, said = run_tool(content, tmp_path, capsys)
    assert code == 1
    assert said.startswith("error: ")
    assert message in said


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
    old, new = tmp_path / "old.py", tmp_path / "new.py"
    if text is not None:
        old.write_text(text)
    with pytest.raises(SystemExit) as ended:
        documentation.run_program(ROOT / "tools/translate_config.py", [str(old), str(new)])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {old}: ")
    assert message in said
    assert not new.exists()


def test_where_nothing_can_be_written_is_named(tmp_path, capsys):
    """Before the config is read, which is not there."""
    arguments = [str(tmp_path / "old.py"), str(tmp_path / "missing" / "new.py")]
    with pytest.raises(SystemExit) as ended:
        documentation.run_program(ROOT / "tools/translate_config.py", arguments)
    assert ended.value.code == 1
    assert f"The folder '{tmp_path / 'missing'}'" in capsys.readouterr().err
