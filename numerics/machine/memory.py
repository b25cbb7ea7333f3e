"""Memory that this process may still take: of the machine, and of the container it runs in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")


def available() -> float | None:
    """Bytes, or None where the system does not say."""
    found = [*_of_the_machine(), *_of_the_containers()]
    return min(found, default=None)


def _of_the_machine() -> Iterator[float]:
    for line in _lines(PROC / "meminfo"):
        if line.startswith("MemAvailable:"):
            yield 1024.0 * int(line.split()[1])
            return
    try:  # without /proc: what is built in bounds what is free
        yield float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return


def _of_the_containers() -> Iterator[float]:
    """Limit less use of each control group above the process, of both versions of the interface."""
    for line in _lines(PROC / "self" / "cgroup"):
        _, controllers, name = line.split(":", 2)
        if controllers == "":
            root, limit, use = CGROUPS, "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            root, limit, use = CGROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        own = root / name.lstrip("/")
        for group in (own, *own.parents):  # inside a container the name may lead nowhere: its root counts
            if group == root.parent:
                break
            yield from _left(group, limit, use)


def _left(group: Path, limit: str, use: str) -> Iterator[float]:
    allowed, used = (_number(group / name) for name in (limit, use))
    if allowed is None or used is None:  # "max" is no number: no limit
        return
    cache = 0  # file pages that the system gives back when asked
    for line in _lines(group / "memory.stat"):
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            cache = max(cache, int(value))
    yield float(max(allowed - used + cache, 0))


def _number(path: Path) -> int | None:
    for line in _lines(path):
        return int(line) if line.strip().isdigit() else None
    return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
