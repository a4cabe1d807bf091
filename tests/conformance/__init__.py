"""One suite for every driver: what a machine may rely on, on real sockets and in the simulator alike."""
