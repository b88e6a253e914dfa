"""One photo at halving sizes, from which the cascade's scales and every crop are cut."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from faceline.types import Frame, Pixels


class Pyramid:
    """Level k holds the frame's pixels averaged 2^k × 2^k; levels are made when first needed.

    Coordinates are those of `frame.pixels` (level 0), pixel edges at whole numbers.
    """

    def __init__(self, frame: Frame) -> None:
        self._levels = [Image.fromarray(frame.pixels)]
        self.width, self.height = self._levels[0].size
        self._smallest = max(0, max(1, min(self.width, self.height)).bit_length() - 2)

    def level(self, k: int) -> Image.Image:
        while len(self._levels) <= k:
            self._levels.append(self._levels[-1].reduce(2))
        return self._levels[k]

    def resized(self, width: int, height: int) -> Pixels:
        """The whole picture as uint8 (height, width, 3)."""
        image = self.level(self._level_for(self.width / width))
        return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))

    def crops(self, boxes_xyxy: Sequence[tuple[float, float, float, float]], side: int) -> Pixels:
        """What `crop` gives for each box, as uint8 (n, side, side, 3)."""
        # One array of all costs a third less than an array of each.
        sheet = Image.new("RGB", (side, side * len(boxes_xyxy)))
        for i, box in enumerate(boxes_xyxy):
            sheet.paste(self._cut(box, side), (0, side * i))
        return np.asarray(sheet).reshape(len(boxes_xyxy), side, side, 3)

    def crop(self, box_xyxy: tuple[float, float, float, float], side: int) -> Pixels:
        """The part inside `box_xyxy`, which must lie in the picture, as uint8 (side, side, 3)."""
        return np.asarray(self._cut(box_xyxy, side))

    def _cut(self, box_xyxy: tuple[float, float, float, float], side: int) -> Image.Image:
        x1, y1, x2, y2 = box_xyxy
        k = self._level_for(min(x2 - x1, y2 - y1) / side)
        image = self.level(k)
        f = 2.0**-k
        # A level's odd last row or column is averaged from fewer pixels, so it may end a little early.
        part = (x1 * f, y1 * f, min(x2 * f, image.width), min(y2 * f, image.height))
        return image.resize((side, side), Image.Resampling.BILINEAR, box=part)

    def warped(self, output_to_input: np.ndarray[tuple[int, int], np.dtype[np.float64]], side: int) -> Pixels:
        """uint8 (side, side, 3): pixel p of the output shows the point `output_to_input` (2, 3) @ (p, 1)."""
        shrink = float(np.hypot(output_to_input[0, 0], output_to_input[1, 0]))
        k = self._level_for(shrink)
        matrix = output_to_input * 2.0**-k
        warped = self.level(k).transform(
            (side, side), Image.Transform.AFFINE, tuple(matrix.ravel()), Image.Resampling.BILINEAR
        )
        return np.asarray(warped)

    def _level_for(self, shrink: float) -> int:
        """The smallest level that is still at least as fine as the output."""
        return min(math.frexp(max(shrink, 1.0))[1] - 1, self._smallest)
