"""Samples in words: text for print(), HTML for notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from numerics.sampling.estimate import Estimate

LEFT = ' style="text-align: left"'


def text(samples: Any) -> str:
    """A heading, a line per quantity, and what speaks against them."""
    rows = list(_rows(samples))
    indent = max(len(name) for name, _ in rows)
    return "\n".join([_heading(samples), *(f"  {name:{indent}}  {value}" for name, value in rows)])


def html(samples: Any) -> str:
    """The same as a small table."""
    body = "".join(
        f"<tr><th{LEFT}>{escape(name)}</th><td{LEFT}>{escape(value)}</td></tr>"
        for name, value in _rows(samples)
    )
    return f"<table><caption>{escape(_heading(samples))}</caption><tbody>{body}</tbody></table>"


def _heading(samples: Any) -> str:
    chains, draws = samples.shape
    doubts = any(True for _ in samples.doubts())
    return f"Posterior samples, {chains} chains of {draws} draws" + (": not converged" if doubts else "")


def _rows(samples: Any) -> Iterator[tuple[str, str]]:
    report = samples.report
    widths = ", ".join(f"{width:g}" for width in samples.problem.widths)
    yield "network", f"{samples.problem.net.activation}, widths {widths}, n = {samples.problem.samples}"
    step = f"step {report.step:.3g}, acceptance {report.acceptance:.2f}"
    yield "method", f"{report.method}, {report.precision} precision, {step}"
    work = (
        f"{report.gradients} and {report.warm_up_gradients} in the warm-up, {report.seconds:.3g} s of workers"
    )
    yield "gradients", work
    for estimate in _estimates(samples):
        yield estimate.name, f"{estimate}{_gain(estimate)}"
    top = ", ".join(f"{value:.4g}" for value in samples.overlap_eigenvalues[:3])
    yield "top of Sigma/prior", top
    for name, control in samples.check().items():
        yield (
            f"control, {name}",
            f"{control.mean / control.error:+.1f} errors off zero" if control.error else "0",
        )
    for doubt in samples.doubts():
        yield "doubt", doubt
    for note in report.notes:
        yield "note", note


def _estimates(samples: Any) -> Iterator[Estimate]:
    if samples.problem.samples:
        yield samples.alpha
        yield samples.train_loss
        yield samples.readout_load
        yield samples.output_variance
    yield samples.hidden_variance(0)
    if samples.problem.samples:
        for layer in range(1, samples.layers):
            yield samples.hidden_variance(layer)


def _gain(estimate: Estimate) -> str:
    """How much control variates are worth."""
    if estimate.without is None or not estimate.error > 0:
        return ""
    plain = estimate.plain
    return f", without control variates ({plain.error:.1e}), ESS {plain.ess:.0f}, R-hat {plain.rhat:.3f}"
