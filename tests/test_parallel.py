"""Work in several processes, and what becomes of it when the one that asked for it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dawson.errors import ImageError
from dawson.parallel import each, resolve_jobs


def test_results_are_those_of_the_function_whatever_the_jobs() -> None:
    assert sorted(each(abs, [-3, 1, -2], jobs=2)) == sorted(each(abs, [-3, 1, -2], jobs=1)) == [1, 2, 3]


def test_no_jobs_means_every_core() -> None:
    assert resolve_jobs(0) >= 1 and resolve_jobs(3) == 3


def fail(item: int) -> int:
    raise ImageError("scan.nii.gz", f"is damaged ({item}).", "Replace it.")


def test_an_error_of_ours_comes_home_whole() -> None:
    with pytest.raises(ImageError, match=r"scan\.nii\.gz is damaged \(7\)\.") as caught:
        list(each(fail, [7, 7], jobs=2))
    assert caught.value.fix == "Replace it." and caught.value.path == Path("scan.nii.gz")


WORKER = """
import os, sys, time
from pathlib import Path
def work(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)
if __name__ == "__main__":
    from dawson.parallel import each
    list(each(work, [sys.argv[1]] * 2, jobs=2))
"""


def test_workers_of_a_killed_process_end(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)])
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    assert len(workers) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while any(_runs(worker) for worker in workers) and time.monotonic() < deadline + 20:
        time.sleep(0.2)
    assert not any(_runs(worker) for worker in workers)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return False
