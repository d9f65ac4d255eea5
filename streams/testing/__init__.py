"""The contract suites of the stream, job and notice ports, shipped with them.

An adapter's test subclasses a contract, gives the fixtures named there, and overrides no test. Adapters are
judged by what a back door finds, not only by their own answers.
"""

from streams.testing.admission import AdmissionContract
from streams.testing.budgets import BudgetContract
from streams.testing.erasing import ForgetContract
from streams.testing.faults import FaultContract
from streams.testing.jobs import JobQueueContract
from streams.testing.letters import LetterContract
from streams.testing.marks import MarkContract
from streams.testing.notices import NoticeLogContract
from streams.testing.requests import RequestContract
from streams.testing.setting import CAPS, BackDoor
from streams.testing.tails import TailContract

__all__ = ["CAPS", "BackDoor", "JobQueueContract", "NoticeLogContract", "RecordStreamContract"]


class RecordStreamContract(
    AdmissionContract,
    RequestContract,
    BudgetContract,
    MarkContract,
    LetterContract,
    TailContract,
    ForgetContract,
    FaultContract,
):
    """Everything that a `RecordStream` promises.

    Fixtures to give: `stream` (an empty, unproved one with `CAPS`) and `door` (its `BackDoor`).
    """
