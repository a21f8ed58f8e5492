"""Weights by name: published ones, and how they are fetched and loaded."""

import hashlib
import pickle
import re
import runpy

import pytest
import torch
import yaml
from mmengine.logging import MMLogger
from mmengine.runner import Runner, load_checkpoint

from swahr_mmpose.apis import BottomupInferencer
from swahr_mmpose.checkpoints import model_zoo
from swahr_mmpose.checkpoints.download import DownloadError
from swahr_mmpose.checkpoints.reading import CheckpointError
from swahr_mmpose.synthetic import SyntheticOptions, generate_dataset
from swahr_mmpose.synthetic.dataset import generate_image

from ..helpers import (
    CONFIGS,
    ROOT,
    build_model,
    evaluation_config,
    load_config,
    official_weights,
    paddle_weights,
    save,
)
from .test_convert import mmpose_0x
from .test_reading import server  # noqa: F401  (a fixture)

PUBLISHED = "https://download.openmmlab.com/mmpose/bottom_up/"
WITH_WEIGHTS = {
    "higherhrnet_w32_coco": ("8ae85183_20200713", 0.677),
    "higherhrnet_w32_coco_640": ("a22fe938_20200712", 0.686),
    "higherhrnet_w48_coco_512": ("60fedcbc_20200712", 0.686),
    "higherhrnet_w32_crowdpose": ("1aa4a132_20201017", 0.655),
    "higherhrnet_w32_wholebody": ("2fa137ab_20210517", 0.590),
    "higherhrnet_w48_wholebody": ("934f08aa_20210517", 0.630),
    "higherhrnet_w32_aic": ("9a674c33_20210130", 0.315),
}


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_published_weights_are_named_with_the_ap_that_mmpose_reported(name):
    end, ap = WITH_WEIGHTS[name]
    entry = model_zoo.models()[name]
    assert re.fullmatch(rf"{PUBLISHED}higher_hrnet\w+-{end}\.pth", entry["Weights"])
    assert entry["Metadata"]["Results From"] == "MMPose 0.x"
    assert entry["Results"][0]["Metrics"]["AP"] == ap
    assert model_zoo.weights_of(name) == entry["Weights"]


def test_swahr_for_photographs_is_what_paddledetection_published():
    entry = model_zoo.models()["swahr_hrnet_w32_coco"]
    address = "https://paddledet.bj.bcebos.com/models/keypoint/"
    assert entry["Weights"] == f"{address}higherhrnet_hrnet_w32_512_swahr.pdparams"
    assert entry["Metadata"]["Results From"] == "PaddleDetection"
    assert entry["Results"][0]["Metrics"]["AP"] == 0.689
    assert model_zoo.weights_of("swahr_hrnet_w32_coco_multiscale") == entry["Weights"]


def test_every_entry_of_the_metafiles_has_its_config():
    index = yaml.safe_load((CONFIGS.parent / "model-index.yml").read_text())
    assert sorted(index["Import"]) == sorted(
        f"configs/metafiles/{path.name}" for path in (CONFIGS / "metafiles").glob("*.yml")
    )
    for name, entry in model_zoo.models().items():
        assert entry["Config"] == f"configs/{name}.py"
        assert (CONFIGS / f"{name}.py").is_file()


def give_address(monkeypatch, name, address):
    models = model_zoo.models()
    models[name]["Weights"] = address
    monkeypatch.setattr(model_zoo, "models", lambda: models)


def publish(folder, monkeypatch, address, name, content):
    """Serve weights under a name with their hash, as the metafile's address for a config."""
    path = save(content, folder / "weights.pth")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = path.rename(folder / f"weights-{digest[:8]}_20200713.pth")
    give_address(monkeypatch, name, f"{address}/{file.name}")
    return file


@pytest.mark.slow
def test_an_inferencer_by_name_alone(server, monkeypatch, tmp_path, capsys):  # noqa: F811
    """A file as MMPose 0.x published them, fetched once."""
    folder, address = server
    state_dict = mmpose_0x(official_weights("coco_w32", 7))
    meta = dict(epoch=300, mmpose_version="0.29.0", CLASSES=None)
    optimizer = dict(state={0: dict(step=1, exp_avg=torch.zeros(2))}, param_groups=[dict(lr=0.1)])
    content = dict(meta=meta, state_dict=state_dict, optimizer=optimizer)
    file = publish(folder, monkeypatch, address, "higherhrnet_w32_coco", content)
    inferencer = BottomupInferencer("higherhrnet_w32_coco", device="cpu")
    model = inferencer.inferencer.model
    torch.testing.assert_close(
        model.backbone.conv1.weight, state_dict["backbone.conv1.weight"], rtol=0, atol=0
    )
    assert model.dataset_meta["dataset_name"] == "coco"
    assert "Downloading" in capsys.readouterr().out
    file.unlink()
    BottomupInferencer("higherhrnet_w32_coco", device="cpu")
    # a damaged copy is said, not used, and fetched again
    (copy,) = (tmp_path / "cache").rglob("*.pth")
    copy.write_bytes(copy.read_bytes()[:-1])
    with pytest.raises(DownloadError, match="404"):
        BottomupInferencer("higherhrnet_w32_coco", device="cpu")
    assert "is damaged, and fetched again" in capsys.readouterr().out


@pytest.fixture(scope="module")
def paddle_content():
    return pickle.dumps(paddle_weights(), 4)


@pytest.mark.slow
def test_swahr_by_name_alone(server, monkeypatch, paddle_content, capsys):  # noqa: F811
    folder, address = server
    (folder / "swahr.pdparams").write_bytes(paddle_content)
    give_address(monkeypatch, "swahr_hrnet_w32_coco", f"{address}/swahr.pdparams")
    listed = runpy.run_path(str(ROOT / "tools" / "list_models.py"))["place_of_weights"]
    assert listed("swahr_hrnet_w32_coco", f"{address}/swahr.pdparams") == "published"
    model = BottomupInferencer("swahr_hrnet_w32_coco", device="cpu").inferencer.model
    assert model.head.scales_known
    assert model.dataset_meta["dataset_name"] == "coco"
    assert listed("swahr_hrnet_w32_coco", f"{address}/swahr.pdparams") == "downloaded"


def own_keypoints():
    config = load_config("swahr_hrnet_w32_coco")
    config.model.head.num_keypoints = 2
    config.model.head.decoder.decode_keypoint_order = [0, 1]
    config.model.start_from = dict(source="coco", target=["tail", "left_shoulder"])
    return config


@pytest.mark.parametrize(
    ("config", "override", "shoulder", "new"),
    [
        ("swahr_hrnet_w32_coco_finetune", "load_from", 5, None),
        ("swahr_hrnet_w32_crowdpose_from_coco", "model.start_from.checkpoint", 0, 13),
        (own_keypoints, "model.start_from.checkpoint", 1, 0),
    ],
)
def test_a_training_starts_from_swahr(
    tmp_path, monkeypatch, paddle_content, config, override, shoulder, new
):
    """With its scale branch: row 5 is COCO's left shoulder."""
    path = tmp_path / "swahr.pdparams"
    path.write_bytes(paddle_content)
    give_address(monkeypatch, "swahr_hrnet_w32_coco", str(path))
    config = config() if callable(config) else load_config(config)
    by_name = override.startswith("model")
    config.merge_from_dict({override: "swahr_hrnet_w32_coco" if by_name else str(path)})
    model = build_model(config)
    model.init_weights()
    if config.get("load_from"):
        load_checkpoint(model, config.load_from)
    weights = pickle.loads(paddle_content)
    for name in ("scale_layers.1.3.weight", "final_layers.1.weight"):
        theirs = name.replace("scale_layers.", "scalelayer").replace("final_layers.1", "conv2")
        ours = model.head.get_parameter(name)
        assert (ours[shoulder] == torch.from_numpy(weights[f"hrhrnet_head.{theirs}"])[5]).all()
    if new is not None:
        assert (model.head.scale_layers[1][3].weight[new] == 0).all()


def test_swahr_of_other_keypoints_says_which(tmp_path, paddle_content):
    (tmp_path / "a.pdparams").write_bytes(paddle_content)
    with pytest.raises(CheckpointError, match=OF_W32):
        load_checkpoint(
            build_model(load_config("swahr_hrnet_w32_crowdpose")), str(tmp_path / "a.pdparams")
        )


def test_without_network_the_address_and_the_place_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    address = "http://127.0.0.1:9/weights-0123abcd_20200713.pth"
    give_address(monkeypatch, "higherhrnet_w32_coco", address)
    with pytest.raises(DownloadError, match=rf"{address} can't be had.*put it to '{tmp_path}"):
        BottomupInferencer("higherhrnet_w32_coco", device="cpu")


OF_W32 = "width 32 for 17 keypoints, as in higherhrnet_w32_coco"
OF_TINY = "width 24 for 17 keypoints, as in swahr_tiny_synthetic. "


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("higherhrnet_w48_coco_512", OF_W32),
        ("higherhrnet_w32_crowdpose", OF_W32),
        ("higherhrnet_w32_coco", OF_TINY),
    ],
)
def test_weights_of_another_config_say_which(tmp_path, config, message):
    path = model_zoo.weights_of("swahr_tiny_synthetic")
    if message is OF_W32:
        weights = mmpose_0x(official_weights("coco_w32", 7))
        path = str(save(dict(state_dict=weights), tmp_path / "w32.pth"))
    with pytest.raises(RuntimeError, match=message):
        load_checkpoint(build_model(load_config(config)), path)


def test_fine_tuning_starts_with_the_maps_of_the_baseline(tmp_path):
    """What `load_from` of the config names is loaded by a model whose branches are at zero."""
    config = load_config("swahr_hrnet_w32_coco_finetune")
    assert config.load_from == model_zoo.weights_of("higherhrnet_w32_coco")
    weights = mmpose_0x(official_weights("coco_w32", 7))
    path = save(dict(state_dict=weights, meta={}), tmp_path / "published.pth")
    swahr, baseline = build_model(config), build_model(load_config("higherhrnet_w32_coco"))
    swahr.init_weights()
    for model in (swahr, baseline):
        load_checkpoint(model, str(path))
        model.eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        ours = swahr.head(swahr.extract_feat(images))
        expected = baseline.head(baseline.extract_feat(images))
    for level in range(2):
        assert (ours.heatmaps[level] == expected.heatmaps[level]).all()
        assert (ours.scales[level] == 0).all()
    assert (ours.tags == expected.tags).all()


def test_the_network_of_the_package_is_small_and_needs_no_network(monkeypatch):
    def no_network(*_):
        raise AssertionError("it tried to connect")

    monkeypatch.setattr("socket.socket.connect", no_network)
    path = model_zoo.packaged_weights("swahr_tiny_synthetic")
    assert path.stat().st_size <= 6_000_000
    inferencer = BottomupInferencer("swahr_tiny_synthetic", device="cpu")
    image, _ = generate_image(SyntheticOptions(num_images=9, seed=2), 8)
    (result,) = inferencer(image)
    assert sum(person["bbox_score"] > 0.5 for person in result["predictions"][0]) == 4


def test_the_network_of_the_package_says_once_that_it_knows_drawn_people(capsys):
    MMLogger.get_instance("packaged")  # which writes where capsys reads
    for name in ("swahr_tiny_synthetic", "swahr_tiny_synthetic", "higherhrnet_w32_coco"):
        model_zoo.weights_for(CONFIGS / f"{name}.py")
    said = capsys.readouterr().out
    assert said.count("'swahr_tiny_synthetic' only knows drawn people. For photographs, use ") == 1
    assert said.count("\n") == 1


@pytest.mark.slow
def test_the_network_of_the_package_is_as_good_as_the_docs_say(tmp_path):
    """Less a little: other versions of OpenCV draw and scale images a little differently."""
    generate_dataset(tmp_path, "val", SyntheticOptions(num_images=100, seed=1))
    config = evaluation_config(tmp_path / "annotations" / "val.json")
    config.test_dataloader.dataset.data_prefix = dict(img="images/val/")
    weights = model_zoo.weights_of("swahr_tiny_synthetic")
    config.update(work_dir=str(tmp_path / "work"), load_from=weights)
    figures = Runner.from_cfg(config).test()
    assert figures["coco/AP"] >= 0.69
    assert figures["coco/AP .5"] >= 0.91
