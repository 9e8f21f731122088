"""A hand-made shop, one night of it, and a witness of every attempt to reach a network."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
RULES = PROJECT / "examples" / "online_retail" / "business.yml"

# Python runs a module of this name before anything else, in the process that is started and in all it starts.
WITNESS = """
import json, os, sys

LOG = os.environ["WITNESS_LOG"]
LOOKUPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}


def note(*what):
    with open(LOG, "a", encoding="utf-8") as log:
        log.write(json.dumps([str(each) for each in what]) + "\\n")


def witness(event, arguments):
    if event in LOOKUPS:
        note(event, *arguments)
    # Sockets between processes of this machine have a file name for an address.
    elif event in {"socket.connect", "socket.sendto", "socket.sendmsg"} and isinstance(arguments[1], tuple):
        note(event, arguments[1])


sys.addaudithook(witness)
note("watching", os.getpid())
"""


@dataclass(frozen=True)
class Witness:
    """Starts processes of this project and remembers what they tried to reach."""

    folder: Path

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the project's environment; ``python`` is this interpreter."""
        log = self.folder / "network.jsonl"
        log.unlink(missing_ok=True)
        program, *rest = arguments
        path = sys.executable if program == "python" else str(Path(sys.executable).parent / program)
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("KEEPRATE_", "DAGSTER_"))
        }
        return subprocess.run(
            [path, *rest],
            env=inherited | environment | {"PYTHONPATH": str(self.folder), "WITNESS_LOG": str(log)},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def attempts(self) -> list[list[str]]:
        """What the last command tried to reach; fails if nobody watched."""
        noted = [json.loads(line) for line in (self.folder / "network.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [each for each in noted if each[0] == "watching"], "the process was not watched"
        return [each for each in noted if each[0] != "watching"]


@pytest.fixture(scope="session")
def witness(tmp_path_factory) -> Witness:
    folder = tmp_path_factory.mktemp("witness")
    (folder / "sitecustomize.py").write_text(WITNESS, encoding="utf-8")
    return Witness(folder)


@pytest.fixture(scope="session")
def shanghai_rules(tmp_path_factory) -> Path:
    """The example's rules for a shop in Shanghai that counts in CNY."""
    text = RULES.read_text(encoding="utf-8")
    for old, new in (("time_zone: Europe/London", "time_zone: Asia/Shanghai"), ("currency: GBP", "currency: CNY")):
        assert old in text
        text = text.replace(old, new)
    file = tmp_path_factory.mktemp("rules") / "business.yml"
    file.write_text(text, encoding="utf-8")
    return file


CUSTOMERS = """\
source_customer_id,name,email,phone,country,created_at,updated_at,is_deleted
C1,李雷,lilei@example.com,+8613800138000,CN,2024-01-05 09:00:00,2024-01-05 09:00:00,
C2,Ann Former,ann@example.com,,GB,2024-01-06,2024-01-06,
C2,Ann Present,ann@example.com,,FR,2024-01-06,2024-03-01,
C3,"=cmd|' /C calc'!A0",bob@example.com,,DE,2024-01-07,2024-01-07,
C4,Never Bought,never@example.com,,US,2024-02-01,2024-02-01,
C5,Gone Away,gone@example.com,,US,2024-02-01,2024-02-01,true
,No Number,nonumber@example.com,,US,2024-02-01,2024-02-01,
"""
ORDERS = """\
order_id,source_customer_id,ordered_at,status,kind,original_order_id,currency,net_amount,cost_amount
O1,C1,2024-02-28 23:30:00,completed,sale,,CNY,100.00,60.00
O1,C1,2024-02-28 23:30:00,completed,sale,,CNY,100.00,60.00
O2,C1,2024-02-29 10:00:00,paid,sale,,USD,50.00,
R2,C1,2024-03-05 09:00:00,completed,,O2,USD,-50.00,
O4,C2,2024-02-29,completed,sale,,CNY,200.00,
R4,C2,2024-03-10 12:00:00,completed,refund,O4,CNY,-50.00,
O6,C9,2024-03-11 12:00:00,completed,sale,,CNY,70.00,
O7,C2,2024-03-12 12:00:00,on fire,sale,,CNY,90.00,
O8,,2024-03-13 12:00:00,shipped,sale,,CNY,80.00,
O9,C3,2024-03-31 23:30:00,,,,EUR,10.00,
O10,C3,2024-03-31T16:30:00Z,completed,sale,,CNY,1000.00,
O11,C3,31st of May,completed,sale,,CNY,11.00,
O12,C3,2024-03-14 12:00:00,completed,sale,,CNY,eleven,
,C3,2024-03-14 12:00:00,completed,sale,,CNY,11.00,
1.23E+10,C3,2024-03-14 12:00:00,completed,sale,,CNY,11.00,
O13,C1,2024-03-15 12:00:00,cancelled,sale,,CNY,500.00,
,,,,,,,,
O14,C2,2024-03-20 12:00:00,completed,sale,,USD,25.00,
O15,,2024-03-21 12:00:00,completed,sale,,USD,15000000000.00,
"""
ORDER_LINES = """\
order_id,line_no,product_id,description,quantity,unit_price,net_amount
O1,1,P1,茶,2,30.00,60.00
O1,2,P2,杯子,1,40.00,
O4,1,P1,茶,4,50.00,200.00
O6,1,P1,of an orphan,1,70.00,70.00
O13,1,P1,cancelled,1,500.00,500.00
O99,1,P1,of no document,1,5.00,5.00
O10,1,P1,of tomorrow,1,1000.00,1000.00
O8,1,P1,illegible,two,40.00,80.00
O15,1,P1,pallets,15000000,1000.00,
"""
FX_RATES = """\
currency,on,rate
USD,2024-01-01,7.10
USD,2024-02-29,7.20
USD,2024-03-20,7.00
EUR,2024-03-01,8.00
"""


@dataclass(frozen=True)
class GenericNight:
    """A home after one night of the hand-made shop, run as a command of its own."""

    home: Path
    rules: Path
    process: subprocess.CompletedProcess[str]
    attempts: list[list[str]]


@pytest.fixture(scope="session")
def generic_night(tmp_path_factory, witness, deliver, shanghai_rules) -> GenericNight:
    home = tmp_path_factory.mktemp("generic") / "home"
    deliver(home, "source.yml", b"system: generic\n", "shop")
    for feed, text in {
        "customers": CUSTOMERS,
        "orders": ORDERS,
        "order_lines": ORDER_LINES,
        "fx_rates": FX_RATES,
    }.items():
        deliver(home, f"{feed}.csv", text.encode(), "shop")
    process = witness.run(
        "keeprate", "run", "--home", str(home), "--config", str(shanghai_rules), "--as-of", "2024-03-31"
    )
    return GenericNight(home, shanghai_rules, process, witness.attempts())
