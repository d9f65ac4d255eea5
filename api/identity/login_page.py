"""The pages of the login: a form, and the words for a request that leads nowhere.

Plain HTML without a script and without anything from elsewhere. The rules in the head of the answer allow its
one style, by its hash, and a form that goes here and on to the place that the program registered; no other
page may show it in a frame, so nobody clicks in it unknowingly (S12).
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping

from api.identity.authorization import Asked
from api.identity.redirects import source_of

_STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 22rem; margin: 4rem auto; padding: 0 1rem; }
label { display: block; margin-top: 1rem; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .3rem; }
button { font: inherit; margin-top: 1.5rem; padding: .4rem 2rem; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style></head>
<body><h1>{title}</h1>
{content}</body></html>
"""

_FORM = """<p>The program <b>{client}</b> asks to act in your name.</p>
{words}<form method="post" action="authorize">
{hidden}<label for="username">Name</label>
<input id="username" name="username" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Log in</button>
</form>
"""


def login_page(asked: Asked) -> bytes:
    """Write the form that repeats an authorization request, with the reason why the last try failed."""
    hidden = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">\n'
        for name, value in asked.parameters.items()
    )
    words = f"<p><b>{html.escape(asked.words)}</b></p>\n" if asked.words else ""
    content = _FORM.format(client=html.escape(asked.client.id), words=words, hidden=hidden)
    return _page("Log in", content)


def dead_end(words: str) -> bytes:
    """Write a page that leads nowhere."""
    return _page("This does not work", f"<p>{html.escape(words)}</p>\n")


def page_headers(asked: Asked | None = None) -> Mapping[str, str]:
    """Give the headers of a page; with a form, those that let it be sent.

    Browsers hold the address that a sent form is led on to against `form-action`, too. With `same-origin`
    they say where a form came from, which is looked at, and tell no other site of this address.
    """
    targets = "'none'" if asked is None else f"'self' {source_of(asked.redirect_uri)}"
    return {
        "content-security-policy": (
            f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
            f"base-uri 'none'; form-action {targets}; frame-ancestors 'none'"
        ),
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
    }


def _page(title: str, content: str) -> bytes:
    return _PAGE.format(title=title, style=_STYLE, content=content).encode()
