"""The demo of `python -m peephole demo`: who is speaking?"""
