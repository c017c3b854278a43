"""What ``peers.py`` runs: cases, a process for each library, tables and a chart.

``cases`` holds the work and its checks, ``tasks`` what a library is asked to do, each
``<library>_contenders`` how that library does it, ``process`` the process that a library runs in,
``run`` the whole run, ``tables`` and ``chart`` its results.
"""
