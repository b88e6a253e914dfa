"""TagResource, UntagResource and ListTagsForResource."""

import pytest

from conformance.conftest import new_name
from conformance.service import Client, code_of, refusal


@pytest.fixture
def arn(client: Client, collection: str) -> str:
    found: str = client.describe_collection(CollectionId=collection)["CollectionARN"]
    return found


def tags(client: Client, arn: str) -> dict[str, str]:
    found: dict[str, str] = client.list_tags_for_resource(ResourceArn=arn)["Tags"]
    return found


def test_tags_come_back_as_they_were_given(client: Client, arn: str) -> None:
    given = {"team": "security", "Größe mit Leerzeichen": "zwölf 12", "a_.:/=+-@z": "_.:/=+-@", "empty": ""}
    client.tag_resource(ResourceArn=arn, Tags=given)
    assert tags(client, arn) == given


def test_a_collection_can_be_made_with_tags(client: Client) -> None:
    name = new_name()
    arn = client.create_collection(CollectionId=name, Tags={"team": "security"})["CollectionArn"]
    assert tags(client, arn) == {"team": "security"}
    client.delete_collection(CollectionId=name)


def test_a_new_collection_has_none(client: Client, arn: str) -> None:
    assert tags(client, arn) == {}


def test_tags_are_added_and_replaced(client: Client, arn: str) -> None:
    client.tag_resource(ResourceArn=arn, Tags={"team": "security", "room": "12"})
    client.tag_resource(ResourceArn=arn, Tags={"room": "13", "Room": "14"})
    assert tags(client, arn) == {"team": "security", "room": "13", "Room": "14"}


def test_tags_are_removed_by_key_and_unknown_keys_are_no_error(client: Client, arn: str) -> None:
    client.tag_resource(ResourceArn=arn, Tags={"team": "security", "room": "12"})
    client.untag_resource(ResourceArn=arn, TagKeys=["room", "unknown"])
    assert tags(client, arn) == {"team": "security"}


def test_tags_go_with_the_collection(client: Client) -> None:
    name = new_name()
    arn = client.create_collection(CollectionId=name, Tags={"team": "security"})["CollectionArn"]
    client.delete_collection(CollectionId=name)
    assert code_of(refusal(client, "list_tags_for_resource", {"ResourceArn": arn})) == "ResourceNotFoundException"
    client.create_collection(CollectionId=name)
    assert tags(client, arn) == {}
    client.delete_collection(CollectionId=name)


def test_the_longest_key_and_value_fit(client: Client, arn: str) -> None:
    longest = {"k" * 128: "v" * 256}
    client.tag_resource(ResourceArn=arn, Tags=longest)
    assert tags(client, arn) == longest


def test_fifty_tags_fit_and_one_more_does_not(client: Client, arn: str) -> None:
    fifty = {f"key {number}": "value" for number in range(50)}
    client.tag_resource(ResourceArn=arn, Tags=fifty)
    client.tag_resource(ResourceArn=arn, Tags={"key 3": "another value"})
    error = refusal(client, "tag_resource", {"ResourceArn": arn, "Tags": {"one more": "value"}})
    assert code_of(error) == "ServiceQuotaExceededException"
    assert tags(client, arn) == fifty | {"key 3": "another value"}
