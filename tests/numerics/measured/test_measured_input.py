"""What `measure` and `equations_from` take, and the sentence that refuses the rest."""

import numpy as np
import pytest
from scipy.special import erf

from numerics import Problem, cnn, equations_from, fcn, measure, sample, solve
from numerics.pixels import blocks

N, D, UNITS = 14, 5, 12
rng = np.random.default_rng(0)
X = rng.standard_normal((N, D))
W = rng.standard_normal((UNITS, D))
V = rng.standard_normal((UNITS, UNITS)) / 4
H1 = W @ X.T
H2 = V @ erf(H1)
NET = fcn((UNITS, UNITS))


class Tensor:
    """An array of another framework, by one of the two protocols."""

    def __init__(self, array, protocol):
        self.array = array
        if protocol == "dlpack":
            self.__dlpack__ = array.__dlpack__


class ByArray(Tensor):
    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)


class ByDlpack:
    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class NeedsDetach:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy()")


@pytest.mark.parametrize("wrap", [lambda a: ByArray(a, "array"), ByDlpack, np.float32, lambda a: a.tolist()])
def test_arrays_of_any_framework_are_taken(wrap):
    plain = measure(NET, X, [H1, H2])
    found = measure(NET, X, [wrap(H1), wrap(H2)], weights=wrap(W))
    np.testing.assert_allclose(found.pre_kernel(1).value, plain.pre_kernel(1).value, rtol=1e-5)
    np.testing.assert_allclose(found.Sigma, W.T @ W / UNITS, rtol=1e-5)


def test_pixels_are_the_last_axis_and_a_single_one_may_be_left_out():
    inputs = rng.standard_normal((9, 4, 3))
    w = rng.standard_normal((10, 3))
    h1 = np.einsum("us,nps->unp", w, inputs)
    v = rng.standard_normal((10, 10, 2)) / 4
    seen = erf(h1).reshape(10, 9, 2, 2)
    h2 = np.einsum("vui,unji->vnj", v, seen)
    net = cnn((10, 10), windows=(2,))
    assert np.array_equal(blocks(4, 2).windows, [[0, 1], [2, 3]])
    m = measure(net, inputs, [h1, h2])
    flat = h2.transpose(0, 2, 1).reshape(10, -1)  # (pixel, sample), the sample fastest
    np.testing.assert_allclose(m.pre_kernel(1).value, flat.T @ flat / 10, atol=1e-12)
    flat = h1.transpose(0, 2, 1).reshape(10, -1)
    np.testing.assert_allclose(m.pre_kernel(0).value, flat.T @ flat / 10, atol=1e-10)
    Q = 2.0 / 20 * np.einsum("unji,umki->jnkm", seen, seen).reshape(18, 18)
    np.testing.assert_allclose(m.post_kernel(1).value, Q, atol=1e-12)
    again = measure(NET, X, [H1[..., None], H2[None, ..., None]])
    np.testing.assert_array_equal(again.Q_f, measure(NET, X, [H1, H2]).Q_f)


def shuffled(h):
    return h[:, ::-1]


BAD = {
    "wrong order of axes": ([H1.T, H2], r"activations\[0\] has shape \(14, 12\).*transpose\(1, 0\)"),
    "wrong order of stacked axes": (
        [np.stack([H1] * 3, axis=2), np.stack([H2] * 3)],
        r"activations\[0\] .*transpose\(2, 0, 1\)",
    ),
    "other widths": ([H1[:9], H2], r"activations\[0\] has shape \(9, 14\).*units are the network's widths"),
    "one layer missing": ([H1], "activations must be a list .* 2 of them"),
    "no list": (H1, "activations must be a list"),
    "other numbers of networks": ([np.stack([H1] * 2), H2], "activations hold 2, 1 networks"),
    "NaN": ([H1, np.where(H2 > 1, np.nan, H2)], r"activations\[1\] contains NaN"),
    "infinite": ([np.full_like(H1, np.inf), H2], r"activations\[0\] contains NaN or infinite"),
    "text": ([np.full(H1.shape, "a"), H2], r"activations\[0\] has dtype"),
    "constant": ([np.ones_like(H1), H2], r"activations\[0\] does not depend on the inputs"),
    "dead units": ([H1, np.zeros_like(H2)], r"activations\[1\] does not depend on the inputs"),
    "after the activation": (
        [erf(H1), erf(H2)],
        r"activations\[0\] is not linear in X .* what enters the act",
    ),
    "after the second activation": (
        [H1, erf(H2)],
        r"activations\[1\] is not linear in erf\(activations\[0\]\)",
    ),
    "samples in another order": ([shuffled(H1), H2], r"activations\[0\] is not linear in X"),
    "a bias that the net has not": ([H1 + 1.0, H2], r"activations\[0\] is not linear in X .*bias_variance"),
    "needs a gradient": ([NeedsDetach(), H2], r"activations\[0\] does not turn into .*detach"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_activations_are_refused_in_one_sentence(name):
    activations, sentence = BAD[name]
    with pytest.raises(ValueError, match=sentence) as refused:
        measure(fcn((12, 12)), X, activations)
    text = str(refused.value)
    assert "\n" not in text
    assert not text.endswith(".")


def test_a_square_array_the_wrong_way_round_is_found_out():
    """As many units as samples: the shape does not say, but the layer is not linear in X."""
    w = rng.standard_normal((N, D))
    measure(fcn(N), X, [w @ X.T])
    with pytest.raises(ValueError, match="is not linear in X"):
        measure(fcn(N), X, [(w @ X.T).T])


def test_another_activation_is_found_out():
    with pytest.raises(ValueError, match=r"not linear in tanh\(activations\[0\]\)"):
        measure(fcn((UNITS, UNITS), activation="tanh"), X, [H1, H2])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            (fcn(3), X, [H1[:3]]),
            r"activations\[0\] has 3 units of 1 network: at least 8 .* stack more networks",
        ),
        ((NET, X[:9], [H1, H2]), r"activations\[0\] has shape"),
        ((NET, X[:0], [H1, H2]), "X is empty"),
        ((NET, X * 0, [H1, H2]), "X is zero everywhere"),
        ((NET, X), "X and activations are needed"),
        (("erf", X, [H1, H2]), "net is a str"),
        ((fcn((12.5, 12)), X, [H1, H2]), "width 12.5; give the whole numbers"),
        ((fcn((np.inf, 12)), X, [H1, H2]), "width inf"),
        ((NET, X, [H1, H2], W.T), r"weights has shape \(5, 12\), but \(units, features\) = \(12, 5\)"),
        ((NET, X, [H1, H2], W[::-1]), "not linear in X times weights"),
        ((NET, X, [H1, H2], W * np.nan), "weights contains NaN"),
    ],
)
def test_other_bad_arguments_are_refused_in_one_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        measure(*arguments)
    assert "\n" not in str(refused.value)


def test_Sigma_needs_weights_where_X_does_not_tell_them_apart():
    inputs = rng.standard_normal((3, 5))
    m = measure(fcn(UNITS), inputs, [W @ inputs.T])
    with pytest.raises(ValueError, match="X tells 3 of the 5 input weights apart; give weights="):
        m.Sigma  # noqa: B018
    np.testing.assert_allclose(measure(fcn(UNITS), inputs, [W @ inputs.T], W).Sigma, W.T @ W / UNITS)
    with pytest.raises(ValueError, match="a part that X does not see"):
        m.projections(rng.standard_normal(5), 0)
    predicted = equations_from(m, fcn(UNITS), inputs, rng.standard_normal(3), 0.1)
    assert predicted.Sigma.shape == (5, 5)


def test_columns_of_zeros_are_no_obstacle():
    """As of images: weights that no input sees keep their prior."""
    inputs = np.concatenate([X, np.zeros((N, 2))], axis=1)
    y = np.tanh(X[:, 0])
    wide = measure(fcn(UNITS), inputs, [H1])
    plain = measure(fcn(UNITS, 2.0 * 5 / 7), X, [H1])
    predicted = equations_from(wide, fcn(UNITS), inputs, y, 0.1)
    narrow = equations_from(plain, fcn(UNITS, 2.0 * 5 / 7), X, y, 0.1)
    np.testing.assert_allclose(predicted.Sigma[:5, :5], narrow.Sigma, atol=1e-10)
    np.testing.assert_allclose(predicted.Sigma[5:, 5:], 2 / 7 * np.eye(2), atol=1e-12)


def test_equations_want_what_was_measured():
    m = measure(NET, X, [H1, H2])
    y = np.tanh(X[:, 0])
    with pytest.raises(ValueError, match="X is not what the kernels were measured at"):
        equations_from(m, NET, X + 1, y, 0.1)
    with pytest.raises(ValueError, match="net is not the network that was measured"):
        equations_from(m, fcn((UNITS, UNITS), 1.0), X, y, 0.1)
    with pytest.raises(ValueError, match="theory='cavity' is unknown"):
        equations_from(m, NET, X, y, 0.1, theory="cavity")
    with pytest.raises(ValueError, match="post_kernels='ours' is unknown"):
        equations_from(m, NET, X, y, 0.1, post_kernels="ours")
    with pytest.raises(ValueError, match="name='K7' is unknown"):
        equations_from(m, NET, X, y, 0.1)["K7"]


def test_samples_of_no_data_are_refused():
    prior = sample(fcn(20), X[:0], X[:0, 0], 0.1, draws=4, chains=1)
    with pytest.raises(ValueError, match="without inputs have no kernels"):
        measure(prior)


def test_a_solution_has_kernels_but_no_units():
    m = measure(solve(fcn(20), X, np.tanh(X[:, 0]), 0.1))
    with pytest.raises(ValueError, match="which has no units"):
        m.projections(np.ones(D), 0)
    with pytest.raises(ValueError, match="at infinite width there is nothing to learn"):
        measure(solve(fcn(np.inf), X, np.tanh(X[:, 0]), 0.1))
    with pytest.raises(ValueError, match="have their own X"):
        measure(solve(fcn(20), Problem(fcn(20), X, np.tanh(X[:, 0]), 0.1).X, np.tanh(X[:, 0]), 0.1), X)
    assert "exact" in str(m)
