"""Other rules tried on the hand-made shop's night: who would move, and nothing is touched."""

import hashlib
from pathlib import Path

from orchestration import trials
from rules import load

TIER = "pct(clv_net_margin_basis) >= 0.80 and orders_365d >= 3"


def digests(home: Path) -> dict[str, str]:
    """What a trial must leave as it was: the tables, and everything published."""
    kept = [home / "build" / "warehouse.duckdb", *(home / "releases").rglob("*"), *(home / "history").rglob("*")]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in kept if file.is_file()}


def test_a_preview_tells_who_moves_and_touches_nothing(generic_night, tmp_path):
    assert generic_night.process.returncode == 0, generic_night.process.stdout + generic_night.process.stderr
    text = generic_night.rules.read_text(encoding="utf-8")
    assert text.count(TIER) == 1
    edited = tmp_path / "business.yml"
    edited.write_text(text.replace(TIER, TIER.replace(">= 3", ">= 2")), encoding="utf-8")
    before = digests(generic_night.home)

    told = trials.preview(generic_night.home, load(edited))

    # Margins are 40 of C1, 30 percent of 325 of C2 and 24 of C3, so the cut at 80 percent is 40 + 0.6 × 57.50 = 74.50.
    # C2 has bought twice, on two of the 90 days.
    (moved,) = told.moved("tier")
    assert (moved.before, moved.after, moved.customers) == ("potential", "high_value", 1)
    assert (moved.net_revenue_365d, moved.gross_margin_365d) == (325, 97.5)
    assert [axis for axis in told.axes if told.moved(axis) and axis not in ("tier", "display_layer", "tag_value")] == []
    assert digests(generic_night.home) == before
    assert list((generic_night.home / "work").iterdir()) == []
