"""The days that a night looks back on."""

from datetime import date, timedelta
from pathlib import Path

from warehouse.home import Home
from warehouse.states import DAYS_KEPT, MONTHS_KEPT, grid_days, published_states, thin_states


def home_with_nights(root: Path, *days: date) -> Home:
    home = Home(root)
    home.states.mkdir(parents=True)
    for day in days:
        home.state_file(day).touch()
    return home


def test_a_first_night_looks_back_on_the_month_ends_alone(tmp_path: Path) -> None:
    days = grid_days(home_with_nights(tmp_path), date(2024, 3, 31))
    assert len(days) == MONTHS_KEPT
    assert days[-2:] == [date(2024, 1, 31), date(2024, 2, 29)]
    assert days[0] == date(2022, 3, 31)
    assert all((day + timedelta(days=1)).day == 1 for day in days)


def test_recent_nights_are_kept_day_by_day_and_older_ones_by_month(tmp_path: Path) -> None:
    tonight = date(2024, 3, 15)
    recent, last_kept = date(2024, 3, 10), tonight - timedelta(days=DAYS_KEPT)
    gone = last_kept - timedelta(days=1)
    days = grid_days(home_with_nights(tmp_path, recent, last_kept, gone), tonight)
    assert {recent, last_kept} <= set(days)
    assert gone not in days
    assert date(2024, 2, 29) in days


def test_tonight_and_later_days_are_not_looked_back_on(tmp_path: Path) -> None:
    tonight = date(2024, 2, 29)
    home = home_with_nights(tmp_path, tonight, tonight + timedelta(days=1))
    assert max(grid_days(home, tonight)) == date(2024, 1, 31)


def test_what_was_published_is_found_for_the_days_of_the_grid(tmp_path: Path) -> None:
    home = home_with_nights(tmp_path, date(2024, 1, 31), date(2024, 3, 1), date(2023, 6, 6))
    assert published_states(home, date(2024, 3, 2)) == [
        home.state_file(date(2024, 1, 31)),
        home.state_file(date(2024, 3, 1)),
    ]


def test_old_days_are_thinned_to_month_ends(tmp_path: Path) -> None:
    tonight = date(2024, 3, 15)
    kept = [tonight - timedelta(days=DAYS_KEPT), date(2024, 1, 31), date(2020, 2, 29), tonight]
    gone = [tonight - timedelta(days=DAYS_KEPT + 1), date(2020, 2, 28)]
    home = home_with_nights(tmp_path, *kept, *gone)
    assert thin_states(home, tonight) == sorted(home.state_file(day) for day in gone)
    assert sorted(home.states.iterdir()) == sorted(home.state_file(day) for day in kept)
