"""MQTT 3.1.1, each message at least once (QoS 1). The only module that imports paho."""

import time
import uuid
from typing import Any
from urllib.parse import unquote, urlsplit

from faceline.errors import MissingExtraError
from faceline.notices import CLEARED, Delivery, NotToldError
from faceline.notify.cloudevents import encoded
from faceline.notify.home_assistant import Home, Retained, names
from faceline.targets import Target

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_RETAINED_S = 1.0  # a broker sends what it keeps at once


class MqttSender:
    """Implements `notices.Sender`. source: the events', see `cloudevents.event`.

    Events go to `<root>/events/<kind>`; a message is told when the broker has acknowledged it. While this is open,
    `<root>/availability` says `online`. After a failure everything is made anew: nothing waits in the client, only in
    the outbox. Raises MissingExtraError.
    """

    def __init__(self, target: Target, home: Home, source: str) -> None:
        try:
            import paho.mqtt.client  # noqa: PLC0415 (an extra)
        except ImportError as error:
            raise MissingExtraError("MQTT targets need paho-mqtt; pip install paho-mqtt") from error
        self._paho: Any = paho.mqtt.client
        self._target, self._home, self._source = target, home, source
        self._client: Any = None
        self._refusal = ""
        self._newest: dict[str, str] = {}

    def send(self, delivery: Delivery) -> None:
        notice = delivery.notice
        try:
            if notice.kind == CLEARED:
                self._clear(str(notice.data["person"]))
                return
            for each in self._home.sensors(notice):
                self._retain(each, notice.time)
            body = encoded(notice, delivery.message_id, self._source)
            self._publish(f"{self._home.root}/events/{notice.kind}", body, retain=False)
        except NotToldError:
            self.close()
            raise

    def idle(self) -> None:
        """Nothing: paho's thread keeps the connection, and opens it again when it is lost."""

    def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        if client.is_connected():
            client.publish(self._home.availability, "offline", qos=1, retain=True).wait_for_publish(2.0)
        client.disconnect()
        client.loop_stop()

    def _retain(self, each: Retained, when: str) -> None:
        """A state that is older than the one we told before stays behind; what a sensor is, is told once."""
        is_state = each.topic.startswith(self._home.root)
        known = self._newest.get(each.topic)
        if known is not None and (when < known if is_state else each.payload == known):
            return
        self._publish(each.topic, each.payload.encode(), retain=True)
        self._newest[each.topic] = when if is_state else each.payload

    def _publish(self, topic: str, payload: bytes, retain: bool) -> None:
        """Returns when the broker has it. Raises NotToldError."""
        client = self._connected()
        try:
            sent = client.publish(topic, payload, qos=1, retain=retain)
            sent.wait_for_publish(self._target.timeout_s)
        except (ValueError, RuntimeError) as error:  # too long; or not connected any more
            raise NotToldError(f"the broker did not take it: {type(error).__name__}") from error
        if not sent.is_published():
            raise NotToldError(f"the broker acknowledged nothing within {self._target.timeout_s:g} s")

    def _clear(self, person: str) -> None:
        """Deletes a forgotten person's sensor, and the states of other sensors that say them."""
        for each in self._home.cleared(person):
            self._publish(each.topic, b"", retain=True)
        client = self._connected()
        kept: list[tuple[str, bytes]] = []
        client.message_callback_add(
            self._home.states, lambda _c, _u, message: kept.append((message.topic, message.payload))
        )
        client.subscribe(self._home.states, qos=1)
        time.sleep(_RETAINED_S)
        client.unsubscribe(self._home.states)
        client.message_callback_remove(self._home.states)
        for topic, payload in kept:
            if names(payload, person):
                self._publish(topic, b"", retain=True)
        self._newest.clear()

    def _connected(self) -> Any:
        """The client, connected. Raises NotToldError."""
        if self._client is None:
            self._client = self._open()
        deadline = time.monotonic() + self._target.timeout_s
        while not self._client.is_connected():  # paho tries again by itself
            if self._refusal or time.monotonic() > deadline:
                raise NotToldError(self._refusal or f"the broker did not answer within {self._target.timeout_s:g} s")
            time.sleep(0.02)
        return self._client

    def _open(self) -> Any:
        parts, paho = urlsplit(self._target.url), self._paho
        name = f"faceline-{uuid.uuid4().hex[:12]}"
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name, clean_session=True)
        if parts.username:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            client.tls_set()
        client.will_set(self._home.availability, "offline", qos=1, retain=True)
        client.on_connect, client.on_message = self._on_connect, self._on_message
        self._refusal = ""
        try:
            client.connect(parts.hostname, parts.port or _PORTS[parts.scheme], keepalive=30)
        except (OSError, ValueError) as error:
            raise NotToldError(f"no connection to the broker: {type(error).__name__}") from error
        client.loop_start()
        return client

    def _on_connect(self, client: Any, _user: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._refusal = f"the broker refuses the connection: {reason}"
            return
        client.publish(self._home.availability, "online", qos=1, retain=True)
        client.subscribe(self._home.availability, qos=1)

    def _on_message(self, client: Any, _user: Any, message: Any) -> None:
        """Another process of ours that ended said `offline`; we are still here."""
        if client is self._client and message.topic == self._home.availability and message.payload == b"offline":
            client.publish(self._home.availability, "online", qos=1, retain=True)
