"""The secrets of an installation: made once, kept by the operator, handed to the processes as files."""
