"""Head pose from five landmarks and a mean head, by a scaled-orthographic fit.

DeMenthon and Davis: Model-Based Object Pose in 25 Lines of Code, IJCV 1995 (the first step of POSIT).
"""

import numpy as np

from faceline.types import Pose, Vector

# Mean head in units of 1/54 of the eyes' distance: x to the image's right, y down, z away from the camera.
# x and y are the mean frontal landmarks of the embedding template about the nose; z is anthropometric: the nose tip
# stands about 0.6 eye distances before the pupils, the mouth's corners about 0.17.
_HEAD = np.array([[-27.1, -33.0, 0.0], [27.1, -33.0, 0.0], [0.0, 0.0, -32.0], [-23.5, 26.6, -9.0], [23.5, 26.6, -9.0]])
_CENTRED = _HEAD - _HEAD.mean(axis=0)
_INVERSE = np.linalg.pinv(_CENTRED)


def head_pose(landmarks: Vector) -> Pose:
    """landmarks: (5, 2) pixels, in the order of `types.Landmarks`. Yaw and pitch are good to about 10 degrees."""
    points = np.asarray(landmarks, dtype=np.float64)
    rows = (_INVERSE @ (points - points.mean(axis=0))).T
    # The nearest pair of orthonormal rows to a scaled rotation's first two.
    u, _, vt = np.linalg.svd(rows, full_matrices=False)
    right, down = u @ vt
    forward = np.cross(right, down)
    yaw = np.degrees(np.arcsin(np.clip(forward[0], -1, 1)))
    pitch = np.degrees(np.arctan2(-forward[1], forward[2]))
    eyes = points[1] - points[0]
    roll = np.degrees(np.arctan2(eyes[1], eyes[0]))
    return Pose(roll=round(float(roll), 1), yaw=round(float(yaw), 1), pitch=round(float(pitch), 1))
