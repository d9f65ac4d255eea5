"""Samples as a message of the exchange (`multipart/mixed`, wire 6.3), in bounded memory.

A message is not built: it is measured, which says how many samples it takes and its exact length, and then
written a sample at a time. Both read the same frames in flash, so a batch that is sent again is the same
batch under the same name, and the server merges by time: a repeat changes nothing. Pure.
"""

import json

from agent.channels import CHANNELS, GAP, HEALTH, text_of
from agent.clock import time_text
from agent.frames import SYNCED

CONTENT_TYPE = "multipart/mixed; boundary=message"

UNCERTAIN = "1073741824"
"""OPC UA's status word `Uncertain`: the value is right, its time is a guess or held for long."""

_HEAD = (
    "--message\r\nContent-Type: multipart/related; boundary=part\r\n\r\n"
    "--part\r\nContent-Type: application/vnd.siemens.mindsphere.meta+json\r\n\r\n"
    '{"type":"item","version":"1.0","payload":{"type":"standardTimeSeries","version":"1.0",'
    '"details":{"configurationId":%s}}}\r\n'
    "--part\r\nContent-Type: application/json\r\n\r\n["
)
_TAIL = b"]\r\n--part--\r\n--message--\r\n"


class Moved(Exception):
    """The journal dropped samples of a batch while it was sent; measure again."""


class Batch:
    """Samples `first` to `next - 1`, of which `lost` are not there any more."""

    def __init__(self, first):
        """Begin at a sample."""
        self.first = self.next = first
        self.count = self.lost = self.length = self.oldest_ms = 0
        self.is_full = False
        """There is more that did not fit."""

    def name(self, journal_id):
        """Give the same name to the same samples, through any number of repeats."""
        return "%08x-%d-%d" % (journal_id, self.first, self.next - 1)


class Points:
    """Under which data point each channel is sent, by source; None: it is not sent."""

    def __init__(self, configuration_id, names, gap=GAP):
        """Take the data source configuration's id, and for each source the ids by channel."""
        self.configuration_id = configuration_id
        self.names = names
        self.gap = gap

    def head(self):
        """Write what comes before the samples."""
        return (_HEAD % json.dumps(self.configuration_id)).encode()

    def sampling(self, sample, lost):
        """Write a sample, and how many before it are gone; empty if nothing of it is sent."""
        quality = "0" if sample.quality == SYNCED else UNCERTAIN
        names, channels = self.names[sample.source], CHANNELS[sample.source]
        parts = [
            '{"dataPointId":%s,"qualityCode":"%s","value":"%s"}'
            % (json.dumps(names[place]), quality, text_of(sample.values[place], channels[place][1]))
            for place in range(len(channels))
            if sample.values[place] is not None and names[place] is not None
        ]
        if lost and self.gap is not None:
            parts.append('{"dataPointId":%s,"qualityCode":"0","value":"%d"}' % (json.dumps(self.gap), lost))
        if not parts:
            return b""
        return ('{"timestamp":"%s","values":[%s]}' % (time_text(sample.time_ms), ",".join(parts))).encode()


def default_points():
    """Give the points of a board that has no configuration yet: each channel under its own name."""
    return Points("firmware", [[channel[0] for channel in source] for source in CHANNELS])


def measure(journal, points, bytes_max):
    """Give the batch of the oldest samples that fit; None if there is none. One fits always."""
    batch = Batch(journal.sent)
    batch.length = len(points.head()) + len(_TAIL)
    reader = journal.reader()
    while reader.read():
        lost = reader.number - batch.next
        more = len(points.sampling(reader, lost))
        more += 1 if more and batch.count else 0
        if batch.count and batch.length + more > bytes_max:
            batch.is_full = True
            break
        batch.length += more
        batch.count += 1 if more else 0
        batch.lost += lost
        batch.next = reader.number + 1
        batch.oldest_ms = batch.oldest_ms or reader.time_ms
    return batch if batch.next > batch.first else None


def write(batch, journal, points, put):
    """Give a batch to `put`, piece by piece; Moved where the journal does not have all of it any more."""
    put(points.head())
    reader, expected, is_first = journal.reader(), batch.first, True
    left = batch.length - len(_TAIL) - len(points.head())
    while expected < batch.next:
        if not reader.read() or reader.number >= batch.next:
            raise Moved
        octets = points.sampling(reader, reader.number - expected)
        expected = reader.number + 1
        if octets:
            octets = octets if is_first else b"," + octets
            is_first = False
            left -= len(octets)
            if left < 0:
                raise Moved
            put(octets)
    if left:
        raise Moved
    put(_TAIL)


def default_configuration(configuration_id):
    """Give the data sources that a board declares where nobody has: its channels, as they are."""
    sources = []
    for place, name in enumerate(("weather", "health")):
        points = [
            {
                "id": each[0],
                "name": each[0],
                "type": each[2],
                "unit": each[3],
                "customData": {"channel": each[0]},
            }
            for each in CHANNELS[place]
        ]
        if place == HEALTH:
            points.append(
                {"id": GAP, "name": GAP, "type": "LONG", "unit": "", "customData": {"channel": GAP}}
            )
        sources.append({"name": name, "dataPoints": points, "customData": {}})
    return {"configurationId": configuration_id, "dataSources": sources}
