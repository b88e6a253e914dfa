"""The sender of each kind of target; what it needs is imported when it is first opened."""

from urllib.parse import quote

from faceline.notices import Sender
from faceline.targets import Target


def opened(target: Target, installation: str) -> Sender:
    """installation: as `Settings.id`. Raises MissingExtraError, and SettingError for a target that cannot be used."""
    target, source = target.filled(), f"/faceline/{quote(installation, safe='')}"
    match target.kind:
        case "webhook":
            from faceline.notify.webhooks import WebhookSender  # noqa: PLC0415 (httpx takes a quarter of a second)

            return WebhookSender(target, source)
        case "mqtt":
            from faceline.notify.home_assistant import Home  # noqa: PLC0415
            from faceline.notify.mqtt import MqttSender  # noqa: PLC0415

            return MqttSender(target, Home(installation, target.discovery), source)
        case "apprise":
            from faceline.notify.apprise_targets import AppriseSender  # noqa: PLC0415

            return AppriseSender(target)
        case "log":
            from faceline.notify.logged import LogSender  # noqa: PLC0415

            return LogSender()
