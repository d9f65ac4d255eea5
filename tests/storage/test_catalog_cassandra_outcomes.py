"""Compare-and-sets of the Cassandra catalogue whose answer is lost are settled, not guessed (design 4.6)."""

import uuid

import pytest

from schemas.errors import OutcomeUnknown
from storage.cassandra.catalog import CassandraCatalogStore
from storage.port import Document

NOW_MS = 1_767_225_600_000
KEY = ("acme", "asset", "a")


class Session:
    """A session over a dict; `fates` says for each compare-and-set whether it applies and is answered."""

    def __init__(self, *fates):
        self.fates = list(fates)
        self.stored = None
        self.lines = []
        self.now_ms = NOW_MS

    async def rows(self, name, *values, serial=False):
        """Answer a question."""
        if name == "read_clock":
            return [(self.now_ms,)]
        if name == "read_changes":
            minute, since = values
            from_ms = int(since.timestamp() * 1_000)
            return [line[1:] for line in self.lines if line[0] == minute and line[2] >= from_ms]
        return [] if self.stored is None else [self.stored]

    async def write(self, name, minute, *values):
        """Keep a line of the log."""
        self.lines.append((minute, uuid.uuid1(), self.now_ms, *values))

    async def swap(self, name, *values):
        """Apply by the rules of Cassandra, if fate wills."""
        applies, answered = self.fates.pop(0) if self.fates else (True, True)
        done = applies and self._apply(name, values)
        if not answered:
            raise OutcomeUnknown("no answer")
        return done

    def _apply(self, name, values):
        if name == "create_document" and self.stored is None:
            self.stored = (0, values[-1])
        elif name == "replace_document" and self.stored is not None and self.stored[0] == values[-1]:
            self.stored = (values[0], values[1])
        elif name == "remove_document" and self.stored is not None and self.stored[0] == values[-1]:
            self.stored = None
        else:
            return False
        return True


LOST, NEVER_SENT = (True, False), (False, False)


@pytest.mark.parametrize(
    "fates", [(LOST,), (NEVER_SENT,), (LOST, LOST), (NEVER_SENT, LOST), (NEVER_SENT, NEVER_SENT)]
)
async def test_lost_answers_end_in_one_effect(fates):
    """Whether the lost one applied or not, the change is made once and said to be made."""
    created = await CassandraCatalogStore(Session(*fates)).create(*KEY, b"0")
    session = Session(*fates)
    session.stored = (4, b"4")

    replaced = await CassandraCatalogStore(session).replace(*KEY, b"5", 4)

    assert created == Document(*KEY, 0, b"0")
    assert replaced == Document(*KEY, 5, b"5")
    assert session.stored == (5, b"5")


@pytest.mark.parametrize("fates", [(LOST,), (NEVER_SENT,)])
async def test_a_lost_removal_is_settled(fates):
    """A removal without an answer is looked after."""
    session = Session(*fates)
    session.stored = (4, b"4")

    assert await CassandraCatalogStore(session).remove(*KEY, 4) is True
    assert session.stored is None


async def test_anothers_change_is_not_taken_for_ours():
    """If another's version stands there, ours did not apply."""
    session = Session(NEVER_SENT)
    session.stored = (5, b"another's")

    assert await CassandraCatalogStore(session).replace(*KEY, b"ours", 4) is None


async def test_what_cannot_be_settled_is_said_so():
    """Answers that stay away, and a later version on top, leave the outcome unknown."""
    silent = Session(*[NEVER_SENT] * 9)
    silent.stored = (4, b"4")
    overtaken = Session(LOST)
    overtaken.stored = (9, b"9")

    with pytest.raises(OutcomeUnknown):
        await CassandraCatalogStore(silent).replace(*KEY, b"5", 4)
    with pytest.raises(OutcomeUnknown):
        await CassandraCatalogStore(overtaken).replace(*KEY, b"5", 4)


async def test_the_line_stands_before_the_change():
    """A change that never applied has its line all the same; one that applied is never without (design 4)."""
    session = Session(*[NEVER_SENT] * 9)
    store = CassandraCatalogStore(session)

    with pytest.raises(OutcomeUnknown):
        await store.create(*KEY, b"0")

    assert [line[3:] for line in session.lines] == [(*KEY, 0)]


async def test_a_quiet_log_is_not_read_from_its_beginning():
    """A follower that hears nothing for hours asks for the last seconds only, and misses nothing."""
    session = Session()
    store = CassandraCatalogStore(session)
    await store.create(*KEY, b"0")
    after = (await store.changes(None))[-1].sequence
    session.now_ms += 3_600_000
    await store.changes(after)
    asked = []
    session.rows, rows = (lambda name, *v, **k: asked.append((name, v)) or rows(name, *v, **k)), session.rows
    session.now_ms += 1_000
    await store.replace(*KEY, b"1", 0)

    lines = await store.changes(after)

    assert [line.version for line in lines] == [1]
    assert len([name for name, _ in asked if name == "read_changes"]) <= 4
