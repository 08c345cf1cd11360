"""What a running program reports: apart from the interpreters, so that a native run needs neither them nor NumPy."""

from __future__ import annotations

from dynlang.diag import Diagnostic


class RunError(Diagnostic):
    """A check that failed while the program ran."""

    code = "DYN0901"
