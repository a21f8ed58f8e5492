import pytest
import torch

from swahr_mmpose.models.aggregation import (
    MapAggregator,
    flip_back,
    merge_resolutions,
    resize_maps,
)


def test_one_lit_pixel_keeps_its_place_through_both_resolutions():
    coarse, fine = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 16, 16)
    coarse[0, 0, 2, 5] = 1
    fine[0, 0, 5, 10] = 1
    merged = merge_resolutions([coarse, fine])
    assert merged.flatten().argmax() == 5 * 16 + 10
    full = resize_maps(merged, (32, 32))
    y, x = divmod(int(full.flatten().argmax()), 32)
    # stride-2 pixel (10, 5) covers these input pixels
    assert (x, y) in {(20, 10), (21, 10), (20, 11), (21, 11)}


def test_flipping_back_twice_is_nothing():
    maps = torch.randn(2, 6, 4, 5)
    order = [1, 0, 2]
    once = flip_back(maps, order)
    torch.testing.assert_close(once[0, 0], maps[0, 1].flip(-1))
    torch.testing.assert_close(once[0, 4], maps[0, 3].flip(-1))
    torch.testing.assert_close(flip_back(once, order), maps)


def test_scales_are_averaged_and_tags_come_from_scale_one():
    aggregator = MapAggregator((8, 8))
    tags = torch.randn(1, 1, 2, 2)
    aggregator.add_scale([(torch.full((1, 1, 4, 4), 1.0), tags)], keep_tags=True)
    aggregator.add_scale([(torch.full((1, 1, 8, 8), 3.0), tags * 9)], keep_tags=False)
    heatmaps, out_tags = aggregator.result()
    assert (heatmaps == 2).all()
    torch.testing.assert_close(out_tags, resize_maps(resize_maps(tags, (4, 4)), (8, 8)))


def test_memory_does_not_grow_with_the_number_of_scales():
    aggregator = MapAggregator((8, 8))
    for index in range(5):
        maps = torch.rand(1, 1, 4, 4)
        aggregator.add_scale([(maps, maps)], keep_tags=index == 0)
    held = [value for value in vars(aggregator).values() if isinstance(value, torch.Tensor)]
    assert len(held) == 1
    assert len(aggregator._tags) == 1


def test_nothing_to_aggregate_says_so():
    with pytest.raises(RuntimeError, match="add scale 1"):
        MapAggregator((8, 8)).result()
