"""Readers of files that others wrote, fed with what no one should write.

    PYTHONPATH=tests python -m kit.fuzz --inputs 100000

More than half of the inputs are valid files with something changed. A reader may accept an input, and what it made of
it is then looked at, or refuse it by one of the package's named errors. Whatever else it raises, warnings included, is
a crash: it is printed with the smallest input found that causes it.
"""
