"""`python -m bench bits`: hashes of what random configurations compute, bit for bit.

Two versions of peephole with equal hashes give the same bits. Only the public Python interface is
used, and all draws depend on the seed alone, so that old and new versions can be compared.
"""
