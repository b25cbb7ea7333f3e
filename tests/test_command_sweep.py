"""`feature-eos sweep`: a problem file at every point of a grid."""

from pathlib import Path

import numpy as np
import pytest

from feature_eos.cli import main
from numerics import cnn, datasets, solve_path

xarray = pytest.importorskip("xarray")
pytest.importorskip("zarr")
EXAMPLE = Path(__file__).parent.parent / "examples" / "sweep.toml"


def written(tmp_path, *changes):
    text = EXAMPLE.read_text().replace("../out/", "")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "sweep.toml"
    file.write_text(text)
    return file


def test_the_example(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    file = written(tmp_path)
    assert main(["sweep", str(file)]) == 0
    printed = capsys.readouterr()
    assert printed.out == "6 tasks done, 0 failed\n"
    assert printed.err.startswith("6 tasks into ")
    with xarray.open_zarr(tmp_path / "phase.zarr", chunks=None) as found:
        alpha = found["alpha"].sel(n=100, theory="finite_fan_in").values
    data = datasets.make_linear_cnn(100, 4, 8)
    path = solve_path(cnn(80), data.X, data.y, 0.1, widths=[640, 160, 40], theory="finite_fan_in")
    np.testing.assert_array_equal(alpha, path.alpha)
    assert (tmp_path / "phase.png").stat().st_size > 10_000
    assert main(["sweep", str(file)]) == 0  # nothing is left to do


def test_failures_are_counted_with_their_reasons(tmp_path, capsys):
    file = written(tmp_path, ("data.n = [50, 100, 200]", "data.n = [50, -3]"), ('plot = "phase.png"', ""))
    assert main(["sweep", str(file)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "2 tasks done, 2 failed"
    assert printed[1].startswith("2 x ValueError: ")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[sweep.grid]", "[grid]", "unknown key 'grid' in the file"),
        ("data.n = [50, 100, 200]", "data.n = 50", "data.n in [sweep.grid] must be a list of values"),
        (
            "data.n = [50, 100, 200]",
            "dat.n = [50]",
            "unknown key 'dat' in [sweep.grid]; did you mean 'data'?",
        ),
        ("data.n = [50, 100, 200]", "widths = [50]", "unknown key 'widths' in [sweep.grid]"),
        ('store = "phase.zarr"', "", "store is missing in [sweep]"),
        ('path = "channels"', 'pat = "channels"', "unknown key 'pat' in [sweep]; did you mean 'path'?"),
        ('"alpha", ', '"alfa", ', "'alfa' is no quantity"),
    ],
)
def test_mistakes_are_one_sentence(old, new, said, tmp_path, capsys):
    assert main(["sweep", str(written(tmp_path, (old, new)))]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in line
    assert not (tmp_path / "phase.zarr").exists()


def test_a_file_that_is_not_there(capsys):
    assert main(["sweep", "nowhere.toml"]) == 2
    assert capsys.readouterr().err == "feature-eos sweep: nowhere.toml: no such file\n"
