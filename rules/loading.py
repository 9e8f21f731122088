"""Reading ``config/business.yml`` into checked rules.

Here belongs the order of the steps only: YAML in ``rules/document.py``, shape in ``rules/schema.py``, what
lies between fields in ``rules/checks.py``, sentences in ``rules/wording.py``.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from rules.checks import Finding, cross_checks
from rules.decisions import read_decisions
from rules.document import Document, read_document
from rules.errors import Problem, RulesError
from rules.manual_tags import read_manual_tags
from rules.schema import Rules
from rules.wording import shape_findings


def load(path: Path) -> Rules:
    """Read and check a rules file.

    Parameters
    ----------
    path : Path
        A YAML file that is complete in itself.

    Returns
    -------
    Rules
        Immutable and wholly checked, the conditions of lists included.

    Raises
    ------
    RulesError
        If the file, or one that it names, cannot be read or breaks a rule; names every problem with its
        line and what to do.
    """
    document = read_document(path)
    if not isinstance(document.value, dict):
        message = "must consist of sections such as business and churn; start from config/business.yml"
        raise RulesError([Problem(path, 1, message)])
    try:
        # By way of JSON, since strict reading of Python values refuses a list where a tuple is declared.
        rules = Rules.model_validate_json(json.dumps(document.value))
    except ValidationError as error:
        raise _error(path, document, shape_findings(error)) from None
    if findings := cross_checks(rules):
        raise _error(path, document, findings)
    if rules.identity.decisions is not None:
        rules = rules.deciding(read_decisions(path.parent / rules.identity.decisions))
    if rules.manual_tags is not None:
        rules = rules.tagging(read_manual_tags(path.parent / rules.manual_tags))
    return rules


def keep(path: Path, rules: Rules, folder: Path) -> Path:
    """Copy a rules file, and the files beside it that it names, to where they stay as they are now.

    Parameters
    ----------
    path : Path
        The file that `rules` were loaded from.
    folder : Path
        A new folder.

    Returns
    -------
    Path
        The copy: it can be loaded as `path` can.
    """
    folder.mkdir(parents=True)
    for name in (path.name, rules.identity.decisions, rules.manual_tags):
        # What lies elsewhere stays there: the copy would name another place.
        if name is not None and Path(name).name == name:
            shutil.copyfile(path.parent / name, folder / name)
    return folder / path.name


def _error(path: Path, document: Document, findings: Iterable[Finding]) -> RulesError:
    return RulesError(
        Problem(path, document.line(location), f"{document.name(location)} {clause}") for location, clause in findings
    )
