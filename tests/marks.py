"""Marks of tests that CI leaves out."""

from __future__ import annotations

import os

import pytest

LONG = pytest.mark.skipif("DYN_LONG" not in os.environ, reason="takes many minutes: DYN_LONG=1 asks for it")
