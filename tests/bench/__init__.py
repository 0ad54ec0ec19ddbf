"""`make bench`: the platform's bars, each as a ratio to a reference in the same run. See `__main__`."""
