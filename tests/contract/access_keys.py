"""What every keeper of access keys must do. A subclass gives the fixtures `keys` and `elsewhere`."""

import pytest

from faceline.access_keys import AccessKeys, KeyScope
from faceline.errors import ConflictError, NotFoundError, UsageError


class AccessKeysContract:
    @pytest.fixture
    def keys(self) -> AccessKeys:
        raise NotImplementedError

    @pytest.fixture
    def elsewhere(self) -> AccessKeys:
        """The same keys as another process sees them."""
        raise NotImplementedError

    def test_a_new_key_is_found_by_its_id_with_all_that_it_was_made_with(self, keys: AccessKeys) -> None:
        key = keys.create("door", KeyScope.READ, ["staff*", "guests"])
        assert (key.name, key.scope, key.collections) == ("door", KeyScope.READ, ("staff*", "guests"))
        assert keys.find(key.access_key_id) == key

    def test_ids_and_secrets_look_like_those_of_aws(self, keys: AccessKeys) -> None:
        made = [keys.create(f"key-{n}", KeyScope.ALL, ["*"]) for n in range(20)]
        assert {len(key.access_key_id) for key in made} == {20}
        assert all(key.access_key_id.isalnum() and key.access_key_id.isupper() for key in made)
        assert {len(key.secret) for key in made} == {40}
        assert len({key.access_key_id for key in made}) == len({key.secret for key in made}) == 20

    def test_a_secret_is_in_no_representation(self, keys: AccessKeys) -> None:
        key = keys.create("door", KeyScope.ALL, ["*"])
        assert key.secret not in repr(key)

    def test_what_is_no_key_is_not_found(self, keys: AccessKeys) -> None:
        key = keys.create("door", KeyScope.ALL, ["*"])
        assert [keys.find(text) for text in ("", "door", key.access_key_id.lower(), key.secret)] == [None] * 4

    def test_keys_are_listed_in_the_order_in_which_they_were_made(self, keys: AccessKeys) -> None:
        made = [keys.create(name, KeyScope.DETECT, ["*"]) for name in ("b", "a", "c")]
        assert list(keys.list()) == made

    def test_a_name_stands_for_one_key(self, keys: AccessKeys) -> None:
        key = keys.create("door", KeyScope.ALL, ["*"])
        with pytest.raises(ConflictError, match="'door'"):
            keys.create("door", KeyScope.READ, ["*"])
        with pytest.raises(ConflictError, match=key.access_key_id):
            keys.create(key.access_key_id, KeyScope.READ, ["*"])
        assert list(keys.list()) == [key]

    @pytest.mark.parametrize("name", ["", "a b", "ä", "a/b", "a]\n[b", "x" * 65, "DEFAULT", "a\n"])
    def test_a_name_that_cannot_be_one_is_refused(self, keys: AccessKeys, name: str) -> None:
        with pytest.raises(UsageError, match="cannot name a key"):
            keys.create(name, KeyScope.ALL, ["*"])
        assert list(keys.list()) == []

    @pytest.mark.parametrize("pattern", ["", "a,b", "a b", "ä", "a\nfaceline_scope = all", "[ab]", "x" * 256])
    def test_what_can_be_no_collection_is_refused(self, keys: AccessKeys, pattern: str) -> None:
        with pytest.raises(UsageError, match="names no collection"):
            keys.create("door", KeyScope.ALL, ["staff", pattern])

    def test_a_key_for_no_collection_is_refused(self, keys: AccessKeys) -> None:
        with pytest.raises(UsageError, match="names no collection"):
            keys.create("door", KeyScope.ALL, [])

    def test_a_key_is_revoked_by_its_name_or_its_id(self, keys: AccessKeys) -> None:
        first, second, third = (keys.create(name, KeyScope.ALL, ["*"]) for name in ("a", "b", "c"))
        assert keys.revoke("b") == second
        assert keys.revoke(first.access_key_id) == first
        assert list(keys.list()) == [third]
        assert [keys.find(key.access_key_id) for key in (first, second, third)] == [None, None, third]

    def test_revoking_what_is_no_key_is_an_error(self, keys: AccessKeys) -> None:
        with pytest.raises(NotFoundError, match="'door'"):
            keys.revoke("door")

    def test_a_name_is_free_again_when_its_key_is_revoked(self, keys: AccessKeys) -> None:
        old = keys.create("door", KeyScope.ALL, ["*"])
        keys.revoke("door")
        new = keys.create("door", KeyScope.ALL, ["*"])
        assert (keys.find(old.access_key_id), keys.find(new.access_key_id)) == (None, new)

    def test_changes_hold_for_other_processes_at_once(self, keys: AccessKeys, elsewhere: AccessKeys) -> None:
        for _ in range(20):
            key = keys.create("door", KeyScope.ALL, ["*"])
            assert elsewhere.find(key.access_key_id) == key
            keys.revoke("door")
            assert elsewhere.find(key.access_key_id) is None
