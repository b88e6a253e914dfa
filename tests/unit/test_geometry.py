import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.transform import SimilarityTransform

from faceline.geometry import iou, largest_first, margin_box, nms, similarity_transform, square, visible_area
from faceline.types import BoundingBox, Face, Landmarks, Pose, Quality

NO_BOXES = np.empty((0, 4))


def face(box: BoundingBox) -> Face:
    points = Landmarks((0, 0), (0, 0), (0, 0), (0, 0), (0, 0))
    return Face(box, points, 99.0, Pose(0, 0, 0), Quality(50, 50, 50))


def random_boxes(count: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 100, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(1, 50, (count, 2))], axis=1)


def test_iou_of_a_box_with_itself_is_one_and_with_a_distant_one_zero() -> None:
    boxes = np.array([[0, 0, 10, 10], [20, 20, 30, 40]], dtype=np.float32)
    assert np.array_equal(iou(boxes, boxes), np.eye(2))


def test_iou_of_half_overlapping_boxes_is_a_third() -> None:
    assert iou(np.array([[0, 0, 10, 10]]), np.array([[5, 0, 15, 10], [0, 5, 10, 15]])) == pytest.approx(1 / 3)


def test_iou_of_touching_empty_and_inverted_boxes_is_zero() -> None:
    others = np.array([[10, 0, 20, 10], [5, 5, 5, 5], [8, 8, 2, 2]])
    assert not iou(np.array([[0, 0, 10, 10], [5, 5, 5, 5]]), others).any()


def test_iou_with_no_boxes_has_the_shape_of_its_arguments() -> None:
    assert iou(NO_BOXES, random_boxes(3, 0)).shape == (0, 3)
    assert iou(random_boxes(3, 0), NO_BOXES).shape == (3, 0)


def test_nms_keeps_the_better_of_two_overlapping_boxes_and_the_distant_one() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
    assert nms(boxes, np.array([0.8, 0.9, 0.1]), 0.5).tolist() == [1, 2]


def test_nms_keeps_boxes_that_overlap_exactly_the_threshold() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5]])
    assert nms(boxes, np.array([1.0, 0.5]), 0.5).tolist() == [0, 1]


def test_nms_by_minimum_area_drops_a_small_box_inside_a_large_one() -> None:
    boxes, scores = np.array([[0, 0, 100, 100], [10, 10, 20, 20]]), np.array([0.9, 0.8])
    assert nms(boxes, scores, 0.5).tolist() == [0, 1]
    assert nms(boxes, scores, 0.5, by_minimum_area=True).tolist() == [0]


def test_nms_keeps_the_order_of_equal_scores() -> None:
    boxes = np.array([[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]])
    assert nms(boxes, np.ones(3), 0.5).tolist() == [0, 1, 2]


def test_nms_of_nothing_is_nothing() -> None:
    kept = nms(NO_BOXES, np.empty(0), 0.5)
    assert kept.shape == (0,)
    assert NO_BOXES[kept].shape == (0, 4)


@given(st.integers(0, 40), st.integers(0, 1000), st.floats(0.05, 0.95))
def test_nms_agrees_with_the_definition(count: int, seed: int, threshold: float) -> None:
    boxes, scores = random_boxes(count, seed), np.random.default_rng(seed).permutation(count) / 50
    kept: list[int] = []
    for i in sorted(range(count), key=lambda i: -scores[i]):
        if all(iou(boxes[[i]], boxes[[k]])[0, 0] <= threshold for k in kept):
            kept.append(i)
    assert nms(boxes, scores, threshold).tolist() == kept


def test_square_keeps_the_centre_and_takes_the_longer_side() -> None:
    assert square(np.array([[0, 0, 10, 20], [5, 5, 9, 7]])).tolist() == [[-5, 0, 15, 20], [5, 4, 9, 8]]
    assert square(NO_BOXES).shape == (0, 4)


def test_functions_on_boxes_leave_their_arguments_alone() -> None:
    boxes = random_boxes(5, 1)
    boxes.flags.writeable = False
    nms(boxes, np.ones(5), 0.5), iou(boxes, boxes), square(boxes)


def test_the_largest_face_comes_first() -> None:
    small, large = face(BoundingBox(45, 45, 10, 10)), face(BoundingBox(0, 0, 20, 20))
    assert largest_first([small, large], 100, 100) == [large, small]
    assert largest_first([], 100, 100) == []


def test_of_equally_large_faces_the_one_nearest_the_centre_comes_first() -> None:
    corner, middle = face(BoundingBox(0, 0, 10, 10.001)), face(BoundingBox(45, 45, 10, 10))
    assert largest_first([corner, middle], 100, 100) == [middle, corner]


def test_of_faces_about_as_large_the_one_nearest_the_centre_comes_first_and_the_rest_by_area() -> None:
    corner, middle = face(BoundingBox(0, 0, 12, 12)), face(BoundingBox(45, 45, 10, 10))
    tiny, other = face(BoundingBox(48, 48, 4, 4)), face(BoundingBox(80, 80, 11, 11))
    assert largest_first([tiny, middle, other, corner], 100, 100) == [middle, corner, other, tiny]


def test_only_the_visible_part_of_a_face_counts() -> None:
    cut, whole = face(BoundingBox(-90, 0, 100, 30)), face(BoundingBox(40, 40, 25, 25))
    assert visible_area(cut.box, 100, 100) == 300
    assert visible_area(BoundingBox(200, 0, 10, 10), 100, 100) == 0
    assert largest_first([cut, whole], 100, 100) == [whole, cut]


def test_a_margin_box_grows_by_its_own_size_and_is_clipped_to_the_picture() -> None:
    assert margin_box(BoundingBox(100, 100, 50, 20), 0.4, 1000, 1000) == (80, 92, 170, 128)
    assert margin_box(BoundingBox(0, 90, 50, 20), 0.4, 60, 100) == (0, 82, 60, 100)


@pytest.mark.parametrize("box", [BoundingBox(-90, -90, 10, 10), BoundingBox(500, 500, 10, 10), BoundingBox(5, 5, 0, 0)])
def test_a_margin_box_outside_of_the_picture_is_still_one_pixel_of_it(box: BoundingBox) -> None:
    x1, y1, x2, y2 = margin_box(box, 0.4, 100, 80)
    assert 0 <= x1 < x2 <= 100
    assert 0 <= y1 < y2 <= 80


def test_a_similarity_transform_is_found_again() -> None:
    points = np.array([[0, 0], [10, 0], [5, 5], [2, 9], [8, 9]], dtype=np.float64)
    angle, scale = 0.7, 2.5
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = similarity_transform(points, points @ linear.T + (3, -4))
    assert np.allclose(found, np.column_stack([linear, (3, -4)]))


@pytest.mark.parametrize("seed", range(5))
def test_the_similarity_transform_agrees_with_scikit_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=(5, 2)) * 30 + 50, rng.normal(size=(5, 2)) * 30 + 50
    expected = SimilarityTransform.from_estimate(source, target)
    assert np.allclose(similarity_transform(source, target), expected.params[:2])


def test_mirrored_points_are_not_answered_with_a_reflection() -> None:
    points = np.array([[0, 0], [10, 0], [5, 5], [2, 9], [8, 9]], dtype=np.float64)
    found = similarity_transform(points, points * (-1, 1))
    assert np.linalg.det(found[:, :2]) > 0


def test_coinciding_points_only_move() -> None:
    found = similarity_transform(np.full((5, 2), 3.0), np.full((5, 2), 7.0))
    assert np.array_equal(found, [[1, 0, 4], [0, 1, 4]])
