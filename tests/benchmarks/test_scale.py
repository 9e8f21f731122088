"""A company of two million order lines: the night is compared with itself, never with a clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.scale import measure_scale


@pytest.mark.slow
def test_two_million_order_lines_make_the_same_marts_by_duckdb_alone_and_when_everything_is_built_anew(
    tmp_path: Path,
) -> None:
    scale = measure_scale(tmp_path, 100_000)
    assert scale.order_lines > 2_000_000
    assert scale.marts > 60
    assert sum(scale.delivered.values()) > scale.order_lines * 0.004
    assert (scale.unlike_floor, scale.unlike_again) == ([], [])
