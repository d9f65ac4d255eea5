"""Messages as existing clients write them, byte for byte (wire 6.3)."""

from __future__ import annotations

import json

NODE_TYPE = "multipart/mixed; boundary=mindspheremessage"


def sampling(time, **values):
    """Write one sampling; `dp_t="1.5"` is the value of `dp-t`, ("1.5", "64") one with a code."""
    written = []
    for name, given in values.items():
        value, code = given if isinstance(given, tuple) else (given, "0")
        written.append({"dataPointId": name.replace("_", "-"), "qualityCode": code, "value": value})
    return {"timestamp": time, "values": written}


def meta(kind="standardTimeSeries", **details):
    """Write what describes a payload."""
    payload = {"type": kind, "version": "1.0", "details": details}
    return json.dumps({"type": "item", "version": "1.0", "payload": payload}, separators=(",", ":"))


def node_message(samplings, configuration="CF"):
    """Write a message as the Node agent does: bare line feeds, no blank behind colons."""
    payload = json.dumps(samplings, separators=(",", ":"))
    return (
        "--mindspheremessage\n"
        "Content-Type:multipart/related;boundary=mindspherepart\n"
        "\n"
        "--mindspherepart\n"
        "Content-Type:application/vnd.siemens.mindsphere.meta+json\n"
        "\n"
        f"{meta(configurationId=configuration)}\n"
        "\n"
        "--mindspherepart\n"
        "Content-Type:application/json\n"
        "\n"
        f"{payload}\n"
        "\n"
        "\r\n--mindspherepart--\n"
        "--mindspheremessage--\n"
    ).encode()


def c_message(*tuples, outer="Vd5TKGpoAw8e6ftsZ1yM", inner="3JkqXbn0LmQw7RcUyHs2"):
    """Write a message as the C library does: carriage returns, random boundaries, a charset; several tuples.

    A tuple is what describes it, a media type, and the payload.
    """
    lines = []
    for described, media, payload in tuples:
        lines += [
            b"--%b" % outer.encode(),
            b"Content-Type: multipart/related;boundary=%b" % inner.encode(),
            b"",
            b"--%b" % inner.encode(),
            b"Content-Type: application/vnd.siemens.mindsphere.meta+json;charset=utf-8",
            b"",
            described.encode(),
            b"--%b" % inner.encode(),
            b"Content-Type: %b" % media.encode(),
            b"",
            payload if isinstance(payload, bytes) else json.dumps(payload).encode(),
            b"--%b--" % inner.encode(),
        ]
    return b"\r\n".join([*lines, b"--%b--" % outer.encode(), b""]), f"multipart/mixed;boundary={outer}"


def series(samplings, configuration="CF"):
    """Write a tuple of time series."""
    return meta(configurationId=configuration), "application/json;charset=utf-8", samplings
