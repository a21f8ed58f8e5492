import pickle

import numpy as np
import pytest
import torch
from mmengine.logging.history_buffer import HistoryBuffer

from swahr_mmpose.checkpoints import allow_mmengine_checkpoints


def test_what_mmengine_saves_loads(tmp_path):
    """Loss histories, NumPy arrays and scalars, as MMEngine puts them into checkpoints."""
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    content = dict(
        state_dict=dict(weight=torch.ones(2)),
        message_hub=dict(log_scalars=dict(loss=history), runtime_info=dict(lr=np.float64(0.1))),
        meta=dict(dataset_meta=dict(sigmas=np.float32([0.1]), colors=np.uint8([[255, 0, 0]]))),
    )
    path = tmp_path / "checkpoint.pth"
    torch.save(content, path)
    loaded = torch.load(path, weights_only=True)
    assert loaded["message_hub"]["log_scalars"]["loss"].mean() == history.mean()
    assert loaded["meta"]["dataset_meta"]["sigmas"] == np.float32(0.1)


class Dangerous:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_arbitrary_objects_are_still_refused(tmp_path, capsys):
    allow_mmengine_checkpoints()
    path = tmp_path / "checkpoint.pth"
    torch.save(dict(state_dict=dict(), meta=Dangerous()), path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path)
    assert "must not run" not in capsys.readouterr().out


class ReachesForCode:
    """Pickled as getattr(HistoryBuffer, '__init__'), from where all globals can be reached."""

    def __reduce__(self):
        return (getattr, (HistoryBuffer, "__init__"))


class ReachesElsewhere:
    def __reduce__(self):
        return (getattr, (np.ndarray, "tofile"))


@pytest.mark.parametrize("trick", [ReachesForCode, ReachesElsewhere])
def test_attributes_other_than_statistics_are_refused(tmp_path, trick):
    path = tmp_path / "checkpoint.pth"
    torch.save(dict(meta=trick()), path)
    with pytest.raises(pickle.UnpicklingError, match="It was not loaded"):
        torch.load(path, weights_only=True)
