"""Quantized models: their times beside other engines in reduced precision, and their errors."""
