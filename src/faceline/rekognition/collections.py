"""Collections and the tags on them."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from itertools import islice

from faceline.errors import ConflictError
from faceline.rekognition.answers import Document
from faceline.rekognition.call import Call
from faceline.rekognition.errors import WireError, invalid
from faceline.rekognition.shapes import (
    CreateCollection,
    ListCollections,
    ListTagsForResource,
    OfCollection,
    TagResource,
    UntagResource,
)
from faceline.rekognition.tokens import Pages, name_of, number_of

_ARN = "arn:aws:rekognition:us-east-1:000000000000:collection/"
# Clients make such names from what they know of themselves: any region and account will do.
_COLLECTION_ARN = re.compile(r"arn:aws[a-z-]*:rekognition:[a-z0-9-]*:[0-9]*:collection/([a-zA-Z0-9_.\-]{1,255})")
_SIGNS = frozenset("_.:/=+-@")
_PAGE = 4096


def create_collection(call: Call, request: CreateCollection) -> Document:
    name, app = request.collection_id, call.app
    tags = _checked(request.tags or {})
    if len(tags) > app.settings.quota_collection_tags:
        raise WireError("ServiceQuotaExceededException", f"at most {app.settings.quota_collection_tags} tags are kept")
    try:
        info = app.create_collection(name, tags)
    except ConflictError as error:
        raise WireError("ResourceAlreadyExistsException", str(error)) from error
    return {"StatusCode": 200, "CollectionArn": _ARN + name, "FaceModelVersion": info.model}


def describe_collection(call: Call, request: OfCollection) -> Document:
    info = call.app.collections.get(request.collection_id)
    return {
        "FaceCount": info.faces,
        "UserCount": info.users,
        "FaceModelVersion": info.model,
        "CollectionARN": _ARN + info.name,
        "CreationTimestamp": datetime.fromisoformat(info.created_at).timestamp(),
    }


def list_collections(call: Call, request: ListCollections) -> Document:
    pages = Pages(call.app.page_key, ("ListCollections",))
    start, limit = name_of(pages.place(request.next_token)), request.max_results or _PAGE
    known = sorted(call.app.collections.models().items())
    names = list(islice(((n, m) for n, m in known if n > start and call.allows(n)), limit + 1))
    page = names[:limit]
    answer: Document = {"CollectionIds": [n for n, _ in page], "FaceModelVersions": [m for _, m in page]}
    return answer | ({"NextToken": pages.token(number_of(page[-1][0]))} if len(names) > limit else {})


def delete_collection(call: Call, request: OfCollection) -> Document:
    call.app.drop_collection(request.collection_id)
    return {"StatusCode": 200}


def tag_resource(call: Call, request: TagResource) -> Document:
    name = _collection_of(call, request.resource_arn)
    call.app.tags.put(name, _checked(request.tags), call.app.settings.quota_collection_tags)
    return {}


def untag_resource(call: Call, request: UntagResource) -> Document:
    name = _collection_of(call, request.resource_arn)
    call.app.tags.remove(name, list(_checked(dict.fromkeys(request.tag_keys, ""))))
    return {}


def list_tags_for_resource(call: Call, request: ListTagsForResource) -> Document:
    return {"Tags": call.app.tags.of(_collection_of(call, request.resource_arn))}


def _collection_of(call: Call, arn: str) -> str:
    found = _COLLECTION_ARN.fullmatch(arn)
    if not found:
        raise invalid(f"ResourceArn {arn} names no collection; here only collections have tags: {_ARN}NAME")
    call.allow(found[1])
    return found[1]


def _checked(tags: dict[str, str]) -> dict[str, str]:
    """Raises InvalidParameterException unless all keys and values match the API's patterns."""
    for key, value in tags.items():
        if key.startswith("aws:") or not _spelt(key) or not _spelt(value):
            raise invalid(
                f"the tag {key}={value} is not allowed: letters, digits, spaces and _.:/=+-@ are, "
                "and a key must not start with aws:"
            )
    return tags


def _spelt(text: Iterable[str]) -> bool:
    return all(letter in _SIGNS or unicodedata.category(letter)[0] in "LZN" for letter in text)
