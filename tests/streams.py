"""Cameras for tests, on loopback: MPEG-TS and MJPEG over HTTP, H.264 over RTSP, with all that goes wrong with cameras.

Sources: RFC 2326 (RTSP), RFC 6184 (H.264 in RTP), RFC 2617 (Digest).
"""

import base64
import hashlib
import io
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
_CLOCK = 90_000


@dataclass
class Scene:
    """What the camera sees: uint8 (height, width, 3) RGB of picture n. speed: pictures sent a second × speed."""

    picture: Callable[[int], Pixels]
    fps: int = 15
    speed: float = 1.0
    key_every: int = 15
    stalled: threading.Event = field(default_factory=threading.Event)
    garbage: threading.Event = field(default_factory=threading.Event)
    sent: list[float] = field(default_factory=list)  # time.monotonic() of each picture

    def played(self, gone: threading.Event) -> Iterator[tuple[int, Pixels]]:
        """Numbered pictures at their times, until the camera is switched off; none while it is stalled."""
        due = time.monotonic()
        for n in range(1_000_000):
            due += 1 / (self.fps * self.speed)
            while self.stalled.is_set() and not gone.wait(0.02):
                due = time.monotonic()
            if gone.wait(max(due - time.monotonic(), 0)):
                return
            self.sent.append(time.monotonic())
            yield n, self.picture(n)


def walking(face: Pixels, width: int = 480, height: int = 360, seconds: float = 6.0, fps: int = 15) -> Any:
    """A face that walks from left to right and back before a wall."""
    wall = np.asarray(np.random.default_rng(0).integers(90, 130, (height, width, 3)), np.uint8)
    steps = max(int(seconds * fps), 1)

    def picture(n: int) -> Pixels:
        shown = wall.copy()
        phase = abs((n / steps) % 2 - 1)
        left, top = int(phase * (width - face.shape[1])), (height - face.shape[0]) // 2
        shown[top : top + face.shape[0], left : left + face.shape[1]] = face
        return shown

    return picture


def face_of(astronaut: Pixels, side: int = 200) -> Pixels:
    return np.asarray(Image.fromarray(astronaut).crop((110, 0, 340, 230)).resize((side, side)))


def clip(path: Path, seconds: int = 1) -> Path:
    """64 × 64, ten pictures a second."""
    with av.open(str(path), "w") as container:
        out = container.add_stream("mpeg4", rate=10)
        assert isinstance(out, av.VideoStream)
        out.width, out.height, out.pix_fmt = 64, 64, "yuv420p"
        for n in range(10 * seconds):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 * n % 250, np.uint8), format="rgb24")
            picture.pts, picture.time_base = n, Fraction(1, 10)
            container.mux(out.encode(picture))
        container.mux(out.encode(None))
    return path


class Camera:
    """A server that can be switched off, which cuts its connections, and on again, on the same port."""

    def __init__(self, scene: Scene, user: str = "", password: str = "", location: str = "") -> None:
        self.scene, self.user, self.password, self.location = scene, user, password, location
        self.gone = threading.Event()
        self.visits = 0
        self.port = 0
        self.switch_on()

    def switch_on(self) -> None:
        self.gone = threading.Event()
        self._server = _Server(("127.0.0.1", self.port), self._handler())
        self._server.camera = self
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def switch_off(self) -> None:
        self.gone.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self.gone.is_set():
            self.switch_off()

    def _handler(self) -> type[StreamRequestHandler]:
        raise NotImplementedError

    def encoded(self, gone: threading.Event) -> Iterator[tuple[int, bytes, bool]]:
        """H.264 in Annex B, picture by picture: its number, its bytes, whether it is a key frame."""
        encoder: Any = av.CodecContext.create("libx264", "w")
        height, width = self.scene.picture(0).shape[:2]
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        encoder.time_base, encoder.gop_size = Fraction(1, self.scene.fps), self.scene.key_every
        encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "20", "forced-idr": "1"}
        for n, pixels in self.scene.played(gone):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = n
            for packet in encoder.encode(frame):
                data = bytes(packet)
                if self.scene.garbage.is_set():
                    data = np.random.default_rng(n).bytes(len(data))
                yield n, data, packet.is_keyframe


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    camera: Camera

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what is tested."""


class HttpCamera(Camera):
    """/video.ts, /video.mjpg, /elsewhere (a redirect), /text, /missing."""

    def url(self, path: str, login: str = "") -> str:
        return f"http://{login}127.0.0.1:{self.port}/{path}"

    def _handler(self) -> type[StreamRequestHandler]:
        return _HttpHandler


class _HttpHandler(StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        camera = self.server.camera
        path = self.rfile.readline().split()[1].decode()
        headers = dict(_headers(self.rfile))
        camera.visits += 1
        login = base64.b64encode(f"{camera.user}:{camera.password}".encode()).decode()
        if camera.user and headers.get("authorization") != f"Basic {login}":
            self.wfile.write(
                b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
            )
        elif path == "/elsewhere":
            self.wfile.write(f"HTTP/1.1 302 Found\r\nLocation: {camera.location}\r\n\r\n".encode())
        elif path == "/video.ts":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")
            self._send_ts(camera)
        elif path == "/video.mjpg":
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n--frame\r\n"
            )
            self._send_mjpeg(camera)
        elif path == "/text":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + b"<p>hello</p>\n" * 20_000)
        else:
            self.wfile.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def _send_ts(self, camera: Camera) -> None:
        gone = camera.gone
        height, width = camera.scene.picture(0).shape[:2]
        options = {"flush_packets": "1"}
        with av.open(_Writer(self.wfile.write), "w", format="mpegts", options=options) as container:
            out: Any = container.add_stream("libx264", rate=camera.scene.fps)
            out.width, out.height, out.pix_fmt = width, height, "yuv420p"
            out.codec_context.gop_size = camera.scene.key_every
            out.codec_context.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "20"}
            for n, pixels in camera.scene.played(gone):
                if camera.scene.garbage.is_set():
                    self.wfile.write(np.random.default_rng(n).bytes(20_000))
                    continue
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts = n
                container.mux(out.encode(frame))

    def _send_mjpeg(self, camera: Camera) -> None:
        for n, pixels in camera.scene.played(camera.gone):
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "JPEG", quality=90)
            data = stream.getvalue()
            if camera.scene.garbage.is_set():
                data = np.random.default_rng(n).bytes(len(data))
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data + b"\r\n--frame\r\n")


@dataclass
class _Writer:
    """What PyAV muxes into."""

    send: Callable[[bytes], Any]

    def write(self, data: bytes) -> int:
        self.send(data)
        return len(data)


class RtspCamera(Camera):
    """One H.264 stream, RTP interleaved in the RTSP connection; Digest when there is a user."""

    def url(self, login: str = "") -> str:
        return f"rtsp://{login}127.0.0.1:{self.port}/stream1"

    def _handler(self) -> type[StreamRequestHandler]:
        return _RtspHandler


class _RtspHandler(StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.camera = self.server.camera
        self.camera.visits += 1
        self.lock = threading.Lock()
        self.ended = threading.Event()
        gone = self.camera.gone
        threading.Thread(target=self._cut, args=(gone,), daemon=True).start()
        try:
            while line := self.rfile.readline():
                if line.startswith(b"$"):  # the client's RTCP
                    length = struct.unpack(">H", (line + self.rfile.read(4))[2:4])[0]
                    self.rfile.read(max(length + 4 - len(line) - 4, 0))
                    continue
                self._answer(line.decode().split(), dict(_headers(self.rfile)), gone)
        finally:
            self.ended.set()

    def _cut(self, gone: threading.Event) -> None:
        while not gone.wait(0.02):
            if self.ended.is_set():
                return
        with suppress(OSError):  # closed already
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, words: list[str], headers: dict[str, str], gone: threading.Event) -> None:
        method, sequence = words[0], headers["cseq"]
        if method != "OPTIONS" and self.camera.user and not self._known(words, headers):
            self._say(401, sequence, 'WWW-Authenticate: Digest realm="camera", nonce="once"\r\n')
        elif method == "DESCRIBE":
            self._say(200, sequence, f"Content-Base: {words[1]}/\r\nContent-Type: application/sdp\r\n", _SDP)
        elif method == "SETUP" and "TCP" not in headers["transport"]:
            self._say(461, sequence)
        elif method == "SETUP":
            self._say(200, sequence, f"Transport: {headers['transport']}\r\nSession: 1;timeout=60\r\n")
        elif method == "PLAY":
            self._say(200, sequence, "Session: 1\r\nRange: npt=0.000-\r\n")
            threading.Thread(target=self._play, args=(gone,), daemon=True).start()
        else:
            self._say(200, sequence, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n")

    def _known(self, words: list[str], headers: dict[str, str]) -> bool:
        given = dict(re.findall(r'(\w+)="([^"]*)"', headers.get("authorization", "")))
        secret = _md5(f"{self.camera.user}:camera:{self.camera.password}")
        return given.get("response") == _md5(f"{secret}:once:{_md5(f'{words[0]}:{words[1]}')}")

    def _say(self, status: int, sequence: str, headers: str = "", body: str = "") -> None:
        reason = {200: "OK", 401: "Unauthorized", 461: "Unsupported Transport"}[status]
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        with self.lock:
            self.wfile.write(f"RTSP/1.0 {status} {reason}\r\nCSeq: {sequence}\r\n{headers}{length}\r\n{body}".encode())

    def _play(self, gone: threading.Event) -> None:
        number = 0
        try:
            for n, data, _ in self.camera.encoded(gone):
                for payload, last in _payloads(data):
                    head = struct.pack(">BBHII", 0x80, 96 | last << 7, number & 0xFFFF, _time(n, self.camera), 7)
                    number += 1
                    with self.lock:
                        self.wfile.write(struct.pack(">cBH", b"$", 0, len(head) + len(payload)) + head + payload)
        except OSError:
            return  # the client went away


_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
)


def _time(n: int, camera: Camera) -> int:
    return n * _CLOCK // camera.scene.fps & 0xFFFFFFFF


def _payloads(data: bytes, most: int = 1400) -> Iterator[tuple[bytes, int]]:
    """RTP payloads of one picture, and 1 with the last: whole NAL units, or FU-A fragments of large ones."""
    units = [unit for unit in re.split(rb"\x00\x00\x00?\x01", data) if unit]
    for i, unit in enumerate(units):
        last = int(i == len(units) - 1)
        if len(unit) <= most:
            yield unit, last
            continue
        parts = [unit[at : at + most] for at in range(1, len(unit), most)]
        for k, part in enumerate(parts):
            first, final = k == 0, k == len(parts) - 1
            head = bytes([unit[0] & 0xE0 | 28, first << 7 | final << 6 | unit[0] & 0x1F])
            yield head + part, last and int(final)


def _headers(stream: Any) -> Iterator[tuple[str, str]]:
    while (line := stream.readline().decode().strip()) != "":
        name, _, value = line.partition(":")
        yield name.lower(), value.strip()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
