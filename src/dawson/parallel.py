"""Work over scans and repeats through joblib, on this machine or on a Dask cluster."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from dawson.errors import ConfigError, MissingDependencyError

Item = TypeVar("Item")
Result = TypeVar("Result")

_WATCH = "watch-the-parent"


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resolve_jobs(jobs: int) -> int:
    """Number of workers: 0 or less means one for every core."""
    return cores() if jobs <= 0 else jobs


def each(function: Callable[[Item], Result], items: Sequence[Item], jobs: int = 1, dask: str | None = None) -> Iterator[Result]:
    """Apply a function to every item; results come as they are ready, not in order.

    The function must be importable (a module-level function or a `functools.partial` of one) and should carry its own
    errors home as values: an exception ends the whole run.

    Parameters
    ----------
    function : callable
    items : sequence
    jobs : int
        Processes on this machine; with 1 everything runs in this one.
    dask : str, optional
        Address of a Dask scheduler; the items go there instead.

    Raises
    ------
    MissingDependencyError
        `dask` is given and the cluster extra is not installed.
    ConfigError
        No Dask scheduler answers at the address.
    """
    if dask is None and jobs == 1:
        yield from map(function, items)
        return
    from joblib import Parallel, delayed, parallel_config

    if dask is not None:
        try:
            from distributed import Client
        except ImportError:
            raise MissingDependencyError("--dask needs the cluster extra.", "pip install 'dawson[cluster]'") from None
        try:
            client = Client(dask, timeout="20s")
        except OSError as error:
            raise ConfigError(f"No Dask scheduler answers at {dask}: {error}.", "Check the address and the firewall.") from None
        with client, parallel_config(backend="dask"):
            yield from Parallel(return_as="generator_unordered")(delayed(function)(item) for item in items)
        return
    with warnings.catch_warnings(), parallel_config(backend="loky", inner_max_num_threads=max(1, cores() // jobs)):
        # A worker that has grown (by loading torch, say) is replaced between two items, which harms nothing.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs", category=UserWarning)
        work = partial(_with_its_parent, function, os.getpid())
        yield from Parallel(n_jobs=jobs, return_as="generator_unordered")(delayed(work)(item) for item in items)


def _with_its_parent(function: Callable[[Item], Result], parent: int, item: Item) -> Result:
    """Apply the function in a worker that ends when the process it works for is killed."""
    if os.getppid() == parent and not any(thread.name == _WATCH for thread in threading.enumerate()):
        threading.Thread(target=_leave_with, args=(parent,), name=_WATCH, daemon=True).start()
    return function(item)


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
