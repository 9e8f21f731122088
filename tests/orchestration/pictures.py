"""The pages of Dagster that the documentation shows, opened and waited for.

``python tests/orchestration/pictures.py http://127.0.0.1:3000 docs/images`` takes the pictures from a running
``keeprate dev`` whose home has published 2011-12-09; ``test_dev.py`` opens the same pages in every long test.
"""

import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 1800, 900
#: The groups whose assets are shown one by one; the others stay closed, so that the picture can be read.
OPEN_GROUPS = ("identity", "predictions", "release")
#: Some of every open group.
ASSETS = ("components", "btyd_states", "churn_scores", "lists", "current")


def show_asset_graph(page: Any, address: str) -> None:
    """Open the lineage of all assets, from top to bottom, with nothing beside it."""
    # Settings belong to an address: they can be left once a page of it is open.
    page.open(f"{address}/server_info")
    page.wait_for("location.pathname === '/server_info'")
    page.evaluate("localStorage.setItem('asset-graph-direction', JSON.stringify('vertical'))")
    groups = ",".join(f"global@global:{group}" for group in OPEN_GROUPS)
    page.open(f"{address}/asset-groups?expanded={groups}")
    hide = "[...document.querySelectorAll('*')].filter(each => each.innerText === 'Hide navigation').at(-1)"
    page.wait_for(f"Boolean({hide})")
    page.evaluate(f"{hide}.click()")
    page.wait_for(f"!{hide}")
    # The graph fits itself into the space there is once, when it is drawn.
    page.evaluate("location.reload()")
    names = json.dumps(ASSETS)
    page.wait_for(f"{names}.every(name => document.body.innerText.split('\\n').includes(name))")


def show_predictions(page: Any, address: str, day: str) -> None:
    """Open what the asset of the predictions says of one day, with the plot of the churn probability."""
    link = "[...document.querySelectorAll('*')].filter(each => each.innerText === '[Show Markdown]').at(-1)"
    page.open(f"{address}/assets/predictions/churn_scores?view=partitions&partition={day}")
    page.wait_for(f"Boolean({link})")
    page.evaluate(f"{link}.click()")
    page.wait_for("[...document.images].some(each => each.src.startsWith('data:image/png') && each.naturalWidth > 100)")


def smaller(png: bytes) -> bytes:
    """Return a picture with few colours, which is all that a user interface needs."""
    from PIL import Image

    packed = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256).save(packed, "PNG", optimize=True)
    return packed.getvalue()


def main(address: str, folder: Path) -> None:
    """Take every picture."""
    from browser import open_browser

    with (
        tempfile.TemporaryDirectory() as folder_of_profile,
        open_browser(Path(folder_of_profile) / "profile", width=WIDTH, height=HEIGHT) as page,
    ):
        show_asset_graph(page, address)
        page.settle()
        (folder / "asset_graph.png").write_bytes(smaller(page.picture()))
        show_predictions(page, address, "2011-12-09")
        page.settle()
        (folder / "predictions.png").write_bytes(smaller(page.picture()))


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), Path(sys.argv[2]))
