"""Small copies of a figure of each notebook, for the cards of the landing page: `make thumbnails`.

Taken from the built site, so that they show what its pages show.
"""

import re
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
SITE = HERE / "_build"
FIGURES = {  # which of a page's figures
    "00_first_solve": 0,
    "02_two_layer_cnn": 0,
    "03_where_the_series_ends": 0,
    "04_three_layer_fcn": -1,
    "05_three_layer_cnn": -1,
    "06_sampled_networks": 0,
    "07_fig2_sampled_fcn": 0,
    "08_fig45_sampled_cnn": 0,
    "09_fig6_digits": 0,
    "10_your_own_network": 0,
}
WIDTH, COLOURS = 600, 64

for name, position in FIGURES.items():
    page = (SITE / "notebooks" / f"{name}.html").read_text()
    source = re.findall(r'src="\.\./(_images/[^"]+\.png)"', page)[position]
    with Image.open(SITE / source) as image:
        small = image.convert("RGB").resize((WIDTH, round(WIDTH * image.height / image.width)), Image.LANCZOS)
    target = HERE / "img" / f"{name}.png"
    small.quantize(COLOURS).save(target, optimize=True)
    print(f"{target.relative_to(HERE.parent)}: {target.stat().st_size} bytes")
