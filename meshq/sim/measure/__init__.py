"""Measures of membership, in virtual time: how soon, how wrongly, at what cost; ours beside what it is compared with.

    cell       what befalls a mesh in one run, as a value       ailments   what ails nodes and ways meanwhile
    plays      the courses that a run can take                  watch      who was accused, and whether wrongly
    figure     a number of many runs, and its goal              table      rows of cells and figures, played and judged
    detection, accuracy, convergence, heal, load, reference     the rows of each measure
    plots      a page of curves

A run is one seed of one cell under one profile, with real packets and their encoding; nothing here is tuned by what is
measured.
"""
