"""What the reader of a live source is asked for, which of its pictures it sends, and when it hurries.

Pure, and used on both sides of the pipe.
"""

import json
from dataclasses import asdict, dataclass, field

# Of each scheme, the protocols that FFmpeg may use, also when the camera sends it somewhere else: no `file` among them.
PROTOCOLS = {
    "rtsp": "rtsp,rtp,tcp,udp",
    "rtsps": "rtsps,rtp,tls,tcp,udp",
    "http": "http,https,tls,tcp",
    "https": "https,tls,tcp",
}
_BACKLOG_S = 1.0
_WAITED_S = 0.002


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """address: a URL, user name and password in it, or what `device`, FFmpeg's name of a kind of camera, calls one.

    timeout_s: how long the source may say nothing. ca_file: the certificates that TLS trusts. The rest as in
    `videos.VideoLimits`.
    """

    address: str = field(repr=False)
    device: str | None
    per_second: float
    max_pixels: int
    decode_pixels: int
    memory_mb: int
    timeout_s: float
    ca_file: str | None

    @property
    def scheme(self) -> str:
        return self.address.partition("://")[0]

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of_text(cls, text: str) -> "LiveRequest":
        return cls(**json.loads(text))


@dataclass
class Pace:
    """Takes at most so many pictures a second, evenly, by when they come; jitter of a quarter period loses none."""

    per_second: float
    due_s: float = 0.0

    def takes(self, now_s: float) -> bool:
        period_s = 1 / self.per_second
        if now_s < self.due_s - period_s / 4:
            return False
        self.due_s = max(self.due_s + period_s, now_s + period_s / 2)
        return True


@dataclass
class Backlog:
    """Whether pictures wait for us: for a second, none had to be waited for.

    Told by our own waiting and not by the times in the stream, which run fast, slow or not at all on many cameras.
    """

    waited_at: float

    def heard(self, asked_at: float, now_s: float) -> None:
        """A packet that was asked for at `asked_at` came."""
        if now_s - asked_at >= _WAITED_S:
            self.waited_at = now_s

    def grows(self, now_s: float) -> bool:
        return now_s - self.waited_at > _BACKLOG_S
