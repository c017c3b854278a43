"""What ``time_to_accuracy.py`` runs: settings, a process for each training, tables and a chart.

``task`` is the work, each ``<library>_trainers`` how a library does it, ``trainers`` their list;
``checks`` compares them with float64 first, ``race`` holds the clock, ``process`` the process of a
training, ``settings`` the grid, ``run`` the whole run, ``results`` and ``chart`` what comes out.
"""
