"""LSTM, Network, Stream and Sessions: thin classes over the C++ core."""
