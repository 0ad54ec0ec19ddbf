"""The stand-alone verifier of the audit log: one file, to be copied anywhere, that imports nothing of ours."""
