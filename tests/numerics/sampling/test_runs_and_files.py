"""Runs that are stopped, continued, spread over processes and written to files: the draws are always the same
bits; and every file that is not this run's is refused in a sentence."""

import json
import multiprocessing
import os
import pickle
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from naive_networks import NAIVE, one_unit, own

from numerics import Langevin, Problem, SamplingError, cnn, load_samples, progress_bar, sample
from numerics.sampling import archive, sampler
from numerics.sampling.chain import DESCENT, DRAWS, TUNING
from numerics.sampling.records import RECORDED
from numerics.sampling.run import WorkerLost

QUICK = {"draws": 30, "chains": 3, "method": "collapsed", "start": "prior", "seed": 5}
PROBLEM = NAIVE["two convolutions"].problem(outputs=2)

RUNS = {
    "pooled": {"reference": "pooled"},
    "prior": {"reference": "prior", "thin": 2},
    "joint": {"reference": "pooled", "method": "joint"},
    "langevin": {"method": Langevin(share=0.1, schedule=False, burn_in=20, interval=3)},
    "eos": {"start": "both"},
}


def assert_same_bits(one, other):
    for name in RECORDED:
        np.testing.assert_array_equal(getattr(one.draws, name), getattr(other.draws, name))
    for mine, yours in zip(one.run.chains, other.run.chains, strict=True):
        np.testing.assert_array_equal(mine.z, yours.z)
        assert mine.rng.bit_generator.state == yours.rng.bit_generator.state
    assert one.report.step == other.report.step
    assert one.report.gradients == other.report.gradients
    assert one.report.acceptance == other.report.acceptance or np.isnan(one.report.acceptance)


@pytest.fixture
def told_at_once(monkeypatch):
    monkeypatch.setattr(sampler, "REPORT_SECONDS", 0.0)


@pytest.fixture
def one_thread():
    with ThreadPoolExecutor(1) as executor:
        yield executor


class Interrupt:
    """Ctrl-C in the given phase, once so much of it is done."""

    def __init__(self, phase, done=1):
        self.phase, self.done, self.raised = phase, done, False

    def __call__(self, progress):
        if not self.raised and progress.phase == self.phase and progress.done >= self.done:
            self.raised = True
            raise KeyboardInterrupt


@pytest.mark.parametrize("phase", [DESCENT, TUNING, DRAWS])
@pytest.mark.parametrize("kind", RUNS)
def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not_been(
    kind, phase, tmp_path, told_at_once, one_thread
):
    """One thread for three chains: when the first reports, the others have not begun."""
    options = QUICK | RUNS[kind]
    if kind == "langevin" and phase == TUNING:
        pytest.skip("Langevin dynamics have nothing to tune")
    whole = sample(PROBLEM, **options)
    assert whole.shape == (3, 30)
    assert not whole.report.interrupted
    file = tmp_path / "run.npz"
    interrupt = Interrupt(phase)
    if phase == DRAWS:
        part = sample(PROBLEM, **options, checkpoint=file, callback=interrupt, executor=one_thread)
        assert part.report.interrupted
        assert part.shape[1] < 30
        assert "interrupted" in " ".join(part.doubts())
    else:
        with pytest.raises(KeyboardInterrupt):
            sample(PROBLEM, **options, checkpoint=file, callback=interrupt, executor=one_thread)
        with pytest.raises(ValueError, match=r"from the warm-up, without draws; go on with"):
            load_samples(file)
    assert interrupt.raised
    again = sample(PROBLEM, **options, checkpoint=file)
    assert_same_bits(whole, again)
    assert not again.report.interrupted


def test_many_interruptions_do_not_matter(tmp_path, told_at_once):
    options = QUICK | {"reference": "pooled"}
    whole = sample(PROBLEM, **options)
    file = tmp_path / "run.npz"
    for phase, done in ((DESCENT, 1), (DESCENT, 8), (TUNING, 3), (DRAWS, 2), (DRAWS, 40)):
        try:
            sample(PROBLEM, **options, checkpoint=file, callback=Interrupt(phase, done))
        except KeyboardInterrupt:
            assert phase != DRAWS or done == 2  # a chain may have drawn nothing yet
    assert_same_bits(whole, sample(PROBLEM, **options, checkpoint=file))


def test_draws_can_be_raised_and_lowered(tmp_path):
    file = tmp_path / "run.npz"
    few = sample(PROBLEM, **QUICK | {"draws": 10}, checkpoint=file)
    many = sample(PROBLEM, **QUICK, checkpoint=file)
    whole = sample(PROBLEM, **QUICK)
    assert_same_bits(whole, many)
    for name in RECORDED:
        np.testing.assert_array_equal(getattr(few.draws, name), getattr(many.draws, name)[:, :10])
    fewer = sample(PROBLEM, **QUICK | {"draws": 7}, checkpoint=file)
    assert fewer.shape == (3, 7)
    assert_same_bits(whole, sample(PROBLEM, **QUICK, checkpoint=file))  # nothing was lost


@pytest.mark.parametrize("kind", RUNS)
def test_saved_samples_come_back_whole(kind, tmp_path):
    samples = sample(PROBLEM, **QUICK | RUNS[kind])
    samples.save(tmp_path / "samples.npz")
    back = load_samples(tmp_path / "samples.npz")
    assert_same_bits(samples, back)
    assert back.problem == samples.problem
    assert back.report == samples.report or np.isnan(samples.report.acceptance)
    assert str(back) == str(samples)
    X = PROBLEM.X[:2] + 0.1
    for one, two in zip(samples.predict(X, return_cov=True), back.predict(X, return_cov=True), strict=True):
        np.testing.assert_array_equal(one, two)
    more = sample(PROBLEM, **QUICK | RUNS[kind] | {"draws": 35}, checkpoint=tmp_path / "samples.npz")
    assert_same_bits(sample(PROBLEM, **QUICK | RUNS[kind] | {"draws": 35}), more)
    again = pickle.loads(pickle.dumps(samples))
    assert_same_bits(samples, again)
    assert again.alpha.mean == samples.alpha.mean
    assert [path.name for path in tmp_path.iterdir()] == ["samples.npz"]


def test_one_output_and_noise_per_datum_in_a_file(tmp_path):
    noise = np.array([0.3, np.inf, 0.5, 1.0, 0.1, 0.4])
    problem = NAIVE["overlap, padding and biases"].problem(noise_variance=noise)
    y = problem.y.copy()
    y[1] = np.nan
    problem = Problem(problem.net, problem.X, y, noise)
    samples = sample(problem, **QUICK)
    samples.save(tmp_path / "samples.npz")
    back = load_samples(tmp_path / "samples.npz")
    assert_same_bits(samples, back)
    assert back.f_bar.shape == (6,)
    assert np.isnan(back.f_bar[1])


def test_threads_and_none_give_the_same_bits():
    whole = sample(PROBLEM, **QUICK)
    for workers in (1, 3):
        with ThreadPoolExecutor(workers) as executor:
            assert_same_bits(whole, sample(PROBLEM, **QUICK, executor=executor))


def kill_a_worker(executor, after):
    def callback(progress):
        if progress.phase == DRAWS and progress.done >= after:
            for process in list((executor._processes or {}).values()):
                os.kill(process.pid, signal.SIGKILL)

    return callback


def test_processes_give_the_same_bits_and_their_loss_is_survived(tmp_path, told_at_once):
    whole = sample(PROBLEM, **QUICK | {"draws": 60})
    file = tmp_path / "run.npz"
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        early = sample(PROBLEM, **QUICK | {"draws": 20}, executor=executor)
        for name in RECORDED:
            np.testing.assert_array_equal(getattr(early.draws, name), getattr(whole.draws, name)[:, :20])
        with pytest.raises(SamplingError, match="a worker was lost") as lost:
            sample(
                PROBLEM,
                **QUICK | {"draws": 60},
                executor=executor,
                checkpoint=file,
                callback=kill_a_worker(executor, after=6),
            )
    assert "goes on from there" in str(lost.value)
    assert lost.value.samples is not None
    assert lost.value.samples.report.interrupted
    there = lost.value.samples.shape[1]
    assert 1 <= there < 60
    np.testing.assert_array_equal(lost.value.samples.draws.weights, whole.draws.weights[:, :there])
    assert_same_bits(whole, sample(PROBLEM, **QUICK | {"draws": 60}, checkpoint=file))
    assert pickle.loads(pickle.dumps(lost.value)).samples.shape[1] == there


def test_an_error_of_a_task_leaves_no_half_made_chain(tmp_path, monkeypatch, told_at_once):
    """What a thread had done of a task that failed is as if it had not been begun."""
    from numerics.sampling import chain

    options = QUICK | {"chains": 2, "reference": "prior"}
    whole = sample(PROBLEM, **options)
    true, count = chain.record_of, [0]

    def failing(posterior, at):
        count[0] += 1
        if count[0] == 25:
            raise KeyboardInterrupt
        return true(posterior, at)

    file = tmp_path / "run.npz"
    monkeypatch.setattr(chain, "record_of", failing)
    with ThreadPoolExecutor(1) as executor:
        part = sample(PROBLEM, **options, checkpoint=file, executor=executor)
    assert part.report.interrupted
    monkeypatch.setattr(chain, "record_of", true)
    assert_same_bits(whole, sample(PROBLEM, **options, checkpoint=file))


def test_a_callback_that_fails_loses_nothing(tmp_path, told_at_once, one_thread):
    def fails(progress):
        if progress.phase == DRAWS and progress.done >= 20:
            raise KeyError("of the user's")

    file = tmp_path / "run.npz"
    with pytest.raises(KeyError, match="of the user's"):
        sample(PROBLEM, **QUICK, checkpoint=file, callback=fails, executor=one_thread)
    assert_same_bits(sample(PROBLEM, **QUICK, checkpoint=file), sample(PROBLEM, **QUICK))


def test_progress_is_told_in_order(told_at_once):
    told = []
    sample(PROBLEM, **QUICK, callback=told.append)
    phases = [progress.phase for progress in told]
    assert phases == sorted(phases, key=[DESCENT, TUNING, DRAWS].index)
    assert told[-1].done == told[-1].total == 90
    assert told[-1].series["alpha"].shape == (3, 30)
    assert told[0].series == {}
    for progress in told:
        assert 0 <= progress.done <= progress.total
    langevin = []
    sample(PROBLEM, **QUICK | RUNS["langevin"], callback=langevin.append)
    for progress in langevin:
        assert 0 <= progress.done <= progress.total
    assert {progress.total for progress in langevin if progress.phase == DESCENT} == {60}


def test_the_bar_of_progress(capsys, told_at_once):
    sample(PROBLEM, **QUICK, callback=progress_bar)
    said = capsys.readouterr().err
    assert "draws" in said
    assert "effective draws of alpha" in said


# -- files that are refused ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    file = tmp_path_factory.mktemp("checkpoint") / "run.npz"
    sample(PROBLEM, **QUICK, checkpoint=file)
    return file


def refused(file, match, problem=PROBLEM, **options):
    before = file.read_bytes()
    with pytest.raises(ValueError, match=match) as said:
        sample(problem, **QUICK | options, checkpoint=file)
    assert str(file) in str(said.value)
    assert "\n" not in str(said.value)
    assert file.read_bytes() == before  # it is not written over


def test_a_checkpoint_of_something_else_is_refused(written):
    other = "another network, other data or another noise; name another file"
    y = np.array(PROBLEM.y)
    y[0, 0] += 1e-9
    refused(written, other, Problem(PROBLEM.net, PROBLEM.X, y, 0.3))
    refused(written, other, Problem(PROBLEM.net, PROBLEM.X, PROBLEM.y, 0.31))
    refused(written, other, PROBLEM.with_widths((3, 3)))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("chains", 4),
        ("seed", 6),
        ("thin", 2),
        ("path_length", 1.1),
        ("method", "joint"),
        ("start", "both"),
        ("reference", "pooled"),
        ("precision", "single"),
    ],
)
def test_a_checkpoint_with_other_settings_is_refused(option, value, written):
    name = "length" if option == "path_length" else option
    refused(written, rf"with other .*{name}.*; ask for these, or name another file", **{option: value})


def test_a_checkpoint_with_other_langevin_settings_is_refused(tmp_path):
    first = Langevin(rate=1e-4, schedule=False, burn_in=5, interval=2)
    file = tmp_path / "run.npz"
    sample(PROBLEM, **QUICK | {"method": first}, checkpoint=file)
    for other in (
        Langevin(rate=2e-4, schedule=False, burn_in=5, interval=2),
        Langevin(rate=1e-4, schedule=False, burn_in=5, interval=3),
    ):
        refused(file, "with other langevin", method=other)
    sample(PROBLEM, **QUICK | {"method": first, "draws": 31}, checkpoint=file)


def rewritten(written, target, change):
    arrays = dict(np.load(written))
    header = json.loads(str(arrays["header"]))
    change(header, arrays)
    arrays["header"] = np.array(json.dumps(header))
    np.savez(target, **arrays)
    return target


CHANGES = {
    "version": (
        lambda h, a: h.update(version=99),
        "of version 99 .*: read it with the version that wrote it",
    ),
    "package": (lambda h, a: h.update(package="9.9"), "by feature-eos 9.9; this is feature-eos"),
    "format": (lambda h, a: h.update(format="feature-eos solution"), "'?feature-eos solution"),
    "states": (lambda h, a: a.update(z=a["z"][:, :-1]), "is damaged: states have shape"),
    "NaN": (lambda h, a: a.update(z=a["z"] * np.nan), "is damaged: states"),
    "draws": (lambda h, a: a.update(draws_eps=a["draws_eps"][:-1]), "is damaged: the draws are not as many"),
    "missing": (lambda h, a: a.pop("X"), "is damaged: it lacks"),
    "chains": (lambda h, a: h["chains"].pop(), "is damaged"),
    "counts": (lambda h, a: h.update(counts=[90, 0]), "is damaged"),
    "generator": (lambda h, a: h["chains"][0].update(rng={"bit_generator": "PCG64"}), "is damaged"),
    "phase": (lambda h, a: h["chains"][0].pop("phase"), "is damaged: it lacks"),
    "draws' shape": (lambda h, a: a.update(draws_weights=a["draws_weights"][:, 1:]), "is damaged"),
    "scalars": (lambda h, a: a.update(draws_scalars=a["draws_scalars"][:, 1:]), "is damaged"),
    "an unknown phase": (lambda h, a: h["chains"][0].update(phase="lunch"), "is damaged"),
    "header is a list": (lambda h, a: h.update(chains=5), "is damaged"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_damaged_checkpoint_is_refused(what, written, tmp_path):
    change, match = CHANGES[what]
    file = rewritten(written, tmp_path / "run.npz", change)
    refused(file, match)
    with pytest.raises(ValueError, match=match):
        load_samples(file)


def test_files_of_another_kind_are_refused(written, tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "cut.npz").write_bytes(written.read_bytes()[:2000])
    np.savez(tmp_path / "other.npz", X=np.ones(3))
    np.savez(tmp_path / "number.npz", header=np.array("5"))
    for name in ("text.npz", "empty.npz", "cut.npz", "other.npz", "number.npz"):
        refused(tmp_path / name, "holds no samples of this package")
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        sample(PROBLEM, **QUICK, checkpoint=tmp_path / "run.zarr")
    with pytest.raises(ValueError, match="does not exist; make it first"):
        sample(PROBLEM, **QUICK, checkpoint=tmp_path / "nowhere" / "run.npz")
    with pytest.raises(FileNotFoundError):
        load_samples(tmp_path / "missing.npz")


def test_an_activation_of_one_s_own_is_refused_by_files_at_once(tmp_path):
    net = cnn(2, activation=own())
    X = PROBLEM.X
    with pytest.raises(ValueError, match="activation"):
        sample(net, X, PROBLEM.y, 0.3, **QUICK, checkpoint=tmp_path / "run.npz")
    samples = sample(net, X, PROBLEM.y, 0.3, **QUICK, reference="prior")
    with pytest.raises(ValueError, match="activation"):
        samples.save(tmp_path / "run.npz")
    assert not list(tmp_path.iterdir())


def test_the_lost_worker_s_error_is_its_own():
    assert issubclass(WorkerLost, RuntimeError)
    assert archive.package_version()
    assert one_unit().samples == 3
