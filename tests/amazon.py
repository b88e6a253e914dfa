"""Amazon Rekognition on loopback for tests: our own endpoint, with a data directory of its own."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from faceline.app import App
from faceline.rekognition.endpoint import Endpoint
from served import serving


@contextmanager
def rekognition(app: App) -> Iterator[dict[str, str]]:
    """What leads boto3 to the endpoint over this app."""
    app.access_keys.ensure_default()
    key = app.access_keys.list()[0]
    endpoint = Endpoint(app)
    with closing(endpoint), serving(app, rekognition=endpoint.answer) as url:
        yield {
            "AWS_ENDPOINT_URL_REKOGNITION": url,
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
