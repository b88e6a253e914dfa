"""faceline, through its public Python API. Its settings come from the environment, as a user would give them."""

from worker import Box, Job, serve

import faceline


class Faceline:
    packages = ("faceline", "onnxruntime", "numpy", "pillow")
    uncounted_s = 0.0

    def __init__(self) -> None:
        self._open = faceline.open()

    def analyze(self, photo: str) -> list[Box]:
        return [(f.box.left, f.box.top, f.box.width, f.box.height) for f in self._open.detect(photo)]

    def follow(self, clip: str, per_second: float) -> int:
        """The rate comes by the setting follow_per_second."""
        assert self._open.settings.follow_per_second == per_second
        return len(self._open.follow(clip))

    # The API always embeds; boxes do not depend on it.
    detect = analyze


def open_engine(_: Job) -> Faceline:
    return Faceline()


if __name__ == "__main__":
    serve(open_engine)
