"""Whatever is in an annotation file: declared errors only, and fixed files are whole."""

import copy
import json

import numpy as np
import pycocotools.mask
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmpose.registry import DATASETS
from pycocotools.coco import COCO

from swahr_mmpose.datasets.annotations.check import check_content
from swahr_mmpose.datasets.annotations.reading import AnnotationFileError, read_annotations
from swahr_mmpose.datasets.annotations.segmentation import (
    segmentation_problem,
    without_empty_polygons,
)
from swahr_mmpose.datasets.transforms.heatmap_mask import segmentations_to_mask

anything = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

#: Values as a JSON file can hold them, with those that have done harm.
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 5),
    st.integers(),
    st.floats(),
    st.sampled_from([1e30, 1e9, -1.0, 10**400, 2**63, 640, "", "person", "\ud800", "1"]),
    st.text(max_size=4),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)

SIZE = (24, 32)
COORDINATES = st.one_of(
    st.integers(0, 24), st.floats(0, 24), st.sampled_from([float("nan"), 1e9, -40, None, "5"])
)
SEGMENTATIONS = st.one_of(
    VALUES,
    st.lists(st.lists(COORDINATES, max_size=9), max_size=3),
    st.fixed_dictionaries(
        {},
        optional=dict(
            size=st.sampled_from([list(SIZE), [32, 24], [24.0, 32.0], 5, None, [24]]),
            counts=st.one_of(
                st.lists(st.one_of(st.integers(0, 99), VALUES), max_size=5),
                st.sampled_from([[768], [0, 768], [700, 69], [800, -32], [768.0]]),
                st.text(st.characters(min_codepoint=48, max_codepoint=120), max_size=12),
                VALUES,
            ),
        ),
    ),
)
FIELDS = dict(
    id=st.one_of(st.integers(1, 4), VALUES),
    image_id=st.one_of(st.integers(1, 3), VALUES),
    category_id=st.one_of(st.integers(1, 3), VALUES),
    iscrowd=st.one_of(st.integers(0, 1), VALUES),
    keypoints=st.one_of(st.lists(COORDINATES, min_size=6, max_size=6), VALUES),
    num_keypoints=st.one_of(st.integers(0, 2), VALUES),
    bbox=st.one_of(st.lists(COORDINATES, min_size=4, max_size=4), VALUES),
    area=st.one_of(st.floats(0, 100), VALUES),
    segmentation=SEGMENTATIONS,
)
PERSON = dict(
    id=1, image_id=1, category_id=1, iscrowd=0, keypoints=[5, 5, 2, 9, 9, 1], num_keypoints=2,
    bbox=[1, 1, 20, 20], area=400.0, segmentation=[[1, 1, 20, 1, 20, 20]],
)  # fmt: skip
IMAGE = dict(id=1, file_name="1.jpg", width=SIZE[1], height=SIZE[0])
CATEGORY = dict(id=1, name="person", keypoints=["left", "right"])


def entries(whole, fields):
    """Whole entries with some fields of any kind, or missing, or entries of anything."""
    removed = st.lists(st.sampled_from(sorted(whole)), max_size=1)
    changed = st.lists(st.sampled_from(sorted(fields)), max_size=2).flatmap(
        lambda names: st.fixed_dictionaries({name: fields[name] for name in names})
    )
    broken = st.tuples(changed, removed).map(
        lambda pair: {k: v for k, v in {**whole, **pair[0]}.items() if k not in pair[1]}
    )
    return st.one_of(
        st.just(dict(whole)), broken, st.dictionaries(st.sampled_from(sorted(fields)), VALUES)
    )


IMAGE_FIELDS = dict(id=st.one_of(st.integers(1, 3), VALUES), file_name=VALUES, width=VALUES,
                    height=VALUES)  # fmt: skip
CATEGORY_FIELDS = dict(id=st.one_of(st.integers(1, 3), VALUES),
                       name=st.sampled_from(["person", "car"]),
                       keypoints=st.one_of(st.just(["left", "right"]), VALUES))  # fmt: skip
CONTENTS = st.fixed_dictionaries(
    dict(
        images=st.lists(entries(IMAGE, IMAGE_FIELDS), max_size=3),
        annotations=st.lists(entries(PERSON, FIELDS), max_size=4),
        categories=st.one_of(
            st.just([CATEGORY]), st.lists(entries(CATEGORY, CATEGORY_FIELDS), max_size=3)
        ),
    )
)

#: A dataset of two keypoints.
METAINFO = dict(
    dataset_name="pairs",
    keypoint_info={
        k: dict(name=name, id=k, color=[0, 0, 0], type="upper", swap="")
        for k, name in enumerate(("left", "right"))
    },
    skeleton_info={},
    joint_weights=[1.0, 1.0],
    sigmas=[0.1, 0.1],
)


def load(path, **kwargs):
    kwargs.update(ann_file=str(path), metainfo=METAINFO, serialize_data=False)
    return DATASETS.build(dict(type="BottomupCocoDataset", **kwargs))


@settings(anything, max_examples=60)
@given(content=CONTENTS)
def test_fixed_content_is_whole(content, tmp_path):
    before = copy.deepcopy(content)
    found = check_content(content)
    assert repr(content) == repr(before)
    assert all(str(problem).isprintable() for problem in found.problems)
    again = check_content(found.fixed).problems
    not_fixed = [problem for problem in found.problems if not problem.fixed]
    assert [problem.what for problem in again] == [problem.what for problem in not_fixed]
    if not_fixed:
        return
    path = tmp_path / "fixed.json"
    path.write_text(json.dumps(found.fixed), encoding="utf-8")
    if list(found.fixed["categories"][0].get("keypoints", [])) != CATEGORY["keypoints"]:
        return
    dataset = load(path)
    assert len(dataset) > 0
    coco = COCO(str(path))
    for annotation in coco.anns.values():
        assert coco.loadImgs(annotation["image_id"])
        if annotation.get("segmentation"):
            assert coco.annToMask(annotation).shape == (
                coco.imgs[annotation["image_id"]]["height"],
                coco.imgs[annotation["image_id"]]["width"],
            )


@settings(anything, max_examples=60)
@given(content=CONTENTS, skip_broken=st.booleans(), test_mode=st.booleans())
def test_the_dataset_raises_declared_errors_only(content, skip_broken, test_mode, tmp_path):
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    try:
        dataset = load(path, skip_broken=skip_broken, test_mode=test_mode)
    except AnnotationFileError:
        return
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        keypoints = info.get("keypoints", np.zeros((0, 2, 2)))
        assert np.isfinite(keypoints).all()
        w, h = info["annotated_size"]
        if w * h < 1e6:
            mask = segmentations_to_mask(info.get("invalid_segs", []), (w, h))
            assert mask.shape == (h, w)


@settings(anything, max_examples=200)
@given(content=st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_files_of_anything(content, tmp_path):
    path = tmp_path / "annotations.json"
    path.write_bytes(content)
    with pytest.raises(AnnotationFileError):
        read_annotations(path)


@settings(anything, max_examples=300)
@given(segmentation=SEGMENTATIONS)
def test_segmentations_that_pass_can_be_read(segmentation):
    """A segmentation with nothing wrong has a mask; all others raise, and nothing crashes."""
    if segmentation and segmentation_problem(segmentation, SIZE) is None:
        first = segmentations_to_mask([segmentation], SIZE[::-1])
        np.testing.assert_array_equal(first, segmentations_to_mask([segmentation], SIZE[::-1]))
        return
    visible = without_empty_polygons(segmentation)
    if not visible or segmentation_problem(visible, SIZE) is None:
        segmentations_to_mask([segmentation], SIZE[::-1])
        return
    with pytest.raises(ValueError, match=r"^A segmentation "):
        segmentations_to_mask([segmentation], SIZE[::-1])


@settings(anything, max_examples=300)
@given(
    runs=st.lists(st.integers(1, 40), min_size=1, max_size=30),
    starts_inside=st.booleans(),
    compressed=st.booleans(),
)
def test_run_lengths_are_what_the_library_reads(runs, starts_inside, compressed):
    """Of any mask of one column, plain and compressed."""
    values = np.concatenate([np.full(n, (i + starts_inside) % 2) for i, n in enumerate(runs)])
    column = np.asfortranarray(values[:, None], np.uint8)
    counts = [0, *runs] if starts_inside else runs
    region = dict(size=list(column.shape), counts=counts)
    if compressed:
        region = pycocotools.mask.encode(column)
        assert segmentation_problem(region, column.shape) is None
        region["counts"] = region["counts"].decode()
        assert "`size`" in segmentation_problem(region, (len(column), 2))
        cut = dict(region, counts=region["counts"][:-1])
        assert segmentation_problem(cut, column.shape) is not None
    assert segmentation_problem(region, column.shape) is None
    np.testing.assert_array_equal(segmentations_to_mask([region], (1, len(column))), column > 0)
