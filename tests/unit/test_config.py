"""Settings: where they come from, which source wins, and what is said about a bad one."""

from pathlib import Path

import pytest

from faceline.config import Settings, load
from faceline.errors import SettingError


def test_without_a_file_or_variables_everything_has_its_default(tmp_path: Path) -> None:
    assert load(environment={}, directory=tmp_path) == Settings()


def test_the_file_in_the_directory_is_read(tmp_path: Path) -> None:
    settings = load(environment={}, directory=with_file(tmp_path, 'collection = "staff"\nport = 9000\n'))
    assert (settings.collection, settings.port) == ("staff", 9000)


def test_a_named_file_is_read_in_place_of_the_directorys(tmp_path: Path) -> None:
    with_file(tmp_path, "port = 9000\n")
    other = tmp_path / "other.toml"
    other.write_text("port = 9001\n")
    assert load(other, environment={}, directory=tmp_path).port == 9001


def test_a_named_file_that_is_absent_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"absent\.toml"):
        load(tmp_path / "absent.toml", environment={})


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    with_file(tmp_path, 'port = 9000\ncollection = "staff"\n')
    settings = load(environment={"FACELINE_PORT": "9001"}, directory=tmp_path)
    assert (settings.port, settings.collection) == (9001, "staff")


def test_variables_are_read_as_their_settings_type(tmp_path: Path) -> None:
    environment = {
        "FACELINE_DATA": "~/faces",
        "FACELINE_ROTATIONS": "true",
        "FACELINE_MIN_SIMILARITY": "92.5",
        "FACELINE_ATTRIBUTES": "emotions",
        "FACELINE_PRECISION": "int8",
    }
    settings = load(environment=environment, directory=tmp_path)
    assert settings.data == Path("~/faces").expanduser()
    assert (settings.rotations, settings.min_similarity) == (True, 92.5)
    assert (settings.attributes, settings.precision) == (("emotions",), "int8")


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    assert load(environment={"FACELINE_TEST_DATA": "x", "PORT": "1"}, directory=tmp_path) == Settings()


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("port = 70000", "port"),
        ('port = "many"', "port"),
        ("min_similarity = 101", "min_similarity"),
        ('precision = "fp8"', "precision"),
        ('attributes = ["age"]', "attributes"),
        ("settle_s = 0", "settle_s"),
    ],
)
def test_a_bad_value_is_said_with_its_setting_and_file(tmp_path: Path, line: str, named: str) -> None:
    with pytest.raises(SettingError, match=rf"faceline\.toml.*{named}"):
        load(environment={}, directory=with_file(tmp_path, line))


def test_a_bad_variable_is_said_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"FACELINE_PORT=http: expected a whole number from 0 to 65535"):
        load(environment={"FACELINE_PORT": "http"}, directory=tmp_path)


def test_an_unknown_key_in_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="colection"):
        load(environment={}, directory=with_file(tmp_path, 'colection = "staff"\n'))


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"faceline\.toml"):
        load(environment={}, directory=with_file(tmp_path, "port: 9000"))


def test_with_replaces_and_checks_and_none_leaves_a_setting_as_it_is() -> None:
    settings = Settings(port=9000)
    changed = settings.with_(collection="staff", port=None)
    assert (changed.collection, changed.port, settings.collection) == ("staff", 9000, "my-face-collection")
    with pytest.raises(SettingError, match="port"):
        settings.with_(port=-1)
    with pytest.raises(SettingError, match="colour"):
        settings.with_(colour="red")


def with_file(folder: Path, text: str) -> Path:
    (folder / "faceline.toml").write_text(text, encoding="utf-8")
    return folder
