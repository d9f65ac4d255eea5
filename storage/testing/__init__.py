"""The contract of `SeriesStore`, shipped with the port: every adapter's test class inherits it.

A subclass supplies three fixtures, on whose event loop the tests run:

- `store`: an open store; it may be shared between tests, which use series and shards of their own
- `back_door`: a `SeriesBackDoor` to the same rows, which uses no method of the store
- `broken`: a store of its own whose driver has lost its connections

The suite never asks which adapter it runs on.
"""

from storage.testing.deltas import DeltaContract, PurgeContract
from storage.testing.erasing import ErasingContract
from storage.testing.failures import FailureContract, TenantContract
from storage.testing.outsets import OutsetContract
from storage.testing.plans import PinContract, PlanContract
from storage.testing.rows import SeriesBackDoor
from storage.testing.swaps import BlockContract, SwapContract

__all__ = ["SeriesBackDoor", "SeriesStoreContract"]


class SeriesStoreContract(
    DeltaContract,
    PurgeContract,
    OutsetContract,
    SwapContract,
    BlockContract,
    PlanContract,
    PinContract,
    ErasingContract,
    TenantContract,
    FailureContract,
):
    """Every promise of `SeriesStore`."""
