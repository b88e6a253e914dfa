"""The key file: what AWS clients read in it, what people do to it, and the commands that change it."""

import json
import logging
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands import Cli
from faceline.access_keys import KeyScope
from faceline.errors import StorageError
from faceline.local.credentials import Credentials
from faceline.local.key_file import parse

SOUND = """[sound]
aws_access_key_id = FLKAAAAAAAAAAAAAAAAA
aws_secret_access_key = 0123456789012345678901234567890123456789
"""
OTHER = SOUND.replace("sound", "other").replace("A", "B")
ID, OTHER_ID = "FLK" + "A" * 17, "FLK" + "B" * 17


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "credentials"


@pytest.fixture
def keys(file: Path) -> Credentials:
    return Credentials(file)


def write(file: Path, text: str, seconds_ago: float = 100) -> None:
    """As an editor does that writes in place; long ago, so that the file counts as settled."""
    file.touch(mode=0o600)
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    os.utime(file, (time.time() - seconds_ago,) * 2)


# What AWS clients see


def test_boto3_takes_key_and_region_from_the_file(
    file: Path, keys: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.ensure_default("eu-central-1")
    door = keys.create("door", KeyScope.READ, ["staff*", "guests"])
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for profile, key in ((None, keys.get("default")), ("door", door)):
        session = boto3.Session(profile_name=profile)
        found = session.get_credentials()
        assert (found.access_key, found.secret_key, found.token) == (key.access_key_id, key.secret, None)
        assert session.region_name == "eu-central-1"
        assert session.client("rekognition").meta.region_name == "eu-central-1"


# The first key


def test_the_first_key_may_do_everything_and_is_for_its_user_only(file: Path, keys: Credentials) -> None:
    keys.ensure_default("us-east-1")
    (key,) = keys.list()
    assert (key.name, key.scope, key.collections) == ("default", KeyScope.ALL, ("*",))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_first_key_is_made_once(file: Path, keys: Credentials) -> None:
    keys.ensure_default("us-east-1")
    before = file.read_bytes()
    Credentials(file).ensure_default("eu-west-1")
    assert file.read_bytes() == before


def test_processes_that_start_together_agree_on_the_first_key(file: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: Credentials(file).ensure_default("us-east-1"), range(32)))
    assert len(Credentials(file).list()) == 1


def test_keys_that_are_made_together_are_all_kept(file: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: Credentials(file).create(f"key-{n}", KeyScope.ALL, ["*"]), range(32)))
    assert {key.name for key in Credentials(file).list()} == {key.name for key in made}


def test_a_file_whose_keys_are_all_revoked_says_so_and_is_not_refilled(file: Path, keys: Credentials) -> None:
    keys.ensure_default("us-east-1")
    keys.revoke("default")
    keys.ensure_default("us-east-1")
    assert list(keys.list()) == []
    assert "All keys are revoked" in file.read_text()
    keys.create("door", KeyScope.ALL, ["*"])
    assert "revoked" not in file.read_text()


# People edit it


def test_comments_and_settings_of_others_stay(file: Path, keys: Credentials) -> None:
    write(file, f"# mine\n\n{SOUND}region = eu-west-3\ns3 =\n  addressing_style = path\n# on Ada's desk\n{OTHER}; end")
    keys.create("door", KeyScope.DETECT, ["*"])
    keys.revoke("other")
    text = file.read_text()
    assert text.startswith(
        f"# mine\n\n{SOUND}region = eu-west-3\ns3 =\n  addressing_style = path\n# on Ada's desk\n; end"
    )
    assert [(key.name, key.scope) for key in keys.list()] == [("sound", KeyScope.ALL), ("door", KeyScope.DETECT)]
    assert text.count("region = eu-west-3") == 2


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_lines_may_end_as_on_other_systems(file: Path, keys: Credentials, newline: str) -> None:
    write(file, f"{SOUND}faceline_scope : read\nFACELINE_COLLECTIONS=a, b*\n".replace("\n", newline))
    key = keys.find(ID)
    assert key
    assert (key.scope, key.collections) == (KeyScope.READ, ("a", "b*"))


def test_an_edit_in_place_holds_at_once_even_with_the_same_size_and_time(file: Path, keys: Credentials) -> None:
    now = time.time()
    for letter in "BCDEFGH":
        write(file, SOUND.replace("A", letter))
        os.utime(file, (now, now))
        assert keys.find("FLK" + letter * 17), letter
        assert keys.find(ID) is None


def test_an_unchanged_file_is_not_read_again(file: Path, keys: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, SOUND)
    monkeypatch.setattr("faceline.local.credentials._SETTLED_NS", 0)
    time.sleep(0.02)
    assert keys.find(ID)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("read again"))
    assert keys.find(ID)
    assert keys.find("nobody") is None


def test_deleting_the_file_revokes_all_keys(file: Path, keys: Credentials) -> None:
    write(file, SOUND)
    assert keys.find(ID)
    file.unlink()
    assert keys.find(ID) is None
    assert list(keys.list()) == []


DAMAGE = {
    "a missing secret": ("aws_secret_access_key = 0123456789012345678901234567890123456789\n", "", "no aws_secret"),
    "a short secret": ("0123456789012345678901234567890123456789", "secret", "no aws_secret"),
    "a missing id": (f"aws_access_key_id = {ID}\n", "", "no aws_access_key_id"),
    "a comment behind a value": (ID, f"{ID} # mine", "no aws_access_key_id"),
    "an unknown scope": ("\n", "\nfaceline_scope = write\n", "faceline_scope must be one of all, read, detect"),
    "an empty scope": ("\n", "\nfaceline_scope =\n", "faceline_scope must be"),
    "no collections": ("\n", "\nfaceline_collections =\n", "faceline_collections must be"),
    "a pattern of another kind": ("\n", "\nfaceline_collections = staff?\n", "faceline_collections must be"),
    "a misspelt restriction": ("\n", "\nfaceline_scop = read\n", "no setting 'faceline_scop'"),
    "a hyphen": ("\n", "\nfaceline-scope = read\n", "no setting 'faceline-scope'"),
    "no prefix": ("\n", "\nscope = detect\n", "no setting 'scope'"),
    "an invisible space": ("\n", "\n\u200bfaceline_scope = read\n", "no setting"),
    "two scopes": ("\n", "\nfaceline_scope = read\nfaceline_scope = all\n", "faceline_scope stands there twice"),
    "a line of something": ("\n", "\nnonsense\n", "line 2 is no setting"),
    "bytes that are not UTF-8": ("\n", "\n# \udcff\n", "line 2 is not UTF-8"),
    "an impossible name": ("[sound]", "[so und]", "its name has other"),
    "the name that configparser spreads": ("[sound]", "[DEFAULT]", "its name has other"),
    "a byte order mark": ("[sound]", "\ufeff[sound]", "line 1 stands before the first"),
}


@pytest.mark.parametrize(("old", "new", "what"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_section_is_no_key_and_others_work(
    file: Path, keys: Credentials, caplog: pytest.LogCaptureFixture, old: str, new: str, what: str
) -> None:
    write(file, SOUND.replace(old, new, 1) + OTHER)
    assert keys.find(ID) is None
    assert keys.find(OTHER_ID)
    keys.find(ID)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert what in record.message
    with pytest.raises(StorageError, match=r"line \d.*mend or delete") as raised:
        keys.list()
    assert what in str(raised.value)
    assert "0123456789" not in caplog.text + str(raised.value)
    with pytest.raises(StorageError):
        keys.create("door", KeyScope.ALL, ["*"])
    with pytest.raises(StorageError):
        keys.revoke("sound")


def test_an_indented_restriction_counts(file: Path, keys: Credentials) -> None:
    write(file, f"{SOUND}  faceline_scope = detect\n")
    key = keys.find(ID)
    assert key
    assert key.scope == KeyScope.DETECT


def test_of_two_sections_with_one_name_or_id_neither_is_a_key(file: Path, keys: Credentials) -> None:
    for second in (OTHER.replace("other", "sound"), SOUND.replace("sound", "again")):
        write(file, SOUND + second)
        assert [keys.find(ID), keys.find(OTHER_ID)] == [None, None]
        with pytest.raises(StorageError, match=r"several of this name|another section"):
            keys.list()


def test_a_key_can_be_revoked_while_another_section_is_damaged(file: Path, keys: Credentials) -> None:
    write(file, f"[broken]\n# \udcff\nx = 1\n{SOUND}")
    assert keys.revoke("sound").access_key_id == ID
    assert file.read_bytes() == b"[broken]\n# \xff\nx = 1\n"


def test_a_warning_that_was_mended_comes_again(file: Path, keys: Credentials, caplog: pytest.LogCaptureFixture) -> None:
    for mode in (0o644, 0o600, 0o640):
        write(file, SOUND)
        file.chmod(mode)
        assert keys.find(ID)
        assert keys.find(ID)
    assert [record.message.endswith("run chmod 600 on it") for record in caplog.records] == [True, True]


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(humble: Path) -> None:
    write(humble / "credentials", SOUND)
    (humble / "credentials").chmod(0)
    keys = Credentials(humble / "credentials")
    for verb in (keys.list, lambda: keys.find(ID), lambda: keys.revoke("sound")):
        with pytest.raises(StorageError, match=r"cannot read .*credentials: Permission denied; run as"):
            verb()


def test_a_directory_that_cannot_be_written_is_named(humble: Path) -> None:
    keys = Credentials(humble / "credentials")
    keys.ensure_default("us-east-1")
    humble.chmod(0o500)
    with pytest.raises(StorageError, match=r"cannot write .*credentials"):
        keys.create("door", KeyScope.ALL, ["*"])


@pytest.mark.parametrize("make", [Path.mkdir, lambda file: write(file, "#" * 1_000_001), os.mkfifo])
def test_what_is_no_small_file_is_not_read(file: Path, keys: Credentials, make: object) -> None:
    assert callable(make)
    make(file)
    with pytest.raises(StorageError, match="no file of at most"):
        keys.find(ID)


@given(st.text(st.characters(exclude_categories=[])))
def test_no_text_makes_the_parser_fail_or_changes_on_the_way(text: str) -> None:
    file = parse(text + "\n" + SOUND)
    assert file.text == text + "\n" + SOUND
    assert file.problems or [key.name for key in file.keys] == ["sound"]


@given(st.lists(st.sampled_from([*SOUND.splitlines(True), *OTHER.splitlines(True), "# x\n", "\n", "[x]\n", "y\n"])))
def test_revoking_takes_one_key_away_and_leaves_the_others(lines: list[str]) -> None:
    file = parse("".join(lines))
    for key in file.keys:
        after = parse(file.without(key))
        assert list(after.keys) == [other for other in file.keys if other != key]
        assert sum("#" in line for line in after.lines) >= sum("#" in line for line in file.lines) - _inside(
            lines, key.name
        )


def _inside(lines: list[str], name: str) -> int:
    """Comments between a section's header and its last setting."""
    start = lines.index(f"[{name}]\n")
    ends = [n for n in range(start, len(lines)) if lines[n].startswith("[") and n > start] or [len(lines)]
    last = max(n for n in range(start, ends[0]) if not lines[n].startswith(("#", "\n")))
    return sum(line.startswith("#") for line in lines[start:last])


# The commands


def test_the_commands_make_list_and_revoke_keys(cli: Cli, tmp_path: Path) -> None:
    data = ("--data", tmp_path / "data")
    assert cli(*data, "keys").code == 2
    made = cli(*data, "keys", "create", "door", "--scope", "read", "--for", "staff*", "--for", "guests", "--json").json
    described = {"name": "door", "access_key_id": made["access_key_id"], "scope": "read"}
    described["collections"] = ["staff*", "guests"]
    assert made == described | {"file": str(tmp_path / "data" / "credentials")}
    assert cli(*data, "keys", "list", "--json").json == [described]
    revoked = cli(*data, "keys", "revoke", made["access_key_id"], "--yes", "--json").json
    assert revoked == {"revoked": "door", "access_key_id": made["access_key_id"]}
    assert cli(*data, "keys", "--json").json == []


def test_no_command_shows_a_secret(cli: Cli, tmp_path: Path) -> None:
    data = ("--data", tmp_path / "data")
    commands = (("create", "a"), ("create", "b", "--json"), ("list",), ("list", "--json"))
    results = [cli(*data, "keys", *command) for command in commands]
    results += [cli(*data, "keys", "revoke", "a", "--yes")]
    assert [result.code for result in results] == [0] * 5
    file = (tmp_path / "data" / "credentials").read_text()
    (secret,) = (line.split(" = ")[1] for line in file.splitlines() if line.startswith("aws_secret"))
    assert not any(secret in result.out + result.err for result in results)


def test_creating_a_key_says_how_to_use_it(cli: Cli, tmp_path: Path) -> None:
    out = cli("--data", tmp_path / "my data", "keys", "create", "door").out
    assert f"AWS_SHARED_CREDENTIALS_FILE='{tmp_path}/my data/credentials'" in out
    assert "AWS_PROFILE=door\n" in out
    assert "AWS_ENDPOINT_URL_REKOGNITION=http://127.0.0.1:8765" in out


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("revoke", "nobody", "--yes"), "no key 'nobody'"),
        (("revoke", "door"), "--yes"),
        (("create", "a b"), "cannot name a key"),
        (("create", "c", "--for", "a,b"), "names no collection"),
        (("create", "c", "--scope", "write"), "write"),
    ],
)
def test_wrong_use_is_told_and_changes_nothing(cli: Cli, tmp_path: Path, arguments: tuple[str, ...], what: str) -> None:
    data = ("--data", tmp_path / "data")
    cli(*data, "keys", "create", "door")
    result = cli(*data, "keys", *arguments, "--json")
    assert result.code == 2
    assert what in json.loads(result.out)["error"]
    assert [key["name"] for key in cli(*data, "keys", "--json").json] == ["door"]


def test_a_damaged_file_is_told_without_a_traceback(cli: Cli, tmp_path: Path) -> None:
    cli("--data", tmp_path, "keys", "create", "door")
    write(tmp_path / "credentials", "nonsense")
    result = cli("--data", tmp_path, "keys")
    assert result.code == 1
    assert "line 1 stands before the first [name]: mend or delete that" in result.err
    assert "Traceback" not in result.err
