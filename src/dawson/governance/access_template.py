"""The access policy as a file to fill in: every entry explained for people who do not program."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from dawson.errors import GovernanceError
from dawson.files import write_text
from dawson.governance.access import access_path
from dawson.governance.permission import Action
from dawson.governance.scopes import PURPOSES


def policy_template(country: str, account: str) -> str:
    """An access policy to fill in, with every entry explained.

    Parameters
    ----------
    country : str
        ISO 3166 code of the study's country, or empty.
    account : str
        Who becomes its first data manager.
    """
    actions = ", ".join(f'"{action}"' for action in get_args(Action))
    return _TEMPLATE.format(country=country, account=account.replace('"', ""), actions=actions, purposes=", ".join(PURPOSES))


_TEMPLATE = """\
# Access policy of this study: who may do what with its data. Lines that begin with # are explanations, or examples that do not count yet.
# A person who is not named here may do nothing once the list of people below has an entry. What a participant agreed to is a different
# matter: it is asked for each participant at every use, whatever stands here.

# 1. Countries ---------------------------------------------------------------------------------------------------------------------------
# home: where the study is. alike: countries to which data may go without the participant's consent to transfer to third countries, for
# example those of the European Economic Area. Every other country is a third country. Codes are those of ISO 3166.
[countries]
home = "{country}"
alike = []
# alike = ["AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT", "LU", "LV",
#          "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"]

# 2. Roles -------------------------------------------------------------------------------------------------------------------------------
# Known acts: {actions}.
# govern: recording consent, carrying out withdrawals, bringing in clinical data.
[roles.data-manager]
may = [{actions}]

[roles.researcher]
may = ["select", "train", "predict", "analyse"]

[roles.annotator]
may = ["annotate"]

# 3. People of the study -----------------------------------------------------------------------------------------------------------------
# name: the account on the machine where Dawson runs. until: the last day of access; may be left out.
[[people]]
name = "{account}"
role = "data-manager"

# 4. Agreements with recipients outside --------------------------------------------------------------------------------------------------
# Without a valid agreement nothing is exported to anybody. An agreement holds on both of its days, signed and expires.
# Known purposes: {purposes}.
#
# [[agreements]]
# id = "2026-01"
# recipient = "Dr. A. Example"
# institution = "University of Example"
# country = "DE"
# people = ["b.example@example.org"]              # who else may act under it
# actions = ["export"]
# purposes = ["disease-research"]
# diseases = ["MS", "NMOSD"]                      # leave out: any disease
# commercial = false
# public = false                                  # true: the recipient may show the data to everybody
# where = ""                                      # part of the study, such as "site == 'A'"; empty: all
# accepts = ["IRB"]                               # duties by their DUO abbreviation: IRB, PUB, COL, MOR, RTN
# signed = 2026-01-31
# expires = 2028-01-31
# document_sha256 = ""                            # of the signed paper: sha256sum agreement.pdf
"""


def write_policy_template(study: Path | str, country: str, account: str) -> Path:
    """Write `policy_template` as the study's policy.

    Raises
    ------
    GovernanceError
        There is a policy already.
    """
    path = access_path(study)
    if path.exists():
        raise GovernanceError(f"There is an access policy already: {path}.", "Edit it; it is not overwritten.")
    write_text(path, policy_template(country, account))
    return path
