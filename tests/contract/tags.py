"""What every store of tags must do. A subclass gives the fixtures `collections` and `tags`."""

import pytest

from faceline.errors import NotFoundError, QuotaError
from faceline.gallery.ports import Collections, Tags
from made import MODEL

STAFF = "staff"


class TagsContract:
    @pytest.fixture
    def collections(self) -> Collections:
        raise NotImplementedError

    @pytest.fixture
    def tags(self) -> Tags:
        """Of the same storage as `collections`."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _collections(self, collections: Collections) -> None:
        collections.create(STAFF, MODEL)
        collections.create("guests", MODEL)

    def test_tags_are_kept_replaced_and_removed(self, tags: Tags) -> None:
        assert tags.of(STAFF) == {}
        tags.put(STAFF, {"team": "blue", "cost centre": ""}, limit=3)
        tags.put(STAFF, {"team": "rød' --"}, limit=3)
        assert tags.of(STAFF) == {"team": "rød' --", "cost centre": ""}
        tags.remove(STAFF, ["cost centre", "absent"])
        assert tags.of(STAFF) == {"team": "rød' --"}

    def test_each_collection_has_its_own(self, tags: Tags) -> None:
        tags.put(STAFF, {"team": "blue"}, limit=1)
        tags.put("guests", {"team": "red"}, limit=1)
        tags.remove("guests", ["team"])
        assert (tags.of(STAFF), tags.of("guests")) == ({"team": "blue"}, {})

    def test_no_more_are_kept_than_the_limit_and_none_of_those_that_are_too_many(self, tags: Tags) -> None:
        tags.put(STAFF, {"a": "1", "b": "2"}, limit=3)
        with pytest.raises(QuotaError, match=f"{STAFF} would have 4 tags and may have 3; remove"):
            tags.put(STAFF, {"a": "9", "c": "3", "d": "4"}, limit=3)
        assert tags.of(STAFF) == {"a": "1", "b": "2"}
        tags.put(STAFF, {"a": "9", "c": "3"}, limit=3)
        assert tags.of(STAFF) == {"a": "9", "b": "2", "c": "3"}

    def test_an_absent_collection_is_named(self, tags: Tags) -> None:
        with pytest.raises(NotFoundError, match="nobodys"):
            tags.of("nobodys")
        with pytest.raises(NotFoundError, match="nobodys"):
            tags.put("nobodys", {"a": "1"}, limit=3)
        with pytest.raises(NotFoundError, match="nobodys"):
            tags.remove("nobodys", ["a"])

    def test_a_collection_that_is_made_again_has_none(self, collections: Collections, tags: Tags) -> None:
        tags.put(STAFF, {"team": "blue"}, limit=3)
        collections.drop(STAFF)
        with pytest.raises(NotFoundError, match=STAFF):
            tags.of(STAFF)
        collections.create(STAFF, MODEL)
        assert tags.of(STAFF) == {}
