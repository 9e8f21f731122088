"""What the doctor notices, and that it changes nothing."""

import os
from pathlib import Path

import pytest

from orchestration import doctor, instance
from orchestration.doctor import Finding, Setup
from warehouse.home import Home
from warehouse.identifiers import identifier_key
from warehouse.lock import RunLock


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    for variable in (*instance.environment(tmp_path), "KEEPRATE_NOTIFY_URLS", "KEEPRATE_IDENTIFIER_KEY"):
        monkeypatch.setenv(variable, "")
    home = Home(tmp_path / "home")
    home.prepare()
    return Setup(home.root, home.landing, tmp_path / "business.yml")


def wrong(findings: list[Finding]) -> list[str]:
    """The findings that are not as they should be; each says what to do."""
    bad = [finding for finding in findings if not finding.ok]
    assert all(finding.advice for finding in bad)
    return [finding.what for finding in bad]


def test_a_fresh_home_is_healthy(setup: Setup) -> None:
    instance.prepare(setup.home)
    checks = [check for check in doctor.CHECKS if check is not doctor.check_rules]
    assert wrong([finding for check in checks for finding in check(setup)]) == []


def test_looking_changes_nothing(tmp_path: Path, setup: Setup) -> None:
    absent = Setup(tmp_path / "absent", tmp_path / "absent" / "landing", setup.config)
    assert wrong(list(doctor.examine(absent)))
    assert not absent.home.exists()


def test_a_check_that_breaks_is_a_finding(setup: Setup) -> None:
    setup.home.joinpath("pinned").write_text("nonsense", encoding="utf-8")
    setup.home.joinpath("current").symlink_to("releases/none")
    assert any("check of release broke" in line for line in wrong(list(doctor.examine(setup))))


def test_a_lock_that_is_held_names_the_process_and_is_no_fault(setup: Setup) -> None:
    with RunLock(Home(setup.home)):
        (finding,) = doctor.check_lock(setup)
    assert finding.ok
    assert f"process {os.getpid()}" in finding.what


def test_settings_that_differ_from_the_projects_are_noticed(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    instance.prepare(setup.home)
    (setup.home / "dagster" / "dagster.yaml").write_text("nux: {enabled: true}\n", encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", "/srv/elsewhere")
    differs, elsewhere = wrong(list(doctor.check_settings(setup)))
    assert "differs from" in differs
    assert "/srv/elsewhere" in elsewhere


def test_folders_open_to_other_accounts_are_noticed(setup: Setup) -> None:
    (setup.home / "raw").chmod(0o755)
    lists = setup.home / "current" / "restricted" / "lists"
    lists.mkdir(parents=True)
    lists.parent.chmod(0o750)
    lists.chmod(0o750)
    file = lists / "churn_alert.csv"
    file.touch()
    file.chmod(0o644)
    raw, opened = wrong(list(doctor.check_permissions(setup)))
    assert "raw is open to other accounts (0755)" in raw
    assert "churn_alert.csv is open to other accounts (0644)" in opened


def test_a_secret_that_others_can_read_is_noticed(setup: Setup) -> None:
    key = Home(setup.home).identifier_key
    identifier_key(Home(setup.home))
    assert wrong(list(doctor.check_permissions(setup))) == []
    key.chmod(0o640)
    (line,) = wrong(list(doctor.check_permissions(setup)))
    assert f"{key} is open to other accounts (0640)" in line


def test_a_secret_that_is_none_is_noticed_and_not_shown(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = doctor.check_identifier_key(setup)
    assert finding.ok
    assert "does not exist yet" in finding.what
    key = Home(setup.home).identifier_key
    assert not key.exists()

    identifier_key(Home(setup.home))
    (finding,) = doctor.check_identifier_key(setup)
    assert finding.ok
    assert str(key) in finding.what
    key.write_text("no key", encoding="utf-8")
    (line,) = wrong(list(doctor.check_identifier_key(setup)))
    assert f"The key in {key} is not 64 hexadecimal digits" in line

    monkeypatch.setenv("KEEPRATE_IDENTIFIER_KEY", "5e" * 32)
    (finding,) = doctor.check_identifier_key(setup)
    assert finding.ok
    assert "the environment variable KEEPRATE_IDENTIFIER_KEY" in finding.what
    monkeypatch.setenv("KEEPRATE_IDENTIFIER_KEY", "secret")
    (line,) = wrong(list(doctor.check_identifier_key(setup)))
    assert "KEEPRATE_IDENTIFIER_KEY is not 64 hexadecimal digits" in line
    assert "secret" not in line


def test_a_file_outside_of_a_source_is_noticed(setup: Setup) -> None:
    setup.landing.joinpath("orders.csv").touch()
    (line,) = wrong(list(doctor.check_landing(setup)))
    assert "orders.csv belongs to no source" in line


def test_unusable_addresses_are_noticed_without_being_shown(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPRATE_NOTIFY_URLS", "json://127.0.0.1/x carrierpigeon://secret")
    (line,) = wrong(list(doctor.check_notifications(setup)))
    assert "carrierpigeon" in line
    assert "secret" not in line


def test_unknown_time_zones_are_noticed() -> None:
    assert doctor.time_zone_finding("Asia/Shanghai").ok
    assert not doctor.time_zone_finding("Asia/Atlantis").ok
    assert not doctor.time_zone_finding("/etc/passwd").ok


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/export /srv nfs4 rw 0 0
/dev/sdb1 /srv/fast\\040disk xfs rw 0 0
tmpfs /srv/hidden tmpfs rw 0 0
overlay /srv/hidden overlay rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home", "ext4"),
        ("/srv/keeprate", "nfs4"),
        ("/srvx", "ext4"),
        ("/srv/fast disk/x", "xfs"),
        ("/srv/hidden", "overlay"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(folder: str, kind: str) -> None:
    assert doctor.file_system_type(Path(folder), MOUNTS) == kind


def test_a_home_on_a_network_file_system_is_refused(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/export {tmp_path.resolve()} nfs4 rw 0 0\n", encoding="utf-8")
    monkeypatch.setattr(doctor, "_MOUNTS", mounts)
    (line,) = wrong(list(doctor.check_folder(setup)))
    assert "network file system (nfs4)" in line


def test_a_lock_may_name_a_version_per_platform() -> None:
    lock = "numpy==2.4.6 ; python_version < '3.12' \\\n    --hash=sha256:ab\nNumpy==2.5.0\ndbt_core==1.11.16\n"
    assert doctor.locked_versions(lock) == {"numpy": {"2.4.6", "2.5.0"}, "dbt-core": {"1.11.16"}}
