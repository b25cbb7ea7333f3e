"""Memory of a sampling run: the draws that are kept, and what a gradient needs in every chain at work."""

from __future__ import annotations

from numerics.costs.cost import GIGABYTE, NotEnoughMemory
from numerics.machine import memory
from numerics.problem import Problem
from numerics.sampling.energies import Posterior

FLOAT = 8.0
PER_FEATURE = 5.0  # arrays of the features' size in a gradient: rows, slopes, adjoints
SQUARES = 3.0  # of the smaller Gram matrix
COPIES = 2.0  # of the draws, when they are put together at the end


def draw_size(problem: Problem) -> int:
    """Numbers that are kept of a draw."""
    shapes = Posterior(problem).forward.shapes
    weights = sum(rows * columns for rows, columns in shapes)
    return weights + shapes[0][0] * shapes[0][1] + problem.samples * problem.outputs


def gradient_memory(problem: Problem) -> float:
    """Bytes of a gradient in double precision."""
    forward = Posterior(problem).forward
    samples, features = problem.samples, forward.readout_weights
    hidden = sum(gather.pixels * width for gather, width in zip(forward.gathers, forward.widths, strict=True))
    square = min(samples, features) ** 2
    return FLOAT * (PER_FEATURE * samples * (features + hidden) / 2 + SQUARES * square)


def run_memory(problem: Problem, draws: int, chains: int, workers: int) -> float:
    """Bytes at the peak of a run."""
    kept = FLOAT * COPIES * draws * chains * draw_size(problem)
    return kept + min(workers, chains) * gradient_memory(problem)


def refuse_what_does_not_fit(problem: Problem, draws: int, chains: int, workers: int) -> None:
    """Compare a run's peak with the memory there is; unknown memory is taken to suffice.

    Raises
    ------
    NotEnoughMemory
    """
    left = memory.available()
    need = run_memory(problem, draws, chains, workers)
    if left is None or need <= left:
        return
    raise NotEnoughMemory(
        f"{chains} chains of {draws} draws take about {need / GIGABYTE:.3g} GB, but {left / GIGABYTE:.3g} GB "
        "are available; ask for fewer draws with a larger thin, or fewer samples, or try all the same with "
        "check_memory=False"
    )
