"""Marks of tests that CI leaves out."""

from __future__ import annotations

import os

import pytest

ASKED = "DYN_LONG" in os.environ
"""Whether all is to be tried that can be, however long it takes."""

LONG = pytest.mark.skipif(not ASKED, reason="takes many minutes: DYN_LONG=1 asks for it")
