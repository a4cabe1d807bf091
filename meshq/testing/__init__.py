"""What the tests of services need: the pytest plugin. The simulated mesh itself is ``meshq.sim``."""
