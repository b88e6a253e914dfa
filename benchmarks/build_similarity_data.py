"""Makes the cohort and the calibration that faceline ships, from labelled photos.

    python benchmarks/build_similarity_data.py ../shared/data/lfw/images

Only derived arrays are written: invented embeddings and a table of scores; see docs/concepts/similarity.md.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from faceline.config import Settings
from faceline.evaluation.calibrate import cross_fitted_strangers, fit
from faceline.evaluation.cohort import invent
from faceline.evaluation.embedded import embed_photos
from faceline.gallery.sources import expand
from faceline.loading import image_limits, open_analyzer, worker_count
from faceline.models.spaces import BUILTIN

DATA = Path(__file__).parents[1] / "src/faceline/models/data"


def main() -> None:
    settings = Settings(precision="fp32")
    labelled = [(item.path, item.name) for item in expand(Path(sys.argv[1]))]
    photos = embed_photos(labelled, open_analyzer(settings), image_limits(settings), worker_count(settings))
    cohort = invent(photos.embeddings, photos.people)
    scaled = np.rint(cohort.vectors / np.abs(cohort.vectors).max() * 127).astype(np.int8)
    np.savez_compressed(DATA / f"{BUILTIN.shipped}.cohort.npz", vectors=scaled, top=cohort.top)
    fitted = fit(cross_fitted_strangers(photos.embeddings, photos.people))
    document = {
        "model": BUILTIN.model,
        "scores": [round(s, 4) for s in fitted.calibration.scores],
        "log_rates": [round(r, 4) for r in fitted.calibration.log_rates],
        "intervals": fitted.intervals,
        "people": len(np.unique(photos.people)),
        "photos": len(photos.people),
        "stranger_pairs": fitted.stranger_pairs,
        "made": datetime.now(UTC).date().isoformat(),
    }
    (DATA / f"{BUILTIN.shipped}.calibration.json").write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
