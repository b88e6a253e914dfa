"""Every error that faceline raises, as one tree.

::

    FacelineError
    ├── UsageError              the call or the command line cannot be meant: say it differently
    │   └── SettingError        a setting has a value that cannot be used
    ├── InputError              this input cannot be used; others can
    │   ├── ImageError          not an image we read, or damaged
    │   │   └── ImageLimitError an image over a limit of size or cost
    │   ├── VideoError          not a video we read, or one that cannot be decoded
    │   │   ├── VideoLimitError a video over a limit of size or cost
    │   │   └── VideoDamagedError some of its frames are missing; those before came
    │   ├── NoFaceError         a face was needed and none was found
    │   └── ObjectKeyError      an object key or bucket name that is refused
    ├── NotFoundError           no such object, collection, person
    ├── ConflictError           somebody else holds it, or it is there already
    ├── QuotaError              a limit on how much may be kept would be passed
    ├── ModelError              a model is missing, damaged, or cannot be built
    │   └── ModelMismatchError  embeddings of different models were to be compared
    ├── ArtefactError           what is to be deployed cannot be made
    ├── MissingExtraError       an optional part is not installed
    └── StorageError            the data directory cannot be used (newer schema, locked, not writable)

A message says what was wrong with which input and what to do about it.
"""


class FacelineError(Exception):
    """Base of all errors that faceline raises on purpose."""


class UsageError(FacelineError):
    """The call or command cannot be meant as written."""


class SettingError(UsageError):
    """A setting has a value that cannot be used."""


class InputError(FacelineError):
    """One input cannot be used; the others can."""


class ImageError(InputError):
    """Bytes that are not an image we read, or are damaged."""


class ImageLimitError(ImageError):
    """An image exceeds a limit of size or cost."""


class VideoError(InputError):
    """A file that is not a video we read, or that cannot be decoded."""


class VideoLimitError(VideoError):
    """A video exceeds a limit of size or cost."""


class VideoDamagedError(VideoError):
    """Comes after the frames of a clip that is damaged or cut off: some are missing."""


class NoFaceError(InputError):
    """A face was needed and the image has none."""


class ObjectKeyError(InputError):
    """A bucket name or object key that is refused."""


class NotFoundError(FacelineError):
    """The named thing does not exist."""


class ConflictError(FacelineError):
    """Somebody else holds the thing, or it exists already."""


class QuotaError(FacelineError):
    """A limit on how much may be kept would be passed."""


class ModelError(FacelineError):
    """A model is missing, damaged or cannot be built."""


class ModelMismatchError(ModelError):
    """Embeddings of different models were to be compared."""


class ArtefactError(FacelineError):
    """What is to be deployed cannot be made: packages are not to be had, or it would be refused."""


class MissingExtraError(FacelineError):
    """An optional part must be installed first."""


class StorageError(FacelineError):
    """The data directory cannot be used."""
