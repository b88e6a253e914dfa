"""Our own engine behind `FaceService`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.face_service import COLLECTION, FaceServiceContract, MixedAnalyzer
from faceline.app import App
from faceline.config import Settings
from faceline.errors import ModelError
from faceline.faces import FaceService
from made import open_app


class TestOwnFaces(FaceServiceContract):
    @pytest.fixture
    def app(self, tmp_path: Path) -> Iterator[App]:
        with open_app(tmp_path, MixedAnalyzer()) as app:
            yield app

    @pytest.fixture
    def faces(self, app: App) -> FaceService:
        return app.own_engine.of(COLLECTION)


def test_a_missing_network_is_told_when_the_engine_is_loaded(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "new", models_dir=tmp_path / "models", model="facenet")
    with App(settings) as app, pytest.raises(ModelError, match="facenet"):
        app.own_engine.loaded(COLLECTION)
