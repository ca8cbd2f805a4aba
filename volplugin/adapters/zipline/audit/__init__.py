"""The look-ahead audit: a strategy run again on prices whose future was replaced must decide the same.

1. The strategy runs on the bundle (`recorder`), and what it decided, read and loaded is written down.
2. It runs on a copy of the bundle with nothing replaced: what differs there is chance, not the future.
3. It runs on copies whose prices are others from a chosen session on (`scramble`, `copies`). Whatever was
   decided before that session, or in its morning, must be the same (`decisions`).
4. What new prices cannot expose is checked apart: trained models by when they are asked (`models`) and by their
   data (`proof`), and files, network and programs by being noticed (`watch`).

What no audit of this kind finds: hindsight in the code itself, such as a list of stocks that did well; a decision
that used the future on sessions that no cut lies behind, and nowhere else; a manifest that was forged.
"""

from volplugin.adapters.zipline.audit.audit import Audit, audit_strategy
from volplugin.adapters.zipline.audit.verdict import AuditReport, audit_text

__all__ = ["Audit", "AuditReport", "audit_strategy", "audit_text"]
