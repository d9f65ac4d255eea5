"""Tenants' budgets: what doors tell is added up, whichever door tells it (design 7, decision 30)."""

from __future__ import annotations

from streams.budgets import BACKLOG_TTL_MS, DAYS_KEPT, Charge, Spent
from streams.port import Applied, RecordStream
from streams.testing.setting import OTHER_SHARD, SHARD, BackDoor, admission, append, prove

HOUR_US = 3_600_000_000
SLACK_US = 60_000_000
"""More than a test takes."""


def taken(**rules_us: int) -> Charge:
    """Tell what was taken of a tenant's budgets."""
    return Charge("windco", rules_us)


class BudgetContract:
    """One bucket a tenant and rule for all doors, one set of counters."""

    async def test_doors_draw_on_one_bucket(self, stream: RecordStream) -> None:
        """What one door took, the others learn with their next charge (decision 30)."""
        [first] = await stream.charge("one", [taken(records=HOUR_US)])
        [second] = await stream.charge("two", [taken(records=2 * HOUR_US, bytes=HOUR_US)])
        [asked] = await stream.charge("one", [taken(records=0, requests=0)])

        assert HOUR_US - SLACK_US < first.debts_us["records"] <= HOUR_US
        assert 3 * HOUR_US - SLACK_US < second.debts_us["records"] <= 3 * HOUR_US
        assert 3 * HOUR_US - SLACK_US < asked.debts_us["records"] <= 3 * HOUR_US
        assert 0 == asked.debts_us["requests"]

    async def test_what_is_given_back_is_there_again(self, stream: RecordStream) -> None:
        """A door that took for what did not come about tells less than nothing."""
        await stream.charge("one", [taken(records=HOUR_US)])

        [half] = await stream.charge("one", [taken(records=-HOUR_US // 2)])
        [none] = await stream.charge("one", [taken(records=-HOUR_US)])

        assert HOUR_US // 2 - SLACK_US < half.debts_us["records"] <= HOUR_US // 2
        assert 0 == none.debts_us["records"]

    async def test_a_bucket_fills_with_time(self, stream: RecordStream) -> None:
        """What was taken flows back by itself."""
        await stream.charge("one", [taken(records=20_000)])

        while (await stream.charge("one", [taken(records=0)]))[0].debts_us["records"]:
            pass

        assert {} == (await stream.read_spent("windco")).debts_us

    async def test_tenants_do_not_know_each_other(self, stream: RecordStream) -> None:
        """Several are told in one call, each for itself."""
        counted = {"records": 5}
        mine, theirs = await stream.charge(
            "one", [Charge("windco", {"records": HOUR_US}, counted, 7), Charge("sunco", {"records": 0})]
        )

        assert mine.debts_us["records"] > 0
        assert (0, 0) == (theirs.debts_us["records"], theirs.backlog_bytes)
        assert Spent({}, {}, 0, 0) == await stream.read_spent("sunco")

    async def test_counters_add_up_by_day(self, stream: RecordStream) -> None:
        """Every door's counts of a day are one number a name; days are the server's (UTC)."""
        today = (await stream.read_state(SHARD)).time_us // 86_400_000_000
        await stream.charge("one", [Charge("windco", counts={"records": 3, "requests": 1})])
        await stream.charge("two", [Charge("windco", counts={"records": 4})])

        spent = await stream.read_spent("windco")

        assert {today: {"records": 7, "requests": 1}} == spent.days
        assert 31 <= DAYS_KEPT

    async def test_a_door_learns_what_the_others_wait_for(self, stream: RecordStream) -> None:
        """The backlog of a tenant is the sum of what its doors know; a word takes the place of the last."""
        await stream.charge("one", [Charge("windco", backlog_bytes=500)])
        [first] = await stream.charge("two", [Charge("windco", backlog_bytes=40)])
        [second] = await stream.charge("one", [Charge("windco", backlog_bytes=3)])

        assert (500, 40) == (first.backlog_bytes, second.backlog_bytes)
        assert 43 == (await stream.read_spent("windco")).backlog_bytes
        [third] = await stream.charge("two", [Charge("windco")])
        [fourth] = await stream.charge("one", [Charge("windco")])
        assert (3, 0) == (third.backlog_bytes, fourth.backlog_bytes)
        assert 1_000 <= BACKLOG_TTL_MS

    async def test_stored_bytes_are_those_of_the_last_count(self, stream: RecordStream) -> None:
        """Writers tell them by shard; doors get the sum."""
        await stream.tell_stored("windco", SHARD, 700)
        await stream.tell_stored("windco", OTHER_SHARD, 50)
        await stream.tell_stored("windco", SHARD, 600)

        [standing] = await stream.charge("one", [Charge("windco")])

        assert 650 == standing.stored_bytes == (await stream.read_spent("windco")).stored_bytes

    async def test_what_is_applied_is_told_of_many_shards(self, stream: RecordStream) -> None:
        """0 for a shard that was never proved."""
        await prove(stream)
        [first, _] = await append(stream, admission(1), admission(2))
        await stream.report_applied(SHARD, Applied(first))

        assert {SHARD: first, OTHER_SHARD: 0} == await stream.read_applied([SHARD, OTHER_SHARD])
        assert {} == await stream.read_applied([])

    async def test_budgets_outlive_the_process(self, stream: RecordStream, door: BackDoor) -> None:
        """A server that restarts has not forgotten what was taken."""
        await stream.charge("one", [Charge("windco", {"records": HOUR_US}, {"records": 1})])

        await door.restart()
        await prove(stream)

        spent = await stream.read_spent("windco")
        assert spent.debts_us["records"] > HOUR_US - SLACK_US
        assert [{"records": 1}] == list(spent.days.values())

    async def test_a_forgotten_tenant_has_spent_nothing(self, stream: RecordStream) -> None:
        """Erasing a tenant takes its budgets and counters along (design 4.16)."""
        await stream.charge("one", [Charge("windco", {"records": HOUR_US}, {"records": 1}, 5)])
        await stream.tell_stored("windco", SHARD, 700)

        await stream.forget("windco")

        assert Spent({}, {}, 0, 0) == await stream.read_spent("windco")
        assert not any((await stream.count_left("windco")).values())
