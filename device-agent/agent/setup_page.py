"""The page of a board that finds no network: which network, and once the boarding configuration. Pure.

It is served by the board's own access point only, whose password is the board's own.
"""

import json

REQUEST_BYTES_MAX = 8_192
"""A boarding configuration has about 1.5 KB, and is sent with every third byte escaped at worst."""

PAGE = """HTTP/1.0 %d %s\r
Content-Type: text/html; charset=utf-8\r
Connection: close\r
\r
<!doctype html><meta name="viewport" content="width=device-width"><title>Board</title>
<h1>Board</h1><p>%s</p>
<form method="post"><p><label>Network <input name="ssid" maxlength="32" required></label>
<p><label>Password <input name="password" type="password" maxlength="63"></label>
<p><label>Boarding configuration, if it is new<br>
<textarea name="boarding" rows="8" cols="40"></textarea></label>
<p><button>Save and restart</button></form>
"""


def page(status, words):
    """Write the page with a sentence."""
    return (PAGE % (status, "OK" if status == 200 else "Bad Request", words)).encode()


def is_whole(request):
    """Tell whether all of a request has come."""
    head, mark, body = request.partition(b"\r\n\r\n")
    if not mark:
        return False
    for line in head.decode().lower().split("\r\n"):
        if line.startswith("content-length:"):
            return len(body) >= int(line.split(":")[1])
    return True


def answered(request):
    """Read a request: the page to give, and what was filled in, (ssid, password, boarding), or None."""
    head, _, body = request.partition(b"\r\n\r\n")
    if not head.startswith(b"POST "):
        return page(200, "It has no network yet."), None
    try:
        form = dict(_pair(part) for part in body.decode().split("&") if part)
        ssid, password, boarding = form["ssid"], form.get("password", ""), form.get("boarding", "").strip()
        if not 1 <= len(ssid.encode()) <= 32 or not (password == "" or 8 <= len(password) <= 63):
            return page(400, "A network has a name, and none or 8 to 63 characters of password."), None
        content = _content(boarding) if boarding else None
    except (ValueError, KeyError):
        return page(400, "That is no boarding configuration; copy all of it."), None
    return page(200, "Saved. The board restarts."), (ssid, password, content)


def _content(boarding):
    given = json.loads(boarding)
    content = given.get("content", given) if isinstance(given, dict) else None
    if not isinstance(content, dict):
        raise ValueError("content")
    for name in ("baseUrl", "iat", "clientId", "tenant"):
        if not isinstance(content[name], str):
            raise ValueError(name)
    return content


def _pair(part):
    name, _, value = part.partition("=")
    return _unquoted(name), _unquoted(value)


def _unquoted(text):
    octets, rest = bytearray(), text.replace("+", " ").encode()
    while rest:
        before, mark, rest = rest.partition(b"%")
        octets += before
        if mark:
            octets.append(int(rest[:2].decode(), 16))
            rest = rest[2:]
    return octets.decode()
