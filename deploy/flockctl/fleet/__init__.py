"""A fleet as a file: what it says, what there is, and the steps from one to the other."""
