"""Puts the tools' and the nested tests' modules in reach of these tests."""

import os
import sys

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
for folder in ("tools", "tests/nested"):
    path = os.path.join(PROJECT, folder)
    if path not in sys.path:
        sys.path.insert(0, path)
