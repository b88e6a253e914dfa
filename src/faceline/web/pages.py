"""The pages: shells that the server renders; what is in them comes from the API, by the modules in `static/`."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from faceline import __version__
from faceline.app import App
from faceline.videos import INSTALL

_FOLDER = Path(__file__).parent

# No request leaves the origin, nothing inline runs, nobody frames us. Pictures that the browser made of a dropped file
# are blobs.
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True, slots=True)
class Page:
    """name: of its template and its module. title: in the navigation and the tab. listed: in the navigation."""

    path: str
    name: str
    title: str
    listed: bool = True


PAGES: tuple[Page, ...] = (
    Page("/", "live", "Live"),
    Page("/people", "people", "People"),
    Page("/person", "person", "Person", listed=False),
    Page("/try", "try", "Try"),
    Page("/review", "review", "Review"),
    Page("/videos", "videos", "Videos"),
    Page("/health", "health", "Health"),
)


class Templates:
    """Renders pages, everything escaped."""

    def __init__(self) -> None:
        loader = jinja2.FileSystemLoader(_FOLDER / "templates")
        self._environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)

    def page(self, name: str, request: Request, context: Mapping[str, Any], status: int = 200) -> HTMLResponse:
        """context: what the template needs beside who asks (None before the login), the navigation and the version."""
        caller = getattr(request.state, "caller", None)
        common = {"caller": caller, "pages": [page for page in PAGES if page.listed], "version": __version__}
        text = self._environment.get_template(f"{name}.html").render(path=request.url.path, **common, **context)
        return HTMLResponse(text, status, {**SECURITY_HEADERS, "Cache-Control": "no-store"})


def routes(app: App, templates: Templates) -> list[BaseRoute]:
    context = {"collection": app.settings.collection, "matching": app.settings.names.matching_collection}
    context |= {"clips": app.settings.names.input, "clips_need": "" if find_spec("av") else INSTALL}
    shown: list[BaseRoute] = [
        Route(page.path, _Shell(page, templates, context).answer, methods=["GET"]) for page in PAGES
    ]
    return [*shown, Mount("/static", _Static(directory=_FOLDER / "static"))]


@dataclass(frozen=True, slots=True)
class _Shell:
    page: Page
    templates: Templates
    context: Mapping[str, str]

    async def answer(self, request: Request) -> Response:
        return self.templates.page(self.page.name, request, {**self.context, "title": self.page.title})


class _Static(StaticFiles):
    """Asked for again each time, answered with 304: an update of faceline is seen at once."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update({**SECURITY_HEADERS, "Cache-Control": "no-cache"})
        return response
