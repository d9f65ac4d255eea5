"""The accounting finds what a service does wrong: each counter fires for the mischief it is there for."""

import asyncio
from pathlib import Path

import pytest

from schemas.receipts import Place, encode_receipt
from tests.faults.accounting import Account, Ledger, Rows
from tests.faults.fake_service import FakeService, Mischief, serving
from tests.faults.load import Config, Load
from tests.faults.operations import (
    ACKNOWLEDGED,
    UNKNOWN,
    Journal,
    Operation,
    load_journals,
    read_place,
    value_of,
)

ASSETS = [("t1", "a" * 32, "t1"), ("t1", "b" * 32, "t1"), ("t2", "c" * 32, "t2")]


def account(fake: FakeService, folder: Path, operations: int = 400, *, times: int = 30) -> Account:
    """Load the fake, read everything back from it and compare."""
    config = Config(
        "127.0.0.1", fake.port, "machine", ASSETS, str(folder / "journal"), connections=3, readers=3,
        times=times, operations_max=operations, answer_s=5, pause_ms=1,
    )  # fmt: skip
    asyncio.run(Load(config).run())
    ledger, reads = load_journals([folder / "journal"])
    final = {series: _rows(fake, series) for series in {(tenant, asset) for tenant, asset, _ in ASSETS}}
    return Ledger(ledger).account(final, reads)


def _rows(fake: FakeService, series: tuple[str, str]) -> Rows:
    rows = [(time, values) for time, values in sorted(fake.rows.get(series, {}).items()) if values]
    return rows + rows[-1:] if fake.mischief is Mischief.TWICE_IN_READ else rows


def test_an_honest_service_has_a_clean_account(tmp_path: Path) -> None:
    """Interleaved writes over eight connections end in serial execution in receipt order."""
    with serving() as fake:
        found = account(fake, tmp_path, operations=1500)

    assert found.clean, str(found)
    assert found.acknowledged > 1400
    assert found.reads > 10


@pytest.mark.parametrize(
    ("mischief", "counter"),
    [
        (Mischief.LOSE, "lost"),
        (Mischief.LOSE, "stale"),
        (Mischief.DUPLICATE, "duplicate"),
        (Mischief.REORDER, "duplicate"),
        (Mischief.PHANTOM, "phantom"),
        (Mischief.REFUSE_AND_DO, "phantom"),
        (Mischief.MIX_UP, "wrong"),
        (Mischief.CROSS_TENANT, "cross_tenant"),
        (Mischief.STALE, "stale"),
        (Mischief.TWICE_IN_READ, "duplicate"),
    ],
)
def test_each_counter_fires(mischief: Mischief, counter: str, tmp_path: Path) -> None:
    """Stack 3.3: lost, phantom, duplicate effect, wrong, cross-tenant; design 4.17: stale."""
    with serving(mischief) as fake:
        found = account(fake, tmp_path, times=300)

    assert found.counts[counter] > 0, str(found)


def test_a_torn_read_is_found(tmp_path: Path) -> None:
    """One slice is never shown at two positions at once (design 4.15)."""
    first = _operation(1, {1: 0, 2: 1}, "0.1.1", sent=1, answered=2)
    second = _operation(2, {1: 0, 2: 1}, "0.1.2", sent=3, answered=50)
    read = _read(rows=[(1, _values(2, 0)), (2, _values(1, 1))], sent=10, answered=20)

    found = Ledger([first, second]).account({("t1", "a"): [(1, _values(2, 0)), (2, _values(2, 1))]}, [read])

    assert {"torn": 1} == dict(+found.counts)


def test_an_operation_without_answer_may_have_happened_or_not() -> None:
    """Both states are serial executions; a third one is not."""
    first = _operation(1, {1: 0}, "0.1.1", sent=1, answered=2)
    second = _operation(2, {1: 0}, "", sent=3, answered=4)
    second.outcome = UNKNOWN
    ledger = Ledger([first, second])

    def counts(number: int) -> dict[str, int]:
        return dict(+ledger.account({("t1", "a"): [(1, _values(number, 0))]}).counts)

    assert {} == counts(1)
    assert {} == counts(2)
    assert {"phantom": 3} == counts(3)


def test_receipts_of_the_service_are_read() -> None:
    """The accounting sorts by the position inside the receipt."""
    receipt = encode_receipt([Place(7, 3, 1_700_000_000_000_123)], "t1", b"k" * 32)

    assert (7, 3, 1_700_000_000_000_123) == read_place(receipt)


def test_an_operation_that_was_never_answered_is_unknown(tmp_path: Path) -> None:
    """A load process that dies leaves operations of which only the sending is known."""
    journal = Journal(tmp_path / "journal")
    operation = _operation(1, {1: 0}, "", sent=1, answered=0)
    operation.outcome = "sent"
    journal.note(operation)
    journal.close()

    (loaded,), _ = load_journals([tmp_path / "journal"])

    assert UNKNOWN == loaded.outcome


def _operation(number: int, rows: dict[int, int], receipt: str, *, sent: int, answered: int) -> Operation:
    values = {time: _values(number, row) for time, row in rows.items()}
    return Operation(
        number,
        "t1",
        "a",
        "put",
        values,
        sent_ns=sent,
        answered_ns=answered,
        outcome=ACKNOWLEDGED,
        receipt=receipt,
    )


def _values(number: int, row: int):
    return {name: value_of(number, row, name) for name in ("count", "level", "note")}


def _read(*, rows, sent: int, answered: int):
    from tests.faults.operations import Read

    return Read("t1", "a", 0, 100, sent, answered, 200, False, rows)
