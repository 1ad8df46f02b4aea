"""LSTM, Network and Stream: thin classes over the C++ core."""
