import contextlib
import http.server
import pickle
import struct
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch
from mmengine.fileio import LocalBackend
from mmengine.fileio.backends import prefix_to_backends
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.runner import CheckpointLoader, Runner, load_checkpoint
from mmpose.apis import MMPoseInferencer, Pose2DInferencer, init_model

from swahr_mmpose.apis import BottomupInferencer
from swahr_mmpose.checkpoints.download import DownloadError, cached_file, download
from swahr_mmpose.checkpoints.mmengine_loaders import listed_address
from swahr_mmpose.checkpoints.model_zoo import weights_of
from swahr_mmpose.checkpoints.reading import (
    CheckpointError,
    allow_mmengine_checkpoints,
    read_checkpoint,
)

from ..helpers import (
    CONFIGS,
    GOLDEN,
    build_model,
    evaluation_config,
    load_config,
    save,
    tiny_paddle_file,
)

CHECKED_BY_TORCH = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6),
    reason="torch.load has no list of allowed types before 2.6",
)


def torch_load(path):
    return torch.load(path, weights_only=True)


#: Pickled as calls of their types, or as bytes of none.
EMPTY = dict(a=b"", c=frozenset(), d=set(), e=np.str_(""), f=np.bytes_(b""))


def read_as_older_torch(path):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("swahr_mmpose.checkpoints.reading._TORCH_CHECKS", False)
        return read_checkpoint(path)


@pytest.mark.parametrize(
    "read", [read_checkpoint, read_as_older_torch, pytest.param(torch_load, marks=CHECKED_BY_TORCH)]
)
def test_what_mmengine_saves_loads(tmp_path, read):
    """Loss histories, NumPy arrays and scalars, as MMEngine puts them into checkpoints."""
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    hub = dict(
        log_scalars=dict(loss=history, acc=HistoryBuffer()),
        runtime_info=dict(lr=np.float64(0.1), **EMPTY),
    )
    dataset_meta = dict(
        sigmas=np.float32([0.1]),
        colors=np.uint8([[255, 0, 0]]),
        limbs=np.zeros((0, 2), int),
        limb_names=np.array([], dtype=str),
    )
    content = dict(
        state_dict=dict(weight=torch.ones(2)), message_hub=hub, meta=dict(dataset_meta=dataset_meta)
    )
    path = save(content, tmp_path / "checkpoint.pth")
    loaded = read(path)
    assert loaded["message_hub"]["log_scalars"]["loss"].mean() == history.mean()
    assert loaded["meta"]["dataset_meta"]["sigmas"] == np.float32(0.1)
    assert loaded["meta"]["dataset_meta"]["colors"].tolist() == [[255, 0, 0]]
    assert loaded["meta"]["dataset_meta"]["limbs"].shape == (0, 2)
    assert len(loaded["message_hub"]["log_scalars"]["acc"].data[0]) == 0
    assert EMPTY.items() <= loaded["message_hub"]["runtime_info"].items()
    # saved again it holds the same types, and none of this package's
    torch.save(loaded, path)
    again = read(path)
    assert again["message_hub"]["runtime_info"]["lr"] == 0.1
    assert b"swahr" not in path.read_bytes()


class Reduced:
    """Pickled as a function, its arguments, and a state."""

    def __init__(self, *parts):
        self.parts = parts

    def __reduce__(self):
        return self.parts


DANGEROUS = Reduced(print, ("this must not run",))
ARRAY = np.zeros(1).__reduce__()[0], (np.ndarray, (0,), b"b")
POINTER = struct.pack("P", 0xDEAD)
TRICKS = {
    "a call": DANGEROUS,
    # from where all globals can be reached
    "a method": Reduced(getattr, (HistoryBuffer, "__init__")),
    "a method of NumPy": Reduced(getattr, (np.ndarray, "tofile")),
    # objects over raw bytes, which NumPy would follow as pointers
    "raw pointers": Reduced(*ARRAY, (1, (1,), np.dtype("O"), False, POINTER)),
    "an array from a buffer": Reduced(np.ndarray, ((1,), np.dtype("O"), POINTER)),
    "a function's state": Reduced(getattr, (HistoryBuffer, "mean"), (None, dict(changed=1))),
    # fewer bytes than the shape says
    "a short array": Reduced(*ARRAY, (1, (1 << 20,), np.dtype("f8"), False, b"12345678")),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_tricks_are_refused(tmp_path, trick, capsys):
    path = save(dict(meta=TRICKS[trick]), tmp_path / "checkpoint.pth")
    with pytest.raises(CheckpointError, match="can't be read as a checkpoint of tensors") as caught:
        read_checkpoint(path)
    assert "weights_only" not in str(caught.value)
    assert "must not run" not in capsys.readouterr().out


@CHECKED_BY_TORCH
@pytest.mark.parametrize("trick", TRICKS)
def test_tricks_are_refused_by_torch_too(tmp_path, trick, capsys):
    """Also where MMEngine's types are allowed, and by its default."""
    allow_mmengine_checkpoints()
    path = save(dict(state_dict=dict(), meta=TRICKS[trick]), tmp_path / "checkpoint.pth")
    for options in (dict(weights_only=True), {}):
        with pytest.raises(pickle.UnpicklingError):
            torch.load(path, **options)
    assert "must not run" not in capsys.readouterr().out


def test_objects_of_mmcv_are_refused_by_name(tmp_path, monkeypatch):
    """As some checkpoints of MMPose 0.x have them in their `meta`."""
    kind = type("ConfigDict", (dict,), {"__module__": "mmcv.utils.config"})
    module = types.ModuleType("mmcv.utils.config")
    module.ConfigDict = kind
    monkeypatch.setitem(sys.modules, "mmcv.utils.config", module)
    path = save(dict(meta=dict(cfg=kind(lr=0.1))), tmp_path / "checkpoint.pth")
    message = r"asks for mmcv\.utils\.config\.ConfigDict.*`state_d"
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


def paddle_file(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_paddles_files_are_read(tmp_path, protocol):
    """Large arrays are cut where the protocol is below 4, and names of variables are added."""
    whole = np.arange(6, dtype=np.float32)
    slices = dict(OriginShape=(2, 3), slices=["conv.weight@@.0", "conv.weight@@.1"])
    content = {
        "conv.weight@@.0": whole[:4],
        "conv.weight@@.1": whole[4:],
        "norm._mean": np.zeros(0, ">f4"),
        "count": np.array(7),
        "UnpackBigParamInfor@@": {"conv.weight": slices},
        "StructuredToParameterName@@": {"conv.weight": "conv2d_0.w_0"},
    }
    weights = read_checkpoint(paddle_file(tmp_path / "a.pdparams", content, protocol))
    assert {name: value.tolist() for name, value in weights.items()} == {
        "conv.weight": [[0, 1, 2], [3, 4, 5]],
        "norm._mean": [],
        "count": 7,
    }


def test_a_file_that_paddle_wrote_is_read():
    """By PaddlePaddle 3.3.1 with NumPy 2."""
    weights = read_checkpoint(GOLDEN / "paddle_head_only.pdparams")
    assert len(weights) == 65
    assert weights["scalelayer1.3.weight"].shape == (17, 1, 9, 9)
    assert torch.cat([value.flatten() for value in weights.values()]).isfinite().all()


WEIGHT = np.ones(2, np.float32)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        *((dict(a=trick), "could run code") for trick in TRICKS.values()),
        ([WEIGHT], "holds a list, not a dict of weights"),
        (dict(a=WEIGHT, epoch=3), "holds 'epoch' of the type int, no weight"),
        (dict(a=WEIGHT.astype(np.uint16)), "holds 'a' of the type uint16, no weight"),
        (dict(a=np.array(["x"])), "holds 'a' of the type <U1, no weight"),
        (dict(a=np.array([None])), "NumPy array of the type 'O8'"),
        ({"UnpackBigParamInfor@@": dict(a=dict(slices=["b"]))}, "damaged, incomplete"),
        ({7: WEIGHT}, "name is not text but a int"),
    ],
)
def test_what_is_no_file_of_paddle_is_named(tmp_path, capsys, content, message):
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(paddle_file(tmp_path / "a.pdparams", content))
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.pdparams", "damaged, incomplete"),
        ("a.pdmodel", "of an exported network of PaddlePaddle. Give the `.pdparams`"),
        ("a.pdiparams", "of an exported network of PaddlePaddle. Give the `.pdparams`"),
    ],
)
def test_cut_and_exported_files_of_paddle_are_named(tmp_path, name, message):
    content = pickle.dumps(dict(a=WEIGHT), 2) if name == "a.pdparams" else bytes(64)
    for end in (len(content) // 2, len(content) - 1):
        (tmp_path / name).write_bytes(content[:end])
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint(tmp_path / name)


@contextlib.contextmanager
def serving(handler):
    """The address of a server on this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder, and the address that it is served at; the cache is elsewhere."""
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))

    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with serving(handler) as address:
        yield folder, address


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """A folder that MMEngine reads as a storage."""

    class Backend(LocalBackend):
        def get(self, filepath):
            return super().get(tmp_path / filepath.split("://")[1])

    backends = {**prefix_to_backends, "s3": Backend, "petrel": Backend}
    monkeypatch.setattr("mmengine.fileio.io.prefix_to_backends", backends)
    monkeypatch.setattr("mmengine.fileio.io.backend_instances", {})
    return tmp_path


def runner_with(synthetic_data, tmp_path, **changes):
    config = evaluation_config(synthetic_data / "annotations" / "val.json")
    config.update(work_dir=str(tmp_path / "work"), **changes)
    return Runner.from_cfg(config)


def by_init_model(path, *_):
    return init_model(str(CONFIGS / "swahr_tiny_synthetic.py"), path, device="cpu")


def by_inferencer(path, *_):
    return BottomupInferencer("swahr_tiny_synthetic", path, device="cpu").inferencer.model


def by_mmposes_inferencer(path, *_):
    config = str(CONFIGS / "swahr_tiny_synthetic.py")
    return MMPoseInferencer(config, path, device="cpu").inferencer.model


def initialised(config):
    model = build_model(config)
    model.init_weights()
    return model


def by_init_cfg(path, *_):
    config = load_config("swahr_tiny_synthetic")
    config.model.init_cfg = dict(type="Pretrained", checkpoint=path)
    return initialised(config)


def by_start_from(path, *_):
    config = load_config("swahr_tiny_synthetic")
    config.model.start_from = dict(checkpoint=path, source="coco", target="coco")
    return initialised(config)


def by_load_from(path, *place):
    runner = runner_with(*place, load_from=path)
    runner.test()
    return runner.model


def by_resume(path, *place):
    runner_with(*place).resume(path)


def by_partial_checkpoint(path, *_):
    config = load_config("swahr_tiny_synthetic")
    config.model.partial_checkpoint = True
    model = build_model(config)
    load_checkpoint(model, path)
    return model


LOADING = [
    by_init_model,
    by_inferencer,
    by_mmposes_inferencer,
    by_init_cfg,
    by_start_from,
    by_load_from,
    by_partial_checkpoint,
]
DOORS = [*LOADING, by_resume]


@pytest.mark.parametrize("door", LOADING)
def test_a_file_of_paddle_loads_at_every_door(synthetic_data, tmp_path, tiny_weights, door):
    model = door(str(tiny_paddle_file(tmp_path / "a.pdparams")), synthetic_data, tmp_path)
    state = model.state_dict()
    for name, value in tiny_weights["state_dict"].items():
        assert name.endswith("num_batches_tracked") or torch.equal(state[name], value), name


@pytest.mark.parametrize("prefix", [None, "backbone."])
def test_a_backbone_of_which_nothing_is_there_is_named(tmp_path, prefix):
    config = load_config("swahr_tiny_synthetic")
    path = paddle_file(tmp_path / "a.pdparams", {"backbone.conv_layer1_1.conv.weight": WEIGHT})
    config.model.backbone.init_cfg = dict(type="Pretrained", checkpoint=str(path))
    if prefix:
        config.model.backbone.init_cfg.prefix = prefix
    with pytest.raises(CheckpointError, match=r"missing weights: .* `model\.start_from`"):
        initialised(config)


def test_a_partial_checkpoint_has_some_weight(tmp_path):
    with pytest.raises(CheckpointError, match=r"missing weights: .* first backbone\.conv1"):
        by_partial_checkpoint(str(paddle_file(tmp_path / "a.pdparams", dict(a=WEIGHT))))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("remote", [False, True])
def test_no_door_runs_what_is_in_a_file(server, synthetic_data, tmp_path, capsys, door, remote):
    folder, address = server
    torch.save(dict(state_dict=dict(), meta=DANGEROUS), folder / "hostile.pth")
    path = f"{address}/hostile.pth" if remote else str(folder / "hostile.pth")
    with pytest.raises(CheckpointError, match="which could run code"):
        door(path, synthetic_data, tmp_path)
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize("place", ["meta", "message_hub"])
def test_the_config_in_a_checkpoint_is_not_run(tmp_path, tiny_weights, capsys, place):
    """Which MMEngine does where an inferencer gets no config, and where a training resumes."""
    program = "print('this must not run')"
    meta = dict(epoch=1, iter=1, config=program)
    content = dict(tiny_weights, meta=meta)
    if place == "meta":
        meta["cfg"] = program
    else:
        content["message_hub"] = dict(runtime_info=dict(cfg=program))
    path = str(save(content, tmp_path / "a.pth"))
    with pytest.raises(ValueError, match="Cannot find the config in the checkpoint"):
        Pose2DInferencer(None, path)
    # which `Runner.resume` runs
    assert "config" not in CheckpointLoader.load_checkpoint(path)["meta"]
    assert "must not run" not in capsys.readouterr().out


def test_a_changed_byte_in_an_archive_is_found(tmp_path):
    path = save(dict(weight=torch.arange(1000.0)), tmp_path / "a.pth")
    content = bytearray(path.read_bytes())
    place = content.index(np.arange(100, 200, dtype="f4").tobytes())
    content[place : place + 4] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged, incomplete .*BadZipFile"):
        read_checkpoint(path)


@pytest.mark.skipif(
    not hasattr(torch.serialization, "set_crc32_options"), reason="such versions always write them"
)
def test_an_archive_without_checksums_loads(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        path = save(dict(weight=torch.ones(2)), tmp_path / "a.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert read_checkpoint(path)["weight"].tolist() == [1, 1]


@pytest.mark.parametrize(
    "name", ["torchvision://resnet18", "open-mmlab://msra/hrnetv2_w32", "mmcls://vgg11"]
)
def test_no_listed_name_runs_what_is_in_a_file(tmp_path, monkeypatch, capsys, name):
    """A file that has the name of the listed one, put where it would be downloaded to."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = cached_file(listed_address(name))
    path.parent.mkdir(parents=True)
    torch.save(dict(state_dict=dict(), meta=DANGEROUS), path)
    monkeypatch.setattr("swahr_mmpose.checkpoints.download.hash_in", lambda name: None)
    monkeypatch.setattr("swahr_mmpose.checkpoints.download.cached_file", lambda address: path)
    with pytest.raises(CheckpointError, match="which could run code"):
        CheckpointLoader.load_checkpoint(name)
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("open-mmlab://msra/hrnet", "no weights called 'open-mmlab://msra/hrnet'"),
        ("s3://bucket/missing.pth", "'s3://bucket/missing.pth' can't be read from its storage"),
        ("s3://bucket/hostile.pth", "'s3://bucket/hostile.pth' can't .* could run code"),
        ("pavi://a", "'pavi://a' can't be read from its storage"),
    ],
)
def test_listed_names_and_storages_that_can_not_be_read_are_named(storage, name, message):
    (storage / "bucket").mkdir()
    torch.save(dict(state_dict=dict(), meta=DANGEROUS), storage / "bucket" / "hostile.pth")
    with pytest.raises(CheckpointError, match=message):
        CheckpointLoader.load_checkpoint(name)


@pytest.mark.parametrize("scheme", ["s3", "petrel", "cluster:s3"])
def test_weights_in_a_storage_are_read_by_its_backend(storage, scheme):
    torch.save(dict(state_dict=dict(weight=torch.full((1, 1), 3.0))), storage / "a.pth")
    network = torch.nn.Linear(1, 1, bias=False)
    load_checkpoint(network, f"{scheme}://a.pth")
    assert network.weight == 3


def test_a_listed_classifier_gives_its_backbone(tmp_path, monkeypatch):
    weights = {"backbone.a": torch.ones(1), "head.b": torch.ones(1)}
    path = save(dict(state_dict=weights), tmp_path / "classifier.pth")
    monkeypatch.setattr("swahr_mmpose.checkpoints.mmengine_loaders.download", lambda address: path)
    assert list(CheckpointLoader.load_checkpoint("mmcls://vgg11")["state_dict"]) == ["a"]


@pytest.mark.parametrize("name", ["a.pth", "mine-20240131.pth"])
def test_weights_are_fetched_once(server, name):
    """Also where a date stands where a hash might."""
    folder, address = server
    torch.save(dict(weight=torch.ones(1)), folder / name)
    first = download(f"{address}/{name}")
    (folder / name).unlink()
    assert download(f"{address}/{name}") == first
    assert read_checkpoint(first)["weight"] == 1


def test_a_file_of_another_hash_is_removed_and_named(server, tmp_path):
    folder, address = server
    (folder / "a-0123abcd_20200101.pth").write_bytes(b"something else")
    with pytest.raises(DownloadError, match=r'\(expected "0123abcd", got .* Nothing was kept'):
        download(f"{address}/a-0123abcd_20200101.pth")
    assert list((tmp_path / "cache").rglob("*.pth*")) == []


def test_what_can_not_be_fetched_says_where_to_put_it(server):
    _, address = server
    with pytest.raises(DownloadError, match=r"404.*put it to '.*missing\.pth'.*TORCH_HOME"):
        download(f"{address}/missing.pth")


def test_downloads_at_once_are_all_whole(server):
    """As of several programs that start together; each brings its file to its place by itself."""
    folder, address = server
    torch.save(dict(weight=torch.arange(1 << 20)), folder / "a.pth")
    with ThreadPoolExecutor(4) as pool:
        for path in pool.map(download, [f"{address}/a.pth"] * 4):
            assert read_checkpoint(path)["weight"][-1] == (1 << 20) - 1
    assert [entry.name for entry in path.parent.iterdir()] == ["a.pth"]


def test_files_of_one_name_are_kept_apart(server):
    """As of two trainings: their names have no hash that would say which is which."""
    folder, address = server
    for number in (1, 2):
        (folder / f"run{number}").mkdir()
        torch.save(dict(weight=torch.full((1,), number)), folder / f"run{number}" / "epoch_9.pth")
    for number in (1, 2):
        path = download(f"{address}/run{number}/epoch_9.pth")
        assert read_checkpoint(path)["weight"] == number


def test_a_page_in_place_of_a_checkpoint_does_not_stay(server):
    """As a login page that comes with status 200; the name has no hash to tell it by."""
    folder, address = server
    (folder / "page.pth").write_text("<html>")
    with pytest.raises(CheckpointError, match=r"page.pth can't be had: .* no checkpoint"):
        load_checkpoint(torch.nn.Linear(1, 1), f"{address}/page.pth")
    torch.save(dict(weight=torch.ones(1, 1), bias=torch.ones(1)), folder / "page.pth")
    network = torch.nn.Linear(1, 1)
    load_checkpoint(network, f"{address}/page.pth")
    assert network.bias == 1


@pytest.mark.parametrize("name", ["a", "a-0123abcd_20200101"])
def test_a_download_that_broke_off_leaves_nothing(tmp_path, monkeypatch, name):
    """The server promises more than it sends."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    content = save(dict(weight=torch.ones(100, 100)), tmp_path / "whole.pth").read_bytes()
    (tmp_path / "whole.pth").unlink()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:5000])

    broken_off = pytest.raises(DownloadError, match=r"damaged, incomplete|invalid hash")
    with serving(Handler) as address, broken_off:
        download(f"{address}/{name}.pth")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://127.0.0.1/my file.pth", "control characters"),
        ("http://127.0.0.1:abc/a.pth", "nonnumeric port"),
        (f"http://{'a' * 70}.org/a.pth", "label"),
        *((f"http://127.0.0.1/{end}", "names no file") for end in ("", "a/.", "a/..", "a\0.pth")),
        ("http://[::1/a.pth", "is no address: Invalid IPv6 URL"),
    ],
)
def test_addresses_that_are_none_are_named(tmp_path, monkeypatch, address, message):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(DownloadError, match=message) as caught:
        download(address)
    assert address.partition("\0")[0] in str(caught.value)


def test_a_cache_that_can_not_be_written_is_named(server, tmp_path, monkeypatch):
    """A file stands where the folder would be made."""
    folder, address = server
    torch.save(dict(weight=torch.ones(1)), folder / "a.pth")
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match="variable TORCH_HOME names another folder"):
        download(f"{address}/a.pth")


@pytest.fixture(scope="module")
def tiny_weights():
    return read_checkpoint(weights_of("swahr_tiny_synthetic"))


UNUSABLE = {
    # older versions of torch don't get as far as to rebuild these
    "sparse": (lambda weight: weight.to_sparse(), "is sparse|_rebuild_sparse_tensor"),
    "on the meta device": (lambda weight: weight.to("meta"), "holds no numbers|_rebuild_meta_tens"),
    "complex": (lambda weight: weight.to(torch.complex64), "is torch.complex64 instead of"),
    "text": (lambda weight: "0.5", "is not a tensor but a str"),
    "a number": (lambda weight: 0.5, "is not a tensor but a float"),
    "of few stored numbers": (
        lambda weight: torch.zeros(1).expand(1 << 45),
        r"is \(35184372088832,\), not \(",
    ),
    "integers": (lambda weight: weight.to(torch.int8), "torch.int8 instead of torch.float32"),
    "not finite": (lambda weight: weight * float("nan"), "NaN"),
}
if hasattr(torch, "float8_e4m3fn"):  # since torch 2.1
    UNUSABLE["of eight bits"] = (
        lambda weight: weight.to(torch.float8_e4m3fn),
        "is torch.float8_e4m3fn instead of",
    )


def bare_by_init_model(path, *_):
    """The state dict alone, as `torch.save(model.state_dict())` writes it."""
    by_init_model(save(torch.load(path)["state_dict"], path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (dict(state_dict=[torch.ones(1)]), "`state_dict` that is not a dict but a list"),
        (dict(state_dict={}, meta="epoch 3"), "`meta` that is not a dict but a str"),
        ({b"weight": torch.ones(1)}, "name is not text but a bytes"),
        ({7: torch.ones(1)}, "name is not text but a int"),
    ],
)
def test_checkpoints_of_another_build_are_named(tmp_path, content, message):
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(save(content, tmp_path / "odd.pth"))


def test_weights_for_other_programs_are_read(tmp_path):
    """MMDetection, in the same process, finds what it looks for in them."""
    weights = dict(weight=torch.ones(1), places=torch.arange(4).expand(3, -1))
    for others in (dict(epoch=3), dict(best=torch.tensor(0.8)), dict(state_dict=None)):
        path = save(dict(model=weights, meta=None, **others), tmp_path / "other.pth")
        content = read_checkpoint(path)
        assert content["model"]["weight"] == 1
        assert not {"meta", "state_dict"} & set(content)
    network = torch.nn.Linear(1, 1, bias=False)
    load_checkpoint(network, str(save(dict(weight=torch.ones(1, 1), version="1.0"), path)))
    assert network.weight == 1


def test_a_program_is_refused_by_older_versions_of_torch_too(tmp_path, monkeypatch):
    """They run what a TorchScript archive holds, whatever they are told to unpickle with."""
    path = tmp_path / "program.pth"
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(path))
    monkeypatch.setattr("swahr_mmpose.checkpoints.reading._TORCH_CHECKS", False)
    with pytest.raises(CheckpointError, match="is a TorchScript archive, which holds a program"):
        read_checkpoint(path)
    for is_archive in (True, False):
        torch.save(dict(weight=torch.ones(2)), path, _use_new_zipfile_serialization=is_archive)
        assert read_checkpoint(path)["weight"].tolist() == [1, 1]


# torch warns of every sparse tensor that it reads
@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize(
    ("kind", "door"),
    [
        *((kind, by_init_model) for kind in UNUSABLE),
        *((kind, bare_by_init_model) for kind in UNUSABLE),
        ("text", by_load_from),
        ("text", by_resume),
    ],
)
def test_weights_that_no_network_can_use_are_named(
    synthetic_data, tmp_path, tiny_weights, kind, door
):
    """Loading would leave them out, or copy them as something else, without a word."""
    change, message = UNUSABLE[kind]
    name = "backbone.conv1.weight"
    weights = {**tiny_weights["state_dict"], name: change(tiny_weights["state_dict"][name])}
    path = save(dict(tiny_weights, state_dict=weights), tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match=message) as error:
        door(str(path), synthetic_data, tmp_path)
    assert name in str(error.value) or "_rebuild_" in str(error.value)
