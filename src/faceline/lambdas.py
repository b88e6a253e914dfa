"""The handlers of AWS Lambda: one for each function of deploy/aws/template.yaml. A process serves one of them.

Settings come from `FACELINE_…` variables. What the function of this process needs is opened while this module is
loaded, when Lambda gives a process more of a core than `MemoryMb` pays for, and not by the first event.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from faceline.aws.observing import Context, Observing
from faceline.aws_app import AwsApp
from faceline.config import load
from faceline.errors import FacelineError, SettingError

Event = Any  # whatever JSON Lambda was given

_log = logging.getLogger("faceline.lambdas")


@cache
def observing() -> Observing:
    return Observing()


@cache
def app() -> AwsApp:
    """Raises SettingError."""
    return AwsApp(load())


def image_ingestion(event: Event, context: Context) -> dict[str, Any]:
    """Workflow 1: photos of the photo queue, or of an event of S3, SNS or EventBridge."""
    with observing().invocation(context) as invocation:
        return app().photos(event, invocation)


def enrolment(event: Event, context: Context) -> dict[str, Any]:
    """Workflow 1: labelled photos, which come in the same ways."""
    with observing().invocation(context) as invocation:
        return app().photos(event, invocation)


def frame_detection(event: Event, context: Context) -> dict[str, Any] | list[dict[str, Any]]:
    """Workflow 2, first half: a frame, by a Function URL, API Gateway (REST or HTTP) or a direct call."""
    with observing().invocation(context) as invocation:
        return app().frame(event, invocation)


def frame_recognition(event: Event, context: Context) -> dict[str, Any]:
    """Workflow 2, second half: faces of the request queue."""
    with observing().invocation(context) as invocation:
        return app().requests(event, invocation)


def video_splitting(event: Event, context: Context) -> dict[str, Any]:
    """Workflows 3 and 4, first half: clips and gallery files of the clip queue, or of an event as above."""
    with observing().invocation(context) as invocation:
        return app().clips(event, invocation)


def video_recognition(event: Event, context: Context) -> Any:
    """Workflows 3 and 4, second half: `{"bucket_name", "image_file_name"}`, or an event of the stage bucket."""
    with observing().invocation(context) as invocation:
        return app().staged(event, invocation)


def match_faces(event: Event, context: Context) -> dict[str, Any]:
    """Workflow 5: images of the matching queue, or of an event as above."""
    with observing().invocation(context) as invocation:
        return app().images_to_match(event, invocation)


def notify(event: Event, context: Context) -> dict[str, Any]:
    """Notices that are due, to the topic and the targets of the settings, when the notify queue or a schedule says."""
    with observing().invocation(context) as invocation:
        return app().told(event, invocation)


_OPENED: Mapping[str, Callable[[AwsApp], object]] = {
    "image_ingestion": AwsApp.open_photos,
    "enrolment": AwsApp.open_enrolment,
    "frame_detection": AwsApp.open_frames,
    "frame_recognition": AwsApp.open_requests,
    "video_splitting": AwsApp.open_clips,
    "video_recognition": AwsApp.open_staged,
    "match_faces": AwsApp.open_matching,
    "notify": AwsApp.open_notices,
}


def _open(handler: str) -> None:
    """What this handler needs. What cannot be had now is tried again by the first event, whose dead letter says why.

    Raises SettingError, so that Lambda calls the process not startable, and messages stay in the queue.
    """
    module, _, function = handler.rpartition(".")
    if module != __name__ or function not in _OPENED:
        return
    observing()
    opened = app()
    try:
        _OPENED[function](opened)
    except SettingError:
        raise
    except FacelineError as error:
        _log.error("not all could be opened", extra={"function": function, "reason": str(error)})


# In a container image the variable is missing or empty (https://github.com/aws/aws-lambda-java-libs/issues/237): there
# the runtime interface client's command line says the handler.
_open(os.environ.get("_HANDLER") or sys.argv[-1])
