"""`keeprate demo`: what it writes, and where it does not."""

from pathlib import Path

from typer.testing import CliRunner

from orchestration.cli import Exit, app


def test_a_demo_is_a_home_with_exports_and_the_truth_about_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = CliRunner().invoke(app, ["demo", str(home), "--customers", "30", "--seed", "4"])
    assert done.exit_code == Exit.DONE, done.output
    assert {entry.name for entry in home.iterdir()} == {"landing", "truth"}
    assert "shopify" in done.output
    said = (home / "truth" / "README.md").read_text(encoding="utf-8")
    lying_there = {entry.name for entry in (home / "truth").iterdir()} - {"README.md"}
    assert all(f"`{name}" in said for name in lying_there), "the README explains everything beside it"
    again = CliRunner().invoke(app, ["demo", str(home), "--customers", "20"])
    assert again.exit_code == Exit.DONE, again.output


def test_exports_that_are_no_demo_are_left_alone(tmp_path: Path) -> None:
    export = tmp_path / "landing" / "shopify" / "orders_export_1.csv"
    export.parent.mkdir(parents=True)
    export.write_text("Name\n")
    done = CliRunner().invoke(app, ["demo", str(tmp_path)])
    assert done.exit_code == Exit.MISUSE
    assert "no demo's" in done.output
    assert export.read_text() == "Name\n"
