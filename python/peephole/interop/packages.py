"""Imports of packages that are not installed with peephole."""

from peephole._packages import needed as needed
