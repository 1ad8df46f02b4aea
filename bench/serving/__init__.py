"""A server of many sessions: steps per second, ours beside the same server over other engines."""
