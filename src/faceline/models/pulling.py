"""`faceline models pull`: a pack's files downloaded and added. Imported only then: it needs httpx and onnx."""

from collections.abc import Callable

from faceline.errors import UsageError
from faceline.models.added import added_path, read_registry
from faceline.models.adding import Adder, Asked, Terms
from faceline.models.download import Progress, download
from faceline.models.packs import Row


def check_accepted(name: str, terms: Terms, accepted: bool) -> None:
    """Raises UsageError, with the terms, for a model that is not for commercial use unless that is accepted."""
    if not terms.commercial and not accepted:
        data = f", trained on {terms.training_data}" if terms.training_data else ""
        raise UsageError(
            f"{name} is not for commercial use (licence: {terms.licence}{data}); "
            "if your use is within these terms, add --accept-license"
        )


def terms_of(row: Row) -> Terms:
    return Terms(row.licence, row.commercial, row.training_data)


def pull(row: Row, adder: Adder, progress: Progress, say: Callable[[str], None]) -> None:
    """Downloads and adds one model, unless it is there. say: told what was done, in one sentence.

    Raises ModelError when the file cannot be had or used, ConflictError when another model has the name.
    """
    known = read_registry(adder.directory).models.get(row.name)
    if known and known.source_sha256 == row.sha256 and known.form == row.form:
        added_path(adder.directory, row.name)
        say(f"{row.name} is there already")
        return
    file = download(row, adder.directory, progress)
    adder.add(file.read_bytes(), row.url, Asked(row.name, row.form), terms_of(row))
    file.unlink()  # in our form it is kept already
    say(f"{row.name} is there now")
