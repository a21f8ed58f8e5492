"""Bytes as a checkpoint file: a state dict that fits, or a declared error."""

import io
import pickle
import tempfile
import warnings
import zipfile
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=[
        "swahr_mmpose.checkpoints.checks",
        "swahr_mmpose.checkpoints.reading",
        "swahr_mmpose.checkpoints.unpickling",
        "swahr_mmpose.checkpoints.renaming",
    ]
):
    from swahr_mmpose.checkpoints.checks import check_state_dict
    from swahr_mmpose.checkpoints.reading import CheckpointError, read_checkpoint, state_dict_of
    from swahr_mmpose.checkpoints.renaming import rename_weights

import torch

from tests.fuzz.harness import Choices, fuzz
from tests.helpers import build_model, load_config

FOLDER = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
FILE = FOLDER / "checkpoint.pth"

# reading sparse tensors, which are then refused, makes torch warn
warnings.simplefilter("ignore")


def saved(content, **options):
    """The bytes of a checkpoint file."""
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def stored(content):
    """The same, in an archive without checksums to get wrong: names and bytes of the members."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


WEIGHTS = {
    "module.conv1.weight": torch.zeros(2, 3),
    "final_layers.0.weight": torch.zeros(2),
    "conv_scale_layers.0.0.weight": torch.zeros(1),
}
WHOLE = stored(saved(dict(state_dict=WEIGHTS, meta=dict(epoch=1, names=["a"]))))
MODEL = build_model(load_config("swahr_tiny_synthetic")).state_dict()


def changed_archive(choices):
    """A checkpoint with some bytes of its pickle and its other members changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in WHOLE:
            own = bytearray(content)
            most = 6 if name.endswith("data.pkl") else 1
            for _ in range(choices.count(most)):
                place = choices.number(0, max(len(own) - 1, 0))
                own[place : place + choices.number(0, 3)] = bytes(
                    choices.number(0, 255) for _ in range(choices.number(0, 3))
                )
            if choices.number(0, 30):
                archive.writestr(name, bytes(own))
    return buffer.getvalue()


def run(data):
    if data[:1] == b"z":
        data = changed_archive(Choices(data[1:]))
    FILE.write_bytes(data)
    try:
        weights = state_dict_of(read_checkpoint(FILE), FILE)
        rename_weights(weights)
        check_state_dict(weights, MODEL)
    except CheckpointError as error:
        assert str(error)


if __name__ == "__main__":
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    legacy = saved(dict(state_dict=WEIGHTS), _use_new_zipfile_serialization=False)
    arrays = {name: value.numpy() for name, value in WEIGHTS.items()}
    slices = {"big": dict(OriginShape=(2, 3), slices=["module.conv1.weight"])}
    paddle = [pickle.dumps({**arrays, "UnpackBigParamInfor@@": slices}, n) for n in (2, 4)]
    fuzz(run, [b"z" + bytes(range(64)), legacy, saved(WEIGHTS), *paddle], corpus)
