"""The log as a target: to see what is told before somebody is told, or for a collector of logs."""

import logging

from faceline.notices import Delivery

_log = logging.getLogger("faceline.notices")


class LogSender:
    """Implements `notices.Sender`."""

    def send(self, delivery: Delivery) -> None:
        notice = delivery.notice
        facts = {"kind": notice.kind, "source": notice.source, "camera": notice.camera, "similarity": notice.similarity}
        said = {name: value for name, value in facts.items() if value is not None}
        _log.info(notice.text, extra={"message_id": delivery.message_id, **said})

    def idle(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing is open."""
