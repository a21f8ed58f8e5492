"""Annotation files merged into one, through the command line."""

import errno
import json

import pytest


def content(image_ids, annotation_ids, **changes):
    whole = dict(
        images=[dict(id=i) for i in image_ids],
        annotations=[dict(id=a, image_id=i) for a, i in zip(annotation_ids, image_ids)],
        categories=[dict(id=1, name="person")],
    )
    return dict(whole, **changes)


@pytest.fixture
def merge(run, tmp_path):
    """Exit code, the error, and the merged content."""

    def merge(first, second, out="out.json"):
        for name, own in (("a.json", first), ("b.json", second)):
            text = own if isinstance(own, str) else json.dumps(own)
            (tmp_path / name).write_text(text)
        files = (tmp_path / "a.json", tmp_path / "b.json")
        code, _, error = run("merge_annotations.py", *files, "--out", tmp_path / out)
        return code, error, json.loads((tmp_path / out).read_text()) if code == 0 else None

    return merge


@pytest.mark.parametrize(
    ("ids", "merged_ids"), [(([10, 11], [12]), [10, 11, 12]), (([5, 6], [5]), [1, 2, 3])]
)
def test_files_are_merged(merge, ids, merged_ids):
    """Annotations are numbered anew where their ids are in two files."""
    code, error, merged = merge(content([1, 2], ids[0]), content([3], ids[1]))
    assert code == 0, error
    assert [image["id"] for image in merged["images"]] == [1, 2, 3]
    assert [annotation["id"] for annotation in merged["annotations"]] == merged_ids
    assert [annotation["image_id"] for annotation in merged["annotations"]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("second", "out", "message"),
    [
        (content([1], [9]), "out.json", "error: Image 1 is in '{0}/a.json' and in '{0}/b.json'"),
        (content([2], [9], categories=[]), "out.json", "b.json' has other `categories`"),
        (content([2], ["9"]), "out.json", "b.json' has an entry whose `id` is '9'"),
        (json.dumps(content([2], [9]))[:-20], "out.json", "b.json' is no whole JSON file"),
        (content([2], [2]), "a.json", "a.json' is read, and would be replaced"),
        (content([2], [2]), "b.json", "b.json' is read, and would be replaced"),
        (content([2], [2]), "missing/out.json", "{0}/missing' of the file to write is not there"),
        (content([2], [2]), ".", "error: '{0}' is a folder"),
        (dict(content([2], [2]), images=[dict(id=2, note=float("nan"))]), "out.json", "NaN"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_written(merge, tmp_path, second, out, message):
    first = content([1], [5])
    code, error, _ = merge(first, second, out)
    assert code == 2
    assert message.format(tmp_path) in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"]
    assert json.loads((tmp_path / "a.json").read_text()) == first


def test_what_was_there_is_kept_where_writing_fails(merge, tmp_path, monkeypatch):
    (tmp_path / "out.json").write_text("before")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    code, error, _ = merge(content([1], [1]), content([2], [2]))
    assert code == 3
    assert error.startswith("error: [Errno 28] No space left on device: ")
    assert (tmp_path / "out.json").read_text() == "before"
