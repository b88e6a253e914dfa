"""For schemathesis: no URLs over 64 KB, which the HTTP parser refuses before the application sees them."""

from typing import Any
from urllib.parse import urlencode

import schemathesis

_MAX_BYTES = 60_000


@schemathesis.hook
def filter_query(context: Any, query: Any) -> bool:
    return len(urlencode(query or {}, doseq=True, errors="replace")) < _MAX_BYTES


@schemathesis.hook
def filter_path_parameters(context: Any, path_parameters: Any) -> bool:
    return len(urlencode(path_parameters or {}, doseq=True, errors="replace")) < _MAX_BYTES
