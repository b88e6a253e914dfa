"""All operations of the native API, in the order of its documentation."""

from faceline.web.api import collections
from faceline.web.operations import Operation

OPERATIONS: tuple[Operation, ...] = (*collections.OPERATIONS,)
