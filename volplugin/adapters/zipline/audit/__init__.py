"""The look-ahead audit: a strategy run again on prices whose future was replaced must decide the same.

1. The strategy runs on a copy of the bundle (`recorder`); its decisions, accesses and models are recorded.
2. It runs on a second copy: a difference there is chance, not the future.
3. It runs on copies whose prices differ from a chosen session on (`scramble`, `copies`). Each decision before
   that session's close, or in its morning, must be the same (`decisions`).
4. New prices cannot expose what does not depend on them, so it is checked apart: trained models by the dates at
   which they are used and by their data (`models`), and every file, network and process event of every run and
   thread (`watch`). Only what `trusted` lists is harmless; any other access, and any module that may read files
   unseen, makes the verdict "not auditable".

Each run has a process, a working directory and a ``ZIPLINE_ROOT`` of its own, and ends with the audit.

The audit cannot find hindsight in the code itself, such as a list of stocks that did well, or code that behaves
otherwise when it is audited; a use of the future on sessions without a cut behind them; a forged manifest; and
sabotage of the interpreter (``ctypes``, forged globals, replaced audit functions).
"""

from volplugin.adapters.zipline.audit.audit import Audit, audit_strategy
from volplugin.adapters.zipline.audit.verdict import AuditReport, audit_text

__all__ = ["Audit", "AuditReport", "audit_strategy", "audit_text"]
