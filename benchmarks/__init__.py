"""Side-by-side measurements of tmkd and other projects, one script a question; docs/results/speed.md has the results.

``make bench`` runs the short form, ``make bench SIZE=full`` the real one.
"""
