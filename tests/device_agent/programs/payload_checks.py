"""What an agent sends: exact bytes, exact length, the same name for the same samples, bounded by bytes."""

import json

from agent import payload
from agent.channels import CHANNELS, text_of
from agent.clock import time_text
from agent.frames import HELD, SYNCED, UNSYNCED
from agent.journal import Journal
from agent.payload import Points, default_configuration, default_points, measure, write
from checks import refuses, run
from nor_flash import Flash

T = 1_798_761_600_123


def filled(count, sectors=8):
    journal = Journal(Flash(sectors, 1024), 0xABC)
    for place in range(count):
        journal.append(0, SYNCED, T + place * 2000, [215 + place, 455, -5, 101_325, None])
    return journal


def sent(batch, journal, points):
    pieces = []
    write(batch, journal, points, pieces.append)
    return b"".join(bytes(piece) for piece in pieces)


def check_exact_bytes():
    """One sample is one sampling in one tuple, with CRLF and quoted ids (wire 6.3)."""
    journal = filled(1)
    points = Points('CF-"1"', [["DP-t", None, "DP-b", "DP-p", "DP-a"], [None] * 10])
    batch = measure(journal, points, 1)
    body = sent(batch, journal, points)
    assert body == (
        b"--message\r\nContent-Type: multipart/related; boundary=part\r\n\r\n"
        b"--part\r\nContent-Type: application/vnd.siemens.mindsphere.meta+json\r\n\r\n"
        b'{"type":"item","version":"1.0","payload":{"type":"standardTimeSeries","version":"1.0",'
        b'"details":{"configurationId":"CF-\\"1\\""}}}\r\n'
        b"--part\r\nContent-Type: application/json\r\n\r\n"
        b'[{"timestamp":"2027-01-01T00:00:00.123Z","values":['
        b'{"dataPointId":"DP-t","qualityCode":"0","value":"21.5"},'
        b'{"dataPointId":"DP-b","qualityCode":"0","value":"-0.5"},'
        b'{"dataPointId":"DP-p","qualityCode":"0","value":"101325"}]}]\r\n'
        b"--part--\r\n--message--\r\n"
    ), body
    assert len(body) == batch.length


def check_batches_are_bounded_by_bytes():
    """A batch has the samples that fit, at least one, and says whether there is more; none are left out."""
    journal, points = filled(50), default_points()
    sizes, at = [], 0
    while True:
        batch = measure(journal, points, 2_000)
        if batch is None:
            break
        body = sent(batch, journal, points)
        assert len(body) == batch.length <= 2_000
        assert batch.first == at and batch.is_full == (batch.next < 50)
        at = batch.next
        sizes.append(batch.count)
        journal.acknowledge(at, 0)
    assert at == 50 and sum(sizes) == 50 and max(sizes) < 10, sizes
    assert measure(filled(2), points, 10).count == 1


def check_a_repeat_has_the_same_name_and_bytes():
    """What was not acknowledged is, after a start too, the same bytes under the same name (TB-30)."""
    flash = Flash(8, 1024)
    journal, points = Journal(flash, 0xABC), default_points()
    for place in range(5):
        journal.append(0, SYNCED, T + place * 2000, [1, 2, 3, 4, 5])
    batch = measure(journal, points, 64_000)
    body, name = sent(batch, journal, points), batch.name(journal.id)
    again = Journal(flash, 0xDEF)
    batch = measure(again, points, 64_000)
    assert (body, name) == (sent(batch, again, points), batch.name(again.id))
    assert name == "00000abc-0-4", name


def check_a_time_that_is_a_guess_is_uncertain():
    """Times that were guessed or held for long are marked (TB-59)."""
    journal = Journal(Flash(8, 1024), 1)
    for quality in (SYNCED, HELD, UNSYNCED):
        journal.append(0, quality, T + quality * 2, [1])
    points = default_points()
    text = sent(measure(journal, points, 9_000), journal, points)
    found = json.loads(text[text.index(b"[{") : text.index(b"]\r\n--part--") + 1])
    codes = [each["values"][0]["qualityCode"] for each in found]
    assert codes == ["0", payload.UNCERTAIN, payload.UNCERTAIN], codes


def check_a_gap_is_told_with_the_next_sample():
    """What a full flash dropped is told once, by the first record that is there again."""
    journal, points = filled(300, sectors=4), default_points()
    batch = measure(journal, points, 2_000)
    assert batch.lost > 0 and batch.first == 0
    body = sent(batch, journal, points)
    assert len(body) == batch.length
    assert b'{"dataPointId":"gap","qualityCode":"0","value":"%d"}' % batch.lost in body
    assert body.count(b'"gap"') == 1
    journal.acknowledge(batch.next, batch.lost)
    assert measure(journal, points, 2_000).lost == 0 and journal.lost == batch.lost


def check_samples_that_are_dropped_meanwhile_end_the_batch():
    """A batch whose samples go while it is sent ends as Moved, not as a message that is cut."""
    journal, points = filled(100), default_points()
    batch = measure(journal, points, 64_000)
    for place in range(400):
        journal.append(0, SYNCED, T + 9_000_000 + place * 2000, [1, 2, 3, 4, 5])
    assert refuses(payload.Moved, sent, batch, journal, points)


def check_texts_of_scaled_integers():
    """A scaled integer is the decimal that it stands for."""
    cases = (
        (215, 1, "21.5"),
        (-5, 1, "-0.5"),
        (0, 1, "0.0"),
        (-123, 2, "-1.23"),
        (7, 0, "7"),
        (1005, 2, "10.05"),
    )
    for value, decimals, text in cases:
        assert text_of(value, decimals) == text, (value, decimals)


def check_the_declared_configuration_has_every_channel():
    """A board that nobody configured declares its channels and the point by which gaps are told."""
    sources = default_configuration("firmware")["dataSources"]
    ids = [[point["id"] for point in source["dataPoints"]] for source in sources]
    assert ids == [[each[0] for each in CHANNELS[0]], [each[0] for each in CHANNELS[1]] + ["gap"]]


def check_times():
    """Times are written with real milliseconds, over leap days and centuries."""
    cases = (
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_709_251_199_001, "2024-02-29T23:59:59.001Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (T, "2027-01-01T00:00:00.123Z"),
    )
    for time_ms, text in cases:
        assert time_text(time_ms) == text, (time_text(time_ms), text)


run(globals())
