"""Data sets: functions of their seed, with the sizes and the teacher they promise."""

from importlib.util import find_spec

import numpy as np
import pytest
from deep_problems import reference_cnn, reference_fcn
from mutants import breaks
from scipy.special import erf

from numerics import datasets

needs_images = pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn is not installed")


def test_training_data_do_not_depend_on_the_number_of_test_points():
    sets = [datasets.make_linear_cnn(n=30, n_patches=3, patch_size=4, n_test=m) for m in (0, 1, 50)]
    for data, m in zip(sets, (0, 1, 50), strict=True):
        for name in ("X", "y", "a_star", "w_star"):
            np.testing.assert_array_equal(getattr(data, name), getattr(sets[0], name))
        assert data.X.shape == (30, 3, 4)
        assert data.X_test.shape == (m, 3, 4)
        assert data.y_test.shape == (m,)
    np.testing.assert_array_equal(sets[2].X_test[:1], sets[1].X_test)


def test_targets_are_the_linear_teacher_s():
    data = datasets.make_linear_cnn(n=5, n_patches=3, patch_size=4, seed=2, n_test=5)
    for X, y in ((data.X, data.y), (data.X_test, data.y_test)):
        by_hand = [sum(data.a_star[i] * (data.w_star @ x[i]) for i in range(3)) for x in X]
        np.testing.assert_allclose(y, by_hand, rtol=1e-12)
    assert np.linalg.norm(data.a_star) == pytest.approx(1, rel=1e-15)
    assert np.linalg.norm(data.w_star) == pytest.approx(1, rel=1e-15)


def test_seeds_differ_and_repeat():
    first, again, other = (datasets.make_linear_cnn(5, 2, 3, seed=s).X for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@needs_images
def test_digits_sizes_labels_and_balance():
    data = datasets.load_digits(n=600, n_test=300)
    assert data.X.shape == (600, 4, 16)
    assert data.X_test.shape == (300, 4, 16)
    for y in (data.y, data.y_test):
        assert set(np.unique(y)) == {-1.0, 1.0}
        # 906 of the 1797 are odd; three standard deviations of the mean of 300 draws are .16
        assert abs(np.mean(y)) < 0.16
    assert datasets.load_digits(n=600).X_test.shape == (1197, 4, 16)


@needs_images
def test_digits_for_training_and_test_are_disjoint_and_depend_on_the_seed():
    data = datasets.load_digits(n=900, n_test=897)
    rows = np.concatenate([data.X, data.X_test]).reshape(1797, -1)
    assert len(np.unique(rows, axis=0)) == 1797
    assert not np.array_equal(data.X, datasets.load_digits(n=900, seed=1).X)
    np.testing.assert_array_equal(data.X, datasets.load_digits(n=900, n_test=3).X)


@needs_images
def test_digits_patches_are_quarters_of_the_image_scaled_by_the_training_set():
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    data = datasets.load_digits(n=1797)
    # the first image of the permutation, quarter by quarter; every image is in the training set here
    image = images.reshape(-1, 8, 8)
    centred = (image - image.mean(axis=0)) / np.sqrt(np.mean((image - image.mean(axis=0)) ** 2))
    quarters = [centred[:, r : r + 4, c : c + 4].reshape(-1, 16) for r in (0, 4) for c in (0, 4)]
    expected = np.stack(quarters, axis=1)
    where = np.argmin(np.abs(expected - data.X[0]).sum(axis=(1, 2)))
    np.testing.assert_allclose(data.X[0], expected[where], atol=1e-12)
    assert data.y[0] == (1 if labels[where] % 2 else -1)
    assert np.mean(np.sum(data.X**2, axis=2)) == pytest.approx(16, rel=1e-12)


@needs_images
@pytest.mark.parametrize("sizes", [{"n": 1798}, {"n": 0}, {"n": 1000, "n_test": 1000}], ids=repr)
def test_more_digits_than_there_are_is_refused(sizes):
    with pytest.raises(ValueError, match=r"\bn\b"):
        datasets.load_digits(**sizes)


@needs_images
def test_one_digit_cannot_be_centred_and_scaled():
    with pytest.raises(ValueError, match=r"\bn\b"):
        datasets.load_digits(n=1)


@pytest.mark.parametrize("seed", [-1, 1.5, "0"], ids=repr)
def test_bad_seeds_are_named(seed):
    with pytest.raises(ValueError, match="seed"):
        datasets.make_linear_cnn(n=10, seed=seed)


@needs_images
@pytest.mark.parametrize("seed", [-1, 1.5, "0"], ids=repr)
def test_bad_seeds_of_digits_are_named(seed):
    with pytest.raises(ValueError, match="seed"):
        datasets.load_digits(n=10, seed=seed)


def test_the_cnn_teacher_reproduces_the_recipe_of_the_three_layer_reference():
    X, y = reference_cnn()
    data = datasets.make_cnn_teacher(n=100, n_pixels=2, window=6, patch_size=10, seed=7)
    np.testing.assert_array_equal(data.X, X)
    np.testing.assert_allclose(data.y, y, rtol=1e-13)


def test_the_fcn_teacher_of_given_strength_reproduces_the_recipe_of_the_reference():
    X, y, w = reference_fcn()
    data = datasets.make_fcn_teacher(n=128, d=16, seed=3, rms=0.3, n_test=50)
    np.testing.assert_array_equal(data.X, X)
    np.testing.assert_allclose(data.y, y, rtol=1e-13)
    np.testing.assert_allclose(data.w_star, w, rtol=1e-13)
    np.testing.assert_allclose(data.v_star, [1.0])
    np.testing.assert_allclose(data.y_test, data.a_star[0] * erf(erf(data.X_test @ w)), rtol=1e-13)


@breaks(
    "numerics/datasets/teachers.py",
    "reshape(-1, pixels, slots)",
    "reshape(-1, slots, pixels).swapaxes(1, 2)",
    "windows and latent pixels change places",
)
def test_the_cnn_teacher_s_targets_by_hand():
    data = datasets.make_cnn_teacher(n=3, n_pixels=2, window=4, patch_size=5, seed=1, n_test=2)
    assert (data.w_star.shape, data.v_star.shape, data.a_star.shape) == ((5,), (4,), (2,))
    for X, y in ((data.X, data.y), (data.X_test, data.y_test)):
        for x, target in zip(X, y, strict=True):
            hidden = [
                sum(data.v_star[i] * erf(data.w_star @ x[i + 4 * j]) for i in range(4)) for j in range(2)
            ]
            assert target == pytest.approx(sum(data.a_star[j] * erf(hidden[j]) for j in range(2)), rel=1e-12)


TEACHERS = {
    "fcn": (datasets.make_fcn_teacher, {"n": 6, "d": 4}, (4, 1, 1)),
    "cnn": (datasets.make_cnn_teacher, {"n": 6, "n_pixels": 2, "window": 3, "patch_size": 4}, (4, 3, 2)),
}


@pytest.mark.parametrize("kind", TEACHERS)
def test_one_teacher_labels_several_draws_that_do_not_depend_on_the_test_set(kind):
    make, sizes, _ = TEACHERS[kind]
    first, other, longer = (
        make(**sizes, seed=seed, teacher_seed=5, n_test=m) for seed, m in ((0, 0), (1, 0), (0, 7))
    )
    for name in ("w_star", "v_star", "a_star"):
        np.testing.assert_array_equal(getattr(first, name), getattr(other, name))
    assert not np.array_equal(first.X, other.X)
    np.testing.assert_array_equal(first.X, longer.X)
    np.testing.assert_array_equal(first.y, longer.y)
    assert longer.X_test.shape == (7, *first.X.shape[1:])


@breaks(
    "numerics/datasets/teachers.py",
    "least=0), 1])",
    "least=0)])",
    "a teacher made of the first inputs",
    case="fcn",
)
@pytest.mark.parametrize("kind", TEACHERS)
def test_a_teacher_of_the_data_s_seed_is_not_made_of_the_data(kind):
    make, sizes, _ = TEACHERS[kind]
    data = make(**sizes, seed=3, teacher_seed=3)
    inputs = data.X.reshape(-1, 4)
    cosine = inputs @ data.w_star / np.linalg.norm(inputs, axis=1) / np.linalg.norm(data.w_star)
    assert np.abs(cosine).max() < 1 - 1e-3


@pytest.mark.parametrize("kind", TEACHERS)
def test_teachers_have_the_student_s_variances(kind):
    make, sizes, fan_ins = TEACHERS[kind]
    draws = [make(**sizes, seed=s, weight_variance=1.5, readout_variance=3.0) for s in range(400)]
    for name, fan_in, variance in zip(("w_star", "v_star", "a_star"), fan_ins, (1.5, 1.5, 3.0), strict=True):
        norm2 = np.array([np.sum(getattr(d, name) ** 2) for d in draws])
        # |w|^2 is sigma^2/fan_in times a chi^2 of fan_in degrees of freedom; four standard errors
        assert norm2.mean() == pytest.approx(variance, abs=4 * variance * np.sqrt(2 / fan_in / 400))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"n": 0}, "n"), ({"teacher_seed": -1}, "teacher_seed"), ({"weight_variance": 0}, "weight_variance")],
)
@pytest.mark.parametrize("kind", TEACHERS)
def test_bad_teachers_are_named(kind, arguments, name):
    make, sizes, _ = TEACHERS[kind]
    with pytest.raises(ValueError, match=rf"^{name}="):
        make(**(sizes | arguments))
    with pytest.raises(ValueError, match="rms="):
        datasets.make_fcn_teacher(rms=0.0)
