import importlib.util
import json

import pytest

from ..helpers import ROOT

_spec = importlib.util.spec_from_file_location(
    "merge_annotations", ROOT / "tools" / "merge_annotations.py"
)
tool = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)


def content(image_ids, annotation_ids):
    return dict(
        images=[dict(id=i) for i in image_ids],
        annotations=[dict(id=a, image_id=i) for a, i in zip(annotation_ids, image_ids)],
        categories=[dict(id=1, name="person")],
    )


def test_files_are_merged(tmp_path):
    files = []
    for name, images, annotations in (("train", [1, 2], [10, 11]), ("val", [3], [12])):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(content(images, annotations)))
    out = tmp_path / "trainval.json"
    tool.main([*map(str, files), "--out", str(out)])
    merged = json.loads(out.read_text())
    assert [image["id"] for image in merged["images"]] == [1, 2, 3]
    assert [annotation["id"] for annotation in merged["annotations"]] == [10, 11, 12]


def test_annotation_ids_in_two_files_are_numbered_anew():
    merged = tool.merge([content([1, 2], [5, 6]), content([3], [5])], ["a", "b"])
    assert [annotation["id"] for annotation in merged["annotations"]] == [1, 2, 3]
    assert [annotation["image_id"] for annotation in merged["annotations"]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (content([1], [9]), "Image 1 is in 'a' and in 'b'"),
        (dict(content([2], [9]), categories=[]), "'b' has other `categories`"),
        (content([2], ["9"]), "'b' has an entry whose `id` is '9'"),
    ],
)
def test_files_that_do_not_fit_are_named(second, message):
    with pytest.raises(tool.MergeError, match=message):
        tool.merge([content([1], [5]), second], ["a", "b"])


@pytest.fixture
def files(tmp_path):
    """Two files that can be merged."""
    for name, number in (("a", 1), ("b", 2)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content([number], [number])))
    return [tmp_path / "a.json", tmp_path / "b.json"]


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("a.json", "error: '.*a.json' is read, and would be replaced"),
        ("b.json", "error: '.*b.json' is read, and would be replaced"),
        ("missing/out.json", "error: The folder '.*missing' of the file to write is not there"),
        (".", "error: '.*' is a folder"),
    ],
)
def test_where_nothing_can_be_written_is_named(files, tmp_path, out, message):
    before = [file.read_bytes() for file in files]
    with pytest.raises(SystemExit, match=message):
        tool.main([*map(str, files), "--out", str(tmp_path / out)])
    assert [file.read_bytes() for file in files] == before
    assert sorted(tmp_path.iterdir()) == files


def test_what_was_there_is_kept_where_writing_fails(files, tmp_path, monkeypatch):
    out = tmp_path / "out.json"
    out.write_text("before")

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SystemExit, match="error: No space left on device"):
        tool.main([*map(str, files), "--out", str(out)])
    assert out.read_text() == "before"


def test_a_file_that_is_cut_off_is_named(tmp_path):
    (tmp_path / "whole.json").write_text(json.dumps(content([1], [1])))
    (tmp_path / "cut.json").write_text(json.dumps(content([2], [2]))[:-20])
    files = [str(tmp_path / name) for name in ("whole.json", "cut.json")]
    with pytest.raises(SystemExit, match=r"error: '.*cut.json' is no whole JSON file"):
        tool.main([*files, "--out", str(tmp_path / "out.json")])
    assert not (tmp_path / "out.json").exists()
