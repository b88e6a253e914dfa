"""HTML written as calls: what is text is escaped, always."""

from html import escape

_VOID = frozenset({"br", "hr", "img", "link", "meta"})  # elements without an end (HTML Living Standard, 13.1.2)


class Markup(str):
    """Text that is HTML already. Only `element` and `style` make it of anything."""

    __slots__ = ()


def element(tag: str, /, *children: str, **attributes: str) -> Markup:
    """`<tag …>children</tag>`. Children that are no Markup are escaped; class_ is written class, a_b is a-b."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    inside = "".join(each if isinstance(each, Markup) else escape(each) for each in children)
    return Markup(f"<{tag}{written}>" if tag in _VOID else f"<{tag}{written}>{inside}</{tag}>")


def style(css: str) -> Markup:
    """A style sheet of our own, which nothing from outside may be put into."""
    return Markup(f"<style>{css}</style>")


def page(title: str, css: str, *body: str) -> str:
    """A whole document that fetches nothing and runs nothing: its content security policy says so to the browser."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        style(css),
    )
    return "<!doctype html>\n" + element("html", head, element("body", *body), lang="en") + "\n"
