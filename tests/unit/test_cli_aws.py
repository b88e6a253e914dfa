"""`faceline aws`: a deployment looked after from one's own machine."""

import json
from pathlib import Path

import pytest

from commands import Cli, run
from faceline.aws.mailbox import Envelope, Mailbox
from faceline.aws_erasure import AwsErasure
from faceline.ports import RecordQuery
from made import MODEL
from on_aws import NAME, OTHER, Deployment, deployed

_ASKED = "Delete 2 faces and 3 uploads of zerlinda for good?"


@pytest.fixture
def there(aws: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Where the settings lead, with nobody in it."""
    deployment = deployed()
    for name, value in deployment.made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FACELINE_AWS_RECOGNITION_FUNCTION", deployment.settings.aws_recognition_function)
    return deployment


def test_status_tells_queues_and_collections(there: Deployment, cli: Cli) -> None:
    there.app.collections.create("staff", MODEL)
    photos = there.app.queue_of(there.app.names.photos)
    there.bury(photos, "a letter")
    photos.send("a message")
    found = cli("aws", "status", "--json").json
    states = {each["queue"]: each for each in found["queues"]}
    assert states[photos.name] == {"queue": photos.name, "visible": 1, "in_flight": 0, "dead": 1, "error": None}
    assert states[there.app.names.recognition]["visible"] is None
    assert len(states) == 8
    assert [(each["name"], each["faces"]) for each in found["collections"]] == [("staff", 0)]
    assert (found["unfinished_erasures"], found["error"]) == (0, None)
    AwsErasure(there.app).journal.begin("Ada", "a plan")
    said = cli("aws", "status")
    assert photos.name in said.out
    assert "staff" in said.out
    assert "1 erasure was begun and did not end" in said.err


def test_status_calls_each_thing_what_it_is(there: Deployment, cli: Cli) -> None:
    said = cli("aws", "status")
    assert f"calls of {there.app.names.recognition}" in said.out
    assert said.err == "There are no collections yet.\n"


def test_a_status_that_no_record_has_is_refused_with_those_that_there_are(there: Deployment, cli: Cli) -> None:
    for command in (("records",), ("aws", "records")):
        refused = cli(*command, "--status", "bogus")
        assert refused.code == 2
        for status in ("bogus", "matched", "unknown", "ambiguous", "detected", "forgotten", "error"):
            assert status in refused.err


def test_status_says_what_cannot_be_reached_and_tells_the_rest(there: Deployment, cli: Cli) -> None:
    there.app.clients.sqs.delete_queue(QueueUrl=there.made.url(there.app.names.photos))
    done = cli("aws", "status", "--json")
    errors = {each["queue"]: each["error"] for each in done.json["queues"] if each["error"]}
    assert done.code == 1
    assert list(errors) == [there.app.names.photos]
    assert "there is no such queue" in errors[there.app.names.photos]


def test_the_photos_bucket_is_called_as_the_template_calls_it(
    there: Deployment, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FACELINE_INPUT_BUCKET")
    there.fill()
    done = cli("aws", "forget", NAME, "--group-photos", "delete", "--yes", "--json").json
    assert f"{there.settings.id}-photos/input/both.png" in done["uploads"]


def test_without_the_photos_bucket_nobody_is_forgotten_and_nothing_proved(
    there: Deployment, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.fill()
    monkeypatch.setenv("FACELINE_INPUT_BUCKET", "of-somebody-else")
    for command in ("forget", "verify-erasure"):
        refused = cli("aws", command, NAME)
        assert refused.code == 2
        assert refused.err == (
            "faceline: there is no bucket of-somebody-else; set input_bucket to the template's PhotosBucket\n"
        )


def test_records_are_told_as_those_of_the_embedded_profile_are(there: Deployment, cli: Cli) -> None:
    there.app.collections.create(there.settings.collection, MODEL)
    there.photo(f"enroll/{NAME}/1.png")
    there.photo("input/a.png", salt=1)
    assert [(each["key"], each["person"]) for each in cli("aws", "records", "--person", NAME, "--json").json] == [
        ("input/a.png", NAME)
    ]
    assert NAME in cli("aws", "records").out
    assert cli("aws", "records", "--image", "b.png", "--json").json == []


def test_dead_letters_are_listed_redriven_and_discarded(there: Deployment, cli: Cli) -> None:
    photos, clips = there.app.queue_of(there.app.names.photos), there.app.queue_of(there.app.names.clips)
    there.bury(photos, "one")
    there.bury(clips, "two")
    report = {"requestPayload": {"bucket_name": "b"}, "responsePayload": {"errorMessage": "no network"}}
    Mailbox(there.app.clients, f"{there.app.names.recognition}-dlq").send(Envelope(json.dumps(report)), "1")
    found = cli("aws", "dead-letters", "list", "--json").json
    assert [(each["queue"], each["reason"]) for each in found] == [
        (photos.name, "nobody can read one"),
        (clips.name, "nobody can read two"),
        (there.app.names.recognition, "no network"),
    ]
    assert "nobody can read two" in cli("aws", "dead-letters", "list").out
    ids = [each["message_id"] for each in found]
    assert cli("aws", "dead-letters", "redrive", ids[0]).out == "1 message is back in its queue.\n"
    assert [message.body for message in photos.receive(1, 1.0, wait_s=5.0)] == ["one"]
    refused = cli("aws", "dead-letters", "discard", ids[0], "--yes")
    assert (refused.code, "there is no dead letter" in refused.err) == (2, True)
    assert cli("aws", "dead-letters", "discard", "--json").code == 2
    assert cli("aws", "dead-letters", "discard", "--yes", "--json").json == {"discarded": 2}
    assert cli("aws", "dead-letters", "list", "--json").json == []


def test_a_person_is_forgotten_and_that_is_proved(there: Deployment, cli: Cli) -> None:
    there.fill()
    assert cli("aws", "verify-erasure", NAME).code == 1
    unsaid = cli("aws", "forget", NAME, "--yes", "--json")
    assert (unsaid.code, "say --group-photos keep" in unsaid.err) == (2, True)
    assert cli("aws", "forget", NAME, "--group-photos", "keep", "--json").code == 2  # without --yes
    done = cli("aws", "forget", NAME, "--group-photos", "keep", "--yes")
    assert done.code == 0
    assert f"{NAME} is forgotten. Face records deleted, with vectors and crops: 1 in" in done.out
    assert "cannot be rewritten on AWS" in done.err
    proved = cli("aws", "verify-erasure", NAME, "--json")
    assert (proved.code, proved.json["left"], len(proved.json["receipts"])) == (0, [], 1)
    again = cli("aws", "forget", NAME, "--yes")
    assert (again.code, f"nothing in this deployment says {NAME}" in again.err) == (2, True)


def test_a_proof_that_could_not_look_everywhere_fails_and_says_so(there: Deployment, cli: Cli) -> None:
    photos = there.app.names.photos
    there.bury(there.app.queue_of(photos), "input/a.jpg")
    Mailbox(there.app.clients, f"{photos}-dlq").receive(1, 600.0, wait_s=5.0)
    told = cli("aws", "verify-erasure", NAME)
    assert (told.code, told.err) == (1, "1 place could not be looked at; nothing is proved of what is there\n")
    assert f"dead letters of {photos}: somebody else has received 1 of them" in told.out
    assert [each["what"] for each in cli("aws", "verify-erasure", NAME, "--json").json["left"]] == ["unread"]


def test_forgetting_asks_first(there: Deployment, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    there.fill()
    asked: list[str] = []

    def confirm(question: str, abort: bool) -> bool:
        asked.append(question)
        return abort

    monkeypatch.setattr("typer.confirm", confirm)
    told = cli("aws", "forget", NAME, "--group-photos", "keep")
    assert (told.code, asked) == (0, [_ASKED])
    assert f"  {there.settings.names.images}/images/{NAME}_01.png\n" in told.err


def test_before_it_asks_ten_uploads_are_listed_and_the_others_counted(
    there: Deployment, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        there.app.objects.put(there.settings.input_bucket, f"enroll/{NAME}/{number:02}.png", b"no picture")
    monkeypatch.setattr("typer.confirm", lambda question, abort: True)
    told = cli("aws", "forget", NAME).err
    assert f"enroll/{NAME}/09.png\n  and 2 more\n" in told
    assert f"enroll/{NAME}/10.png" not in told


def test_a_kept_file_whose_name_says_who_is_in_it_is_told(there: Deployment, cli: Cli) -> None:
    there.fill()
    key = f"input/{NAME}_and_{OTHER}.png"
    there.photo(key, faces=2, salt=30)
    done = cli("aws", "forget", NAME, "--group-photos", "keep", "--yes", "--json").json
    assert done["keys_that_say_the_name"] == [f"{there.settings.input_bucket}/{key}"]


def test_only_one_collection_forgets_when_one_is_named(there: Deployment, cli: Cli) -> None:
    there.fill()
    name = there.settings.names.matching_collection
    assert cli("aws", "forget", NAME, "-c", name, "--yes", "--json").json["removed"] == {name: 1}
    assert len(there.app.face_records.find(there.settings.collection, person=NAME)) == 1
    assert there.app.records.query(RecordQuery(person=NAME))
    assert cli("-c", name, "aws", "forget", NAME, "--yes").code == 2


def test_without_a_deployment_there_is_one_line_that_says_what_to_set(
    aws: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACELINE_ID", "nothing-there")
    done = cli("aws", "status")
    assert done.code == 2
    assert done.err == (
        "faceline: there is no table nothing-there-state in us-east-1; set FACELINE_ID to the Prefix that the template "
        "was deployed with, and AWS_REGION to its region\n"
    )


def test_without_credentials_there_is_one_line_that_says_how_to_get_some(
    aws: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    done = cli("aws", "records")
    assert done.code == 1
    assert done.err.startswith("faceline: there are no AWS credentials here")
    assert "aws configure" in done.err
    assert done.err.count("\n") == 1


def test_without_a_region_that_is_said(aws: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    done = cli("aws", "status", "--json")
    assert (done.code, done.json) == (1, {"error": "no AWS region is set; set AWS_REGION to the one of the deployment"})


def test_the_region_is_read_as_by_other_tools_of_aws(
    there: Deployment, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert cli("aws", "status", "--json").code == 0
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert " in eu-north-1; " in cli("aws", "status").err


def test_without_the_extra_there_is_the_line_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("boto3", "botocore"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('No module named {name}', name='{name}')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = run(tmp_path, "aws", "status")
    assert (done.code, done.err) == (1, "faceline: `faceline aws` needs boto3: pip install 'faceline[aws]'\n")
