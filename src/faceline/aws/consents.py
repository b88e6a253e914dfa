"""References to people's consent in DynamoDB."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from faceline.aws.clients import Clients, said
from faceline.aws.face_table import FaceTable
from faceline.aws.items import Item, from_item, to_item
from faceline.aws.writing import conditional
from faceline.erasure import Gone


class DynamoConsents:
    """Implements `gallery.keeping.Consents`. Items of a partition `consents#<collection>`, keyed by hashes of a name
    and of a reference, which may be longer than a key.
    """

    def __init__(self, clients: Clients, table: str) -> None:
        self._clients = clients
        self._table = FaceTable(clients, table)

    def note(self, collection: str, person: str, reference: str) -> None:
        noted_at = datetime.now(UTC).isoformat(timespec="microseconds")
        said_of = to_item({"person": person, "reference": reference, "noted_at": noted_at})
        item = _key(collection, person, reference) | said_of
        table, condition = self._table.name, "attribute_not_exists(pk)"
        conditional(
            lambda: self._clients.dynamodb.put_item(TableName=table, Item=item, ConditionExpression=condition),
            f"table {table}",
        )

    def of(self, collection: str, person: str) -> Sequence[str]:
        found = sorted(map(from_item, self._items(collection, person)), key=lambda item: str(item["noted_at"]))
        return [str(item["reference"]) for item in found]

    def forget(self, gone: Gone) -> int:
        """Implements `erasure.Forgets`."""
        items = [item for collection in gone.collections for item in self._items(collection, gone.name)]
        for item in items:
            with said(f"table {self._table.name}"):
                self._clients.dynamodb.delete_item(TableName=self._table.name, Key={"pk": item["pk"], "sk": item["sk"]})
        return len(items)

    def _items(self, collection: str, person: str) -> list[Item]:
        condition = "begins_with(#key, :value)"
        return list(self._table.query(_partition(collection), condition, ("sk", f"{_hashed(person)}#")))


def _key(collection: str, person: str, reference: str) -> Item:
    return to_item({"pk": _partition(collection), "sk": f"{_hashed(person)}#{_hashed(reference)}"})


def _partition(collection: str) -> str:
    return f"consents#{collection}"


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]
