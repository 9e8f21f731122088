"""The exports of the company's systems, one module per system.

Belongs here: what a system's files are called, their headers and cells, and which feeds they hold. Does not belong
here: bytes (``files.py``) and dirt in general (``dirt.py``).

Every module has the name of its folder in landing (``SOURCE``), the text of its ``source.yml`` or None (``SETTINGS``),
``sheets(con, ends_on)`` and ``identities(con)``.
"""

from demo.exports import (
    hubspot,
    jiandaoyun,
    kingdee,
    membership,
    salesforce,
    shopify,
    tencent_qidian,
    yonyou,
    zoho,
)

__all__ = ["SYSTEMS"]

SYSTEMS = (shopify, salesforce, hubspot, zoho, jiandaoyun, yonyou, kingdee, tencent_qidian, membership)
