"""Downloads from a made server: resumed, verified, atomic, and what is said when they fail."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from faceline.errors import ModelError, UsageError
from faceline.models import pulling
from faceline.models.added import added_path, read_registry
from faceline.models.adding import Adder
from faceline.models.download import download
from faceline.models.packs import PACKS, Row
from networks import FORM, embedder, yunet

DATA = np.random.default_rng(2).bytes(300_000)


@dataclass
class Site:
    """What the made server does. cuts: after how many bytes each answer breaks off, one a request."""

    files: dict[str, bytes] = field(default_factory=dict)
    status: int = 200
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        site = cast(Any, self.server).site
        asked = self.headers.get("Range")
        site.asked.append((self.path, asked))
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.end_headers()
            return
        data = site.files.get(self.path, b"")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and site.ranges else 0
        if site.status != 200 or not data or start >= len(data):
            self.send_error(site.status if site.status != 200 else 416 if data else 404)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : start + site.cuts.pop(0)] if site.cuts else data[start:])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site({"/made.bin": DATA}, url=f"http://127.0.0.1:{server.server_port}")
    cast(Any, server).site = site
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


def row(site: Site, data: bytes = DATA, path: str = "/made.bin", **changes: Any) -> Row:
    made = Row("mine", site.url + path, hashlib.sha256(data).hexdigest(), len(data), "MIT", True, "", FORM)
    return replace(made, **changes)


def get(row: Row, folder: Path, progress: Callable[[int], None] = lambda _: None) -> Path:
    return download(row, folder, progress, pause_s=0)


def test_a_file_is_downloaded_whole_with_progress(site: Site, tmp_path: Path) -> None:
    told: list[int] = []
    path = get(row(site), tmp_path, told.append)
    assert path == tmp_path / "downloads" / "made.bin"
    assert path.read_bytes() == DATA
    assert told == sorted(told)
    assert (told[-1], len(told) > 1) == (len(DATA), True)
    assert not path.with_name("made.bin.part").exists()


def test_a_download_that_breaks_off_goes_on_where_it_was(site: Site, tmp_path: Path) -> None:
    site.cuts = [100_000, 150_000]
    assert get(row(site), tmp_path).read_bytes() == DATA
    assert [asked for _, asked in site.asked] == [None, "bytes=100000-", "bytes=250000-"]


def test_a_later_command_goes_on_where_a_stopped_one_was(site: Site, tmp_path: Path) -> None:
    site.cuts = [50_000, 1, 1, 1]
    with pytest.raises(ModelError, match=r"cannot be downloaded: .*\(50003 bytes are kept, and the next try goes on"):
        get(row(site), tmp_path)
    assert not (tmp_path / "downloads" / "made.bin").exists()
    site.asked.clear()
    assert get(row(site), tmp_path).read_bytes() == DATA
    assert site.asked == [("/made.bin", "bytes=50003-")]


def test_a_server_without_ranges_sends_all_again(site: Site, tmp_path: Path) -> None:
    site.ranges, site.cuts = False, [100_000]
    assert get(row(site), tmp_path).read_bytes() == DATA


def test_a_part_that_is_longer_than_the_file_is_thrown_away(site: Site, tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "made.bin.part").write_bytes(DATA + b"more")
    assert get(row(site), tmp_path).read_bytes() == DATA
    assert site.asked == [("/made.bin", None)]


def test_a_part_that_the_server_has_less_of_begins_anew(site: Site, tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "made.bin.part").write_bytes(b"x" * 250_000)
    site.files["/made.bin"] = DATA[:200_000]
    with pytest.raises(ModelError, match="200000 of 300000 bytes came"):
        get(row(site), tmp_path)
    assert [asked for _, asked in site.asked][:2] == ["bytes=250000-", None]
    assert (tmp_path / "downloads" / "made.bin.part").read_bytes() == DATA[:200_000]


def test_another_file_than_was_meant_is_refused_and_deleted(site: Site, tmp_path: Path) -> None:
    site.files["/made.bin"] = DATA[:-1] + bytes([DATA[-1] ^ 1])
    with pytest.raises(ModelError, match=r"was another file: its SHA-256 is [0-9a-f]{64} instead of [0-9a-f]{64}"):
        get(row(site), tmp_path)
    assert [path.name for path in (tmp_path / "downloads").iterdir()] == [".lock"]


def test_a_file_that_grew_is_cut_short(site: Site, tmp_path: Path) -> None:
    site.files["/made.bin"] = DATA + DATA
    with pytest.raises(ModelError, match="sends more than the 300000 bytes of the file"):
        get(row(site), tmp_path)
    assert len(site.asked) == 1


def test_a_redirection_is_followed(site: Site, tmp_path: Path) -> None:
    assert get(row(site, path="/moved/made.bin"), tmp_path).read_bytes() == DATA
    assert [path for path, _ in site.asked] == ["/moved/made.bin", "/made.bin"]


def test_what_is_not_there_is_asked_for_once(site: Site, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"127\.0\.0\.1 answers 404 Not Found\. .*put it to .*downloads/none\.bin, and run"
    ):
        get(row(site, path="/none.bin"), tmp_path)
    assert len(site.asked) == 1


def test_a_server_in_trouble_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.status = 503
    with pytest.raises(ModelError, match="503"):
        get(row(site), tmp_path)
    assert len(site.asked) == 4


def test_without_a_network_the_error_says_where_to_put_the_file(site: Site, tmp_path: Path) -> None:
    offline = row(site, url="http://127.0.0.1:9/folder/made.bin")
    with pytest.raises(ModelError, match=r"ConnectError.*Check the network.*put it to .*downloads/made\.bin"):
        get(offline, tmp_path)
    (tmp_path / "downloads" / "made.bin").write_bytes(DATA)
    assert get(offline, tmp_path).read_bytes() == DATA


def test_a_wrong_file_that_was_put_there_is_not_taken(site: Site, tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "made.bin").write_bytes(b"another")
    with pytest.raises(ModelError, match="was another file"):
        get(row(site), tmp_path)
    assert site.asked == []


def test_a_pulled_embedder_is_added_and_not_asked_for_again(site: Site, tmp_path: Path) -> None:
    data = embedder().SerializeToString()
    site.files["/made.onnx"] = data
    told: list[str] = []
    adder = Adder(tmp_path, lambda *_: (32, ""))
    for _ in range(2):
        pulling.pull(row(site, data, "/made.onnx"), adder, lambda _: None, told.append)
    assert told == ["mine is there now", "mine is there already"]
    assert len(site.asked) == 1
    assert read_registry(tmp_path).models["mine"].source == f"{site.url}/made.onnx"
    assert added_path(tmp_path, "mine").is_file()
    assert not (tmp_path / "downloads" / "made.onnx").exists()


def test_a_pulled_detector_is_added(site: Site, tmp_path: Path) -> None:
    data = yunet().SerializeToString()
    site.files["/made.onnx"] = data
    pulled = row(site, data, "/made.onnx", name="yunet", form=None)
    pulling.pull(pulled, Adder(tmp_path, lambda *_: (0, "")), lambda _: None, lambda _: None)
    assert added_path(tmp_path, "yunet").read_bytes() == data


def test_terms_that_forbid_commercial_use_must_be_accepted() -> None:
    (facenet,) = PACKS["facenet"]
    terms = pulling.terms_of(facenet)
    with pytest.raises(
        UsageError, match=r"facenet is not for commercial use \(licence: MIT, trained on VGGFace2.*--accept"
    ):
        pulling.check_accepted("facenet", terms, accepted=False)
    pulling.check_accepted("facenet", terms, accepted=True)
    for commercial in PACKS["recommended"]:
        pulling.check_accepted(commercial.name, pulling.terms_of(commercial), accepted=False)


def test_the_packs_rows_are_those_of_the_reference_list(test_data: Path) -> None:
    upstream = (test_data / "models" / "UPSTREAM.csv").read_text()
    for each in (each for pack in PACKS.values() for each in pack):
        assert f",{each.sha256},{each.size_bytes},https://media.githubusercontent.com/media/" in upstream
        assert each.url.startswith("https://")
