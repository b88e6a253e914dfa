"""Mail, chats and telephones by Apprise URLs (https://appriseit.com/services/). Only this module imports apprise."""

from typing import Any

from faceline.errors import MissingExtraError, SettingError
from faceline.notices import Delivery, NotToldError
from faceline.targets import Target


class AppriseSender:
    """Implements `notices.Sender`. People get the text only. Apprise knows no message ids: after a crash one may come
    twice. Raises MissingExtraError, and SettingError for a URL that Apprise does not know.
    """

    def __init__(self, target: Target) -> None:
        try:
            import apprise  # noqa: PLC0415 (an extra)
        except ImportError as error:
            raise MissingExtraError("Apprise targets need apprise; pip install apprise") from error
        self._apprise: Any = apprise.Apprise()
        if not self._apprise.add(target.url):
            raise SettingError(f"the target {target.name} has a url that Apprise cannot use; see its list of services")

    def send(self, delivery: Delivery) -> None:
        if not self._apprise.notify(title="faceline", body=delivery.notice.text):
            raise NotToldError("Apprise could not deliver it; it does not say why")

    def idle(self) -> None:
        """Nothing: each message is a connection of its own."""

    def close(self) -> None:
        """Nothing is open."""
