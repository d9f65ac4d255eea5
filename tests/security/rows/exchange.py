"""What agents send, what of it waits in the quarantine, and who is watched.

Messages are an agent's own: a token of an account is refused whatever its scopes are, and an agent reaches
its own activation alone. A link to a record carries its own proof, which no row can have: here it is wrong,
and what is right is tried in `tests/api/test_recoverable_records.py`. The row that deletes an activation
comes before the one that makes it again.
"""

from api.identity.scopes import AGENTS_READ, AGENTS_WRITE, EXCHANGE
from tests.security.table import ADMIN, AGENT, BOUND, DEVICE, SHARED, STRANGER, Row

_BASE = "/api/mindconnect/v3"
_RECORDS = f"{_BASE}/recoverableRecords"
_ACTIVATIONS = f"{_BASE}/diagnosticActivations"
_CONTENT = "/api/aspectstore/v1/recoverableRecords/{}/{}"

_META = '{"type":"item","payload":{"type":"standardTimeSeries","version":"1.0","details":{}}}'
_MESSAGE = (
    "--m\nContent-Type:multipart/related;boundary=p\n\n"
    f"--p\nContent-Type:application/vnd.siemens.mindsphere.meta+json\n\n{_META}\n"
    "--p\nContent-Type:application/json\n\n[]\n--p--\n--m--\n"
)

SENDING = [
    Row(
        route=f"POST {_BASE}/exchange",
        scope=EXCHANGE,
        status=200,
        path=f"{_BASE}/exchange",
        headers={"content-type": "multipart/mixed; boundary=m"},
        raw=_MESSAGE,
        callers=dict.fromkeys((ADMIN, STRANGER, SHARED, BOUND, DEVICE), 403),
    ),
    Row(
        route=f"POST {_BASE}/ingest",
        scope=EXCHANGE,
        status=200,
        path=f"{_BASE}/ingest",
        query={"senderId": "<asset>"},
        body={"timeseries": []},
    ),
]

RECORDS = [
    Row(
        route=f"GET {_RECORDS}",
        scope=AGENTS_READ,
        status=200,
        path=_RECORDS,
        query={"filter": '{"agentId":"<asset>"}'},
        foreign={"asset in query filter": 200},
        callers={STRANGER: 200},
    ),
    Row(
        route=f"POST {_RECORDS}/{{record_id}}/replay",
        scope=AGENTS_WRITE,
        status=200,
        path=f"{_RECORDS}/<record>/replay",
    ),
    Row(
        route=f"GET {_RECORDS}/{{record_id}}/downloadLink",
        scope=AGENTS_READ,
        status=200,
        path=f"{_RECORDS}/<record>/downloadLink",
    ),
    Row(
        route=f"GET {_CONTENT.format('{tenant}', '{record_id}')}",
        scope=None,
        status=404,
        path=_CONTENT.format("<tenant>", "<record>"),
        query={"expires": "9999999999", "signature": "0" * 64},
    ),
    Row(
        route=f"DELETE {_RECORDS}/{{record_id}}",
        scope=AGENTS_WRITE,
        status=204,
        path=f"{_RECORDS}/<spare_record>",
    ),
]

DIAGNOSTICS = [
    Row(
        route=f"DELETE {_ACTIVATIONS}/{{activation_id}}",
        scope=AGENTS_WRITE,
        status=204,
        path=f"{_ACTIVATIONS}/<changed_agent>",
        callers={AGENT: 404},
    ),
    Row(
        route=f"POST {_ACTIVATIONS}",
        scope=AGENTS_WRITE,
        status=201,
        path=_ACTIVATIONS,
        body={"agentId": "<changed_agent>", "status": "ACTIVE"},
        callers={AGENT: 403},
    ),
    Row(
        route=f"GET {_ACTIVATIONS}",
        scope=AGENTS_READ,
        status=200,
        path=_ACTIVATIONS,
        query={"filter": '{"agentId":"<asset>"}'},
        foreign={"asset in query filter": 200},
        callers={STRANGER: 200},
    ),
    Row(
        route=f"GET {_ACTIVATIONS}/{{activation_id}}",
        scope=AGENTS_READ,
        status=200,
        path=f"{_ACTIVATIONS}/<asset>",
    ),
    Row(
        route=f"PUT {_ACTIVATIONS}/{{activation_id}}",
        scope=AGENTS_WRITE,
        status=200,
        path=f"{_ACTIVATIONS}/<asset>",
        body={"status": "INACTIVE"},
    ),
    Row(
        route=f"GET {_ACTIVATIONS}/{{activation_id}}/messages",
        scope=AGENTS_READ,
        status=200,
        path=f"{_ACTIVATIONS}/<asset>/messages",
    ),
    Row(
        route=f"GET {_BASE}/diagnosticInformation",
        scope=AGENTS_READ,
        status=200,
        path=f"{_BASE}/diagnosticInformation",
        query={"filter": '{"agentId":"<asset>"}'},
        foreign={"asset in query filter": 200},
        callers={STRANGER: 200},
    ),
]

ROWS = [*SENDING, *RECORDS, *DIAGNOSTICS]
