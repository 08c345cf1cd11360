"""Errors and warnings of differentiation: DYN06xx."""

from __future__ import annotations

from dynlang.diag import Diagnostic, Warning


class ZeroGradient(Diagnostic):
    """Every gradient that was asked for is zero whatever the values are."""

    code = "DYN0611"


class ZeroLeaf(Warning):
    """One of several gradients is zero whatever the values are."""

    code = "DYN0612"


class SurrogateAgain(Diagnostic):
    """A second derivative through a rule that claims to be a surrogate only."""

    code = "DYN0613"


class NotDifferentiable(Diagnostic):
    """A derivative of something that has none: an effect, or a function that isn't pure."""

    code = "DYN0614"


class NonlinearRule(Diagnostic):
    """A rule's pullback that isn't linear in its cotangent, whatever the values are."""

    code = "DYN0615"
