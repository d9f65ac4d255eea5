"""The uplink, request by request: tokens, refusals, pauses, cuts before saving (MS-87, TB-55 to TB-57)."""

from agent.frames import SYNCED
from agent.http import BadAnswer, Link
from agent.identity import NAME, assertion, base64url, hmac_sha256
from agent.uplink import PAUSE_MS_MAX
from checks import refuses, run
from uplink_rig import CONFIGURATION, GIVEN, TOKEN, Rig, T, http, known


def check_hmac_and_assertions():
    """HMAC-SHA-256 as RFC 4231 has it, and an assertion with the claims of wire 5.3."""
    found = hmac_sha256(b"Jefe", b"what do ya want for nothing?").hex()
    assert found == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    found = hmac_sha256(b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First").hex()
    assert found == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    assert base64url(b"\xfb\xff\xfe") == "-__-" and base64url(b"a") == "YQ"
    text = assertion("c1", "acme", "s1", 1_000, b"\x01" * 16)
    signed, _, signature = text.rpartition(".")
    assert signature == base64url(hmac_sha256(b"s1", signed.encode())) and text.count(".") == 2


def check_from_a_bare_board_to_a_stored_batch():
    """Registration, token, configuration, batch: the journal moves by the last answer, not before."""
    rig = Rig(http(201, GIVEN), http(200, TOKEN), http(200, CONFIGURATION), http(200))
    assert rig.steps(3) == [0, 0, 0] and rig.journal.sent == 0
    rig.steps(1)
    assert rig.journal.sent == 3 and rig.journal.backlog == 0
    base = "/api/agentmanagement/v3"
    assert rig.heads() == [
        "POST %s/register" % base,
        "POST %s/oauth/token" % base,
        "GET %s/agents/c1/dataSourceConfiguration" % base,
        "POST /api/mindconnect/v3/exchange",
    ]
    post = b"".join(rig.sent)
    assert b"Authorization: Bearer t1\r\n" in post and b"Correlation-ID: 00000001-0-2\r\n" in post
    assert rig.store.kept["settings"]["configurationId"] == "CF" and rig.store.kept[NAME]["secret"] == "s1"


def check_a_board_without_a_configuration_declares_its_own():
    """Where nobody configured the agent it declares its channels under If-Match 0, and reads them back."""
    rig = Rig(
        http(200, TOKEN), http(200, {"eTag": "0", "dataSources": []}), http(200, {}),
        http(200, CONFIGURATION), store=known(),
    )  # fmt: skip
    rig.steps(3)
    assert [head.split(" ")[0] for head in rig.heads()] == ["POST", "GET", "PUT", "GET"]
    put = next(each for each in rig.sent if each.startswith(b"PUT"))
    assert b"If-Match: 0\r\n" in put and rig.uplink.settings.etag == "1"


def check_a_token_that_ended_is_renewed_once():
    """401 gets a new token and the same batch again; a second 401 is a failure with a pause."""
    rig = Rig(
        http(200, TOKEN), http(200, CONFIGURATION), http(401), http(200, TOKEN), http(401),
        http(200, TOKEN), http(200), store=known(),
    )  # fmt: skip
    pauses = rig.steps(5)
    assert pauses[:4] == [0, 0, 0, 0] and pauses[4] >= 500, pauses
    rig.steps(2)
    assert rig.journal.sent == 3


def check_retry_after_is_obeyed():
    """429 and 503 say when; the board waits at least that long, and an hour at most."""
    rig = Rig(
        http(200, TOKEN), http(200, CONFIGURATION), http(429, Retry_After="17"),
        http(503, Retry_After="999999"), http(200), store=known(),
    )  # fmt: skip
    assert rig.steps(4) == [0, 0, 17_000, 3_600_000]
    rig.now -= 1_000
    assert rig.uplink.step() == 1_000 and rig.journal.sent == 0


def check_pauses_double_with_jitter():
    """Failures of all kinds pause longer and longer, up to five minutes, and never reboot (TB-56)."""
    errors = [OSError("reset") for _ in range(13)]
    errors[4], errors[5] = http(500, b"<html>"), http(200, b"[]")
    rig = Rig(*errors, store=known())
    pauses = rig.steps(13)
    assert pauses[:4] == [500, 1_000, 2_000, 4_000] and pauses[-1] == PAUSE_MS_MAX // 2, pauses
    rig = Rig(OSError("reset"), store=known())
    rig.uplink._random = lambda n: b"\xff" * n
    assert 990 <= rig.steps(1)[0] <= 1_000


def check_an_answer_that_comes_twice_counts_once():
    """The repeat of an answer is not taken for that of the next request."""
    token = http(200, TOKEN, X_Request_Id="1")
    batch = http(200, X_Request_Id="3")
    rig = Rig(
        token, http(200, CONFIGURATION, X_Request_Id="2"), batch, batch, http(503, X_Request_Id="4"),
        store=known(),
    )  # fmt: skip
    rig.steps(3)
    assert rig.journal.sent == 3
    rig.journal.append(0, SYNCED, T + 100, [None, None, None, 1])
    rig.now += 20_000
    rig.uplink.step()
    assert rig.journal.sent == 3 and rig.uplink.failures == 1


def check_a_message_that_is_too_long_is_halved():
    """413 and 400 shrink the batch to one sample; nothing is dropped, and then batches grow again."""
    rig = Rig(
        http(200, TOKEN), http(200, CONFIGURATION), http(413), http(413), http(400), http(200), http(200),
        store=known(), samples=4,
    )  # fmt: skip
    pauses = rig.steps(6)
    assert rig.journal.sent == 1 and pauses[4] >= 500, (rig.journal.sent, pauses)
    rig.now += 10_000
    rig.steps(2)
    assert rig.journal.sent == 4 and rig.journal.lost == 0


def check_a_renewal_may_be_cut_anywhere():
    """Power fails between answer and save: the old access renews again; the old secret is kept meanwhile."""
    due = known(expires_s=T // 1000 + 3600)
    new = dict(GIVEN, client_secret="s2", registration_access_token="r2")
    rig = Rig(http(200, TOKEN), http(200, new), store=due)
    rig.steps(1)
    due.is_cut = True
    assert refuses(KeyboardInterrupt, rig.uplink.step)
    assert due.kept[NAME]["secret"] == "s1"
    due.is_cut = False
    rig.answers, rig.sent = [http(200, TOKEN), http(200, new), http(200, TOKEN)], []
    rig.started()
    rig.steps(2)
    put = next(each for each in rig.sent if each.startswith(b"PUT"))
    assert b"Authorization: Bearer r1\r\n" in put
    assert due.kept[NAME]["old"] == {"secret": "s1", "access": "r1"}
    rig.steps(1)
    assert due.kept[NAME]["old"] is None and due.kept[NAME]["secret"] == "s2"


def check_new_credentials_that_do_not_hold_give_way_to_the_old():
    """Where the server does not know the new secret, the one before it is tried, and then the new again."""
    store = known(old={"secret": "s0", "access": "r0"})
    rig = Rig(http(401), http(200, TOKEN), store=store)
    rig.steps(2)
    proofs = [b"".join(rig.sent).count(b"client_assertion="), store.kept[NAME]["old"]]
    assert proofs == [2, {"secret": "s0", "access": "r0"}] and rig.uplink._token == "t1"


def check_a_clock_that_is_off_is_set_by_the_server():
    """A token that is refused for the time is asked for once more with the server's."""
    rig = Rig(http(401, b"{}", Server_Time=str(T + 9_000_000)), http(200, TOKEN), store=known())
    assert rig.steps(2) == [0, 0] and abs(rig.clock.now_ms() - T - 9_000_000) < 5


def check_old_samples_go_by_the_catch_up_lane():
    """A batch that begins a minute ago or earlier says that it catches up."""
    rig = Rig(http(200, TOKEN), http(200, CONFIGURATION), http(200), store=known())
    rig.steps(2)
    rig.now += 61_000
    rig.steps(1)
    assert b"Catch-Up: true\r\n" in b"".join(rig.sent)


def check_answers_that_are_not_http_are_failures():
    """Lines too long, bodies too long, no status: the link is left and tried again."""
    for octets in (b"hello\r\n\r\n", b"x" * 3_000, http(200, b"", Content_Length="9999999"), b""):
        rig = Rig(octets, b"", store=known())
        link = Link(rig.dial)
        assert refuses(BadAnswer, link.request, "GET", "/", {}, 0, None), octets[:20]
    rig = Rig(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
    assert Link(rig.dial).request("GET", "/", {}, 0, None).body == b"abcde"


run(globals())
