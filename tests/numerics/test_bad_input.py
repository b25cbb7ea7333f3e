"""Bad input: it works, or a ValueError names the argument. Nothing warns, nothing returns NaN."""

import math

import numpy as np
import pytest
import scipy.sparse
from small_problems import Small

from numerics import ConvergenceError, cnn, datasets, fcn, from_sigma, solve, solve_path
from numerics.solving.outcome import Status

SMALL = Small("erf", n=10, N=2, S=3)
X, Y, NOISE = SMALL.data
NET = cnn(30)


def alpha(X=X, y=Y, noise_variance=NOISE, net=NET, **options):
    sol = solve(net, X, y, noise_variance, **options)
    assert math.isfinite(sol.alpha)
    assert np.isfinite(sol.Sigma).all()
    return sol.alpha


ALPHA = alpha()


def changed(array, value):
    array = array.copy()
    array.flat[3] = value
    return array


BAD_INPUTS = {
    "two axes": X[:, 0],
    "one axis": Y,
    "four axes": X[None],
    "no samples": X[:0],
    "no pixels": X[:, :, :0],
    "NaN": changed(X, np.nan),
    "infinite": changed(X, np.inf),
    "complex": X + 0j,
    "string": "patches",
    "strings": X.astype(str),
    "objects": X.astype(object),
    "none": None,
    "ragged list": [[[1.0, 2.0]], [[3.0]]],
    "dates": X.astype("datetime64[s]"),
}
BAD_TARGETS = {
    "too few": Y[:-1],
    "too many": np.append(Y, 1.0),
    "row": Y[None],
    "three axes": Y[:, None, None],
    "scalar": 1.0,
    "NaN": changed(Y, np.nan),
    "infinite": changed(Y, -np.inf),
    "zero": 0 * Y,
    "complex": Y * 1j,
    "strings": ["a"] * 10,
    "none": None,
    "ragged list": [[1.0], [2.0, 3.0]] * 5,
    "so small that y.y underflows": Y * 1e-200,
    "so large that y.y overflows": Y * 1e200,
}
BAD_NUMBERS = {
    "zero": 0,
    "negative": -0.1,
    "NaN": math.nan,
    "text": "0.1",
    "none": None,
    "complex": 1j,
    "boolean": True,
    "list": [0.1],
    "array": np.array([0.1]),
    "integer beyond float": 10**400,
    "subnormal": 1e-320,
}


@pytest.mark.parametrize("bad", BAD_INPUTS.values(), ids=BAD_INPUTS)
def test_bad_inputs_are_named(bad):
    with pytest.raises(ValueError, match=r"\bX\b"):
        alpha(X=bad)


@pytest.mark.parametrize("bad", BAD_TARGETS.values(), ids=BAD_TARGETS)
def test_bad_targets_are_named(bad):
    with pytest.raises(ValueError, match=r"\by\b"):
        alpha(y=bad)


@pytest.mark.parametrize("bad", [*BAD_NUMBERS.values(), math.inf], ids=[*BAD_NUMBERS, "infinite"])
@pytest.mark.parametrize("name", ["noise_variance", "tol"])
def test_bad_numbers_are_named(name, bad):
    with pytest.raises(ValueError, match=name):
        alpha(**{name: bad})


@pytest.mark.parametrize("bad", [*BAD_NUMBERS.values(), 2.5, math.inf], ids=[*BAD_NUMBERS, "fraction", "inf"])
def test_bad_iteration_counts_are_named(bad):
    with pytest.raises(ValueError, match="max_iter"):
        alpha(max_iter=bad)


@pytest.mark.parametrize("bad", BAD_NUMBERS.values(), ids=BAD_NUMBERS)
@pytest.mark.parametrize("name", ["channels", "weight_variance", "readout_variance"])
def test_bad_networks_are_named(name, bad):
    if name in ("channels", "weight_variance") and isinstance(bad, list | np.ndarray):
        bad = [[0.1]]  # one number in a sequence is one layer
    with pytest.raises(ValueError, match=name):
        cnn(**{"channels": 30, name: bad})


@pytest.mark.parametrize("bad", ["swish", "", None, 3, ["erf"], np.array(["erf"])], ids=repr)
def test_unknown_activations_are_named(bad):
    with pytest.raises(ValueError, match="activation"):
        cnn(30, activation=bad)


def test_more_layers_than_there_are_yet_are_refused():
    for channels in ((30, 40), ()):
        with pytest.raises(ValueError, match="channels"):
            cnn(channels)
    assert cnn((30,)) == cnn(30)


BAD_WIDTHS = {"empty": [], "a word": "640", "nothing": None} | {
    k: [30, [0.1, 0.1] if np.ndim(v) else v]  # one number in a sequence is one layer
    for k, v in BAD_NUMBERS.items()
}


@pytest.mark.parametrize("bad", BAD_WIDTHS.values(), ids=BAD_WIDTHS)
def test_bad_widths_are_named(bad):
    with pytest.raises(ValueError, match="widths"):
        solve_path(NET, X, Y, NOISE, widths=bad)


@pytest.mark.parametrize(
    "bad",
    [
        np.eye(2),
        np.triu(np.ones((3, 3))),
        -np.eye(3),
        np.zeros((3, 3)),
        np.full((3, 3), np.nan),
        np.full((3, 3), np.inf),
        np.eye(3) + 0j,
        1.0,
        "Sigma",
        [[1.0], [2.0, 3.0]],
    ],
    ids=["shape", "skew", "negative", "zero", "NaN", "infinite", "complex", "scalar", "text", "ragged"],
)
def test_bad_starts_are_named(bad):
    with pytest.raises(ValueError, match="start"):
        alpha(start=bad)


def test_anything_but_a_network_is_refused():
    for net in ("cnn", None, 30):
        with pytest.raises(ValueError, match="net"):
            alpha(net=net)


@pytest.mark.parametrize(
    "bad",
    [X[:, :1], X[:, :, :2], X[:, 0], changed(X, np.nan), X + 0j, "x", [[[1.0]], [[2.0, 3.0]]]],
    ids=["patches", "pixels", "axes", "NaN", "complex", "text", "ragged"],
)
def test_bad_test_inputs_are_named(bad):
    with pytest.raises(ValueError, match="X_test"):
        solve(NET, X, Y, NOISE).predict(bad)


class Elsewhere:
    """An array that NumPy may not have, as those of other libraries on other devices."""

    def __array__(self, *_, **__):
        raise RuntimeError("this tensor tracks gradients")


def masked(array):
    """The first entry hidden, with a number under the mask that is no data."""
    hidden = np.zeros(np.shape(array), dtype=bool)
    hidden.flat[0] = True
    array = np.array(array)
    array.flat[0] = 999.0
    return np.ma.array(array, mask=hidden)


def test_what_is_under_a_mask_is_no_data():
    sol = solve(NET, X, Y, NOISE)
    for name, call in {
        "X": lambda: solve(NET, masked(X), Y, NOISE),
        "X ": lambda: solve(NET, list(masked(X)), Y, NOISE),
        "y": lambda: solve(NET, X, masked(Y), NOISE),
        "noise_variance": lambda: solve(NET, X, Y, masked(np.full(10, NOISE))),
        "noise_variance ": lambda: solve(NET, X, Y, np.ma.masked),
        "X_test": lambda: sol.predict(masked(X)),
        "y_test": lambda: sol.alpha_test(X, masked(Y)),
        "Sigma": lambda: from_sigma(NET, X, Y, masked(np.eye(3)), NOISE),
        "start": lambda: solve(NET, X, Y, NOISE, start=masked(np.eye(3))),
        "widths": lambda: solve_path(NET, X, Y, NOISE, widths=masked([30.0, 40.0])),
        "weight_variance": lambda: cnn(30, masked([2.0])),
    }.items():
        with pytest.raises(ValueError, match=rf"{name.strip()} has 1 masked entry.*{name.strip()}\.filled"):
            call()


def test_a_mask_that_hides_nothing_does_not_matter():
    noise = np.ma.array(np.full(10, NOISE), mask=np.zeros(10, dtype=bool))
    assert alpha(np.ma.array(X), np.ma.array(Y), noise) == ALPHA


def test_sparse_matrices_are_to_be_made_dense():
    with pytest.raises(ValueError, match=r"X is a sparse matrix.*X\.toarray\(\)"):
        solve(fcn(30), scipy.sparse.csr_array(X[:, 0]), Y, NOISE)
    with pytest.raises(ValueError, match=r"y is a sparse matrix"):
        alpha(y=scipy.sparse.csc_matrix(Y[:, None]))
    with pytest.raises(ValueError, match=r"noise_variance is a sparse matrix"):
        alpha(noise_variance=scipy.sparse.csr_array(Y[None]))


def test_tables_of_floats_are_arrays_and_others_are_told_how():
    pandas = pytest.importorskip("pandas")
    table, column = pandas.DataFrame(X[:, 0]), pandas.Series(Y)
    expected = solve(fcn(30), X[:, 0], Y, NOISE).alpha
    assert solve(fcn(30), table, column, NOISE).alpha == expected
    assert solve(fcn(30), table.astype("Float64").to_numpy(float), column, NOISE).alpha == expected
    for kind in ("Float64", object):
        with pytest.raises(ValueError, match=r"X is a table.*X\.to_numpy\(float\)"):
            solve(fcn(30), table.astype(kind), column, NOISE)


def test_an_array_that_numpy_may_not_have_is_named():
    with pytest.raises(ValueError, match=r"X does not turn into a NumPy array \(this tensor tracks"):
        alpha(X=Elsewhere())


def test_ragged_noise_is_named():
    with pytest.raises(ValueError, match="noise_variance is ragged"):
        alpha(noise_variance=[[1.0], [2.0, 3.0]])


def test_extended_precision_beyond_doubles_is_refused_without_a_warning():
    with pytest.raises(ValueError, match="X contains NaN or infinite"):
        alpha(X.astype(np.longdouble) * np.longdouble("1e4000"))


@pytest.mark.parametrize(
    "net",
    [fcn(30), fcn((30, 20)), fcn((30, 20), activation="relu"), fcn(30, activation="gelu")],
    ids=["two layers", "three", "with means", "a series"],
)
@pytest.mark.parametrize("outputs", [1, 2])
def test_no_test_inputs_give_empty_arrays(net, outputs):
    y = Y if outputs == 1 else np.column_stack([Y, Y**2])
    sol = solve(net, X[:, 0], y, NOISE)
    none, shape = X[:0, 0], (0,) if outputs == 1 else (0, 2)
    assert sol.predict(none).shape == shape
    for noise in (False, True):
        mean, std = sol.predict(none, return_std=True, include_noise=noise)
        assert mean.shape == std.shape == shape
        mean, covariance = sol.predict(none, return_cov=True, include_noise=noise)
        assert mean.shape == shape
        assert covariance.shape == (0, 0)
    assert sol.sample_y(none, 4).shape == (*shape, 4)
    for kernels in sol.kernels_at(none):
        assert kernels.K_cross.shape == (0, 10)
        assert kernels.K.shape == (0, 0)
    with pytest.raises(ValueError, match="y_test is empty"):
        sol.alpha_test(none, y[:0])


def test_shapes_are_those_that_were_given():
    with pytest.raises(ValueError, match=r"X has shape \(0, 3\)"):
        solve(fcn(30), X[:0, 0], Y[:0], NOISE)
    sol = solve(fcn(30), X[:, 0], Y, NOISE)
    with pytest.raises(ValueError, match=r"X_test has \(2,\) per sample.* have \(3,\)"):
        sol.predict(X[:0, 0, :2])
    with pytest.raises(ValueError, match=r"X_test has \(2, 2\) per sample.* have \(2, 3\)"):
        solve(NET, X, Y, NOISE).predict(X[:, :, :2])


SAME_VALUES = {
    "list": (X.tolist(), list(Y)),
    "column": (X, Y[:, None]),
    "Fortran order": (np.asfortranarray(X), Y),
    "strided": (np.repeat(X, 2, axis=2)[:, :, ::2], np.repeat(Y, 3)[::3]),
    "reversed views": (X[::-1].copy()[::-1], Y[::-1].copy()[::-1]),
    "transposed view": (np.ascontiguousarray(X.transpose(2, 0, 1)).transpose(1, 2, 0), Y),
    "extended precision": (X.astype(np.longdouble), Y.astype(np.longdouble)),
    "big endian": (X.astype(">f8"), Y.astype(">f8")),
}


@pytest.mark.parametrize("same", SAME_VALUES.values(), ids=SAME_VALUES)
def test_layout_and_container_do_not_matter(same):
    assert alpha(*same) == ALPHA


def test_read_only_arrays_are_read():
    locked, targets = X.copy(), Y.copy()
    locked.flags.writeable = targets.flags.writeable = False
    assert alpha(locked, targets) == ALPHA
    assert solve(NET, locked, targets, NOISE).predict(locked).shape == (10,)


def test_bytes_are_no_widths():
    with pytest.raises(ValueError, match="widths=b'40'"):
        fcn(b"40")


def test_variances_may_be_an_array_as_widths_may():
    assert fcn((3, 4), np.array([2.0, 1.0])) == fcn(np.array([3, 4]), (2.0, 1.0))


def test_numbers_may_be_numpy_scalars():
    assert alpha(noise_variance=np.float64(NOISE), max_iter=np.int32(100), net=cnn(np.int64(30))) == ALPHA
    assert alpha(noise_variance=np.array(NOISE)) == ALPHA


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_single_and_half_precision_are_widened_before_anything_is_computed(kind):
    low, targets = X.astype(kind), Y.astype(kind)
    assert alpha(low, targets) == alpha(low.astype(float), targets.astype(float))


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint16, bool])
def test_integers_and_booleans_are_numbers(kind):
    counts = np.random.default_rng(0).integers(0, 3, X.shape).astype(kind)
    labels = (np.arange(10) % 2).astype(kind)
    assert alpha(counts, labels) == alpha(counts.astype(float), labels.astype(float))


def test_smallest_problems():
    for shape in ((1, 2, 3), (10, 1, 3), (10, 2, 1), (1, 1, 1), (2, 1, 1)):
        part = X[: shape[0], : shape[1], : shape[2]]
        assert alpha(part, Y[: shape[0]]) > 0


def test_constant_targets_and_duplicated_samples_work():
    assert alpha(y=np.ones(10)) > 0
    assert alpha(np.concatenate([X, X]), np.concatenate([Y, Y])) > 0
    assert alpha(np.concatenate([X, X]), np.concatenate([Y, -Y])) > 0
    assert alpha(np.repeat(X[:1], 10, axis=0)) > 0
    assert alpha(0 * X) == pytest.approx(1 / NOISE)  # nothing to learn from: f = 0


def test_extreme_scales_work():
    # noise far below the kernel: its ratio to the kernel enters alpha at first order only
    assert alpha(noise_variance=1e-14) == pytest.approx(alpha(noise_variance=1e-10), rel=1e-6)
    # saturated units, sign(h); rounding of u next to 1 is worth 1e-8
    assert alpha(X * 1e6) == pytest.approx(alpha(X * 1e7), rel=1e-4)
    assert alpha(X * 1e-200) == pytest.approx(1 / NOISE)
    assert alpha(noise_variance=1e300) == pytest.approx(1e-300)


def test_data_that_overflow_are_refused_with_a_remedy():
    for scale in (1e150, 1e200, 1e308 / np.abs(X).max()):
        with pytest.raises(ValueError, match=r"\bX\b.*rescale"):
            alpha(X * scale)


def test_contradictory_duplicates_without_noise_name_the_noise():
    twice, opposed = np.concatenate([X, X]), np.concatenate([Y, -Y])
    for noise in (1e-14, 1e-300):
        with pytest.raises((ValueError, ConvergenceError), match="noise_variance"):
            alpha(twice, opposed, noise)


def test_stalling_at_rounding_does_not_spend_the_whole_budget():
    # nothing below 1e-16 can be reached, and smaller steps in 1/C cannot change that
    sol = solve(NET, X, Y, NOISE, tol=1e-30, max_iter=1000, raise_on_failure=False)
    assert sol.status is Status.ROUNDING
    assert sol.residual < 1e-13
    assert sol.gradients < 100


@pytest.mark.parametrize("name", ["n", "n_patches", "patch_size"])
@pytest.mark.parametrize("bad", [*BAD_NUMBERS.values(), 2.5, math.inf], ids=[*BAD_NUMBERS, "fraction", "inf"])
def test_bad_sizes_of_a_data_set_are_named(name, bad):
    sizes = {"n": 3, "n_patches": 2, "patch_size": 2}
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        datasets.make_linear_cnn(**{**sizes, name: bad})
