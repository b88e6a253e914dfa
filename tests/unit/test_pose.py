"""Where a face looks."""

import numpy as np
import pytest

from faceline.engine.pose import head_pose

FRONTAL = [(30.0, 40.0), (70.0, 40.0), (50.0, 64.0), (33.0, 84.0), (67.0, 84.0)]


@pytest.mark.parametrize(
    ("nose_moves", "yaw", "pitch"),
    [((10, 0), 1, 0), ((-10, 0), -1, 0), ((0, -10), 0, 1), ((0, 10), 0, -1)],
    ids=["right", "left", "up", "down"],
)
def test_the_nose_points_where_the_face_looks(nose_moves: tuple[int, int], yaw: int, pitch: int) -> None:
    points = np.array(FRONTAL, np.float32)
    straight = head_pose(points)
    points[2] += nose_moves
    turned = head_pose(points)
    assert np.sign(round((turned.yaw - straight.yaw) / 5)) == yaw
    assert np.sign(round((turned.pitch - straight.pitch) / 5)) == pitch
