"""Plausible bugs, planted one at a time into the real code, to show that the simulator's checkers can see.

    python -m tests.simulations.mutations                   every bug, and the table in docs/simulation.md
    python -m tests.simulations.mutations NAME --report     one bug, with the whole story of the run that found it

A bug is a function in one of the files beside this, named and described by what goes wrong: it is given the right
code and returns the wrong one, and calls ``strike`` where the wrong one departs from the right one, so that a bug that
was not found is known to have been there. A second paragraph says what makes it harmless, where that is known.
"""
