"""Protocol sessions of a stream, as bytes in and frames out, for both ends.

Decides framing, the hello and its versions, the heartbeat and when a stream is dead. Leaves to
the engine and to clients what the frames mean.
"""
