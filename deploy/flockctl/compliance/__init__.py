"""Which controls of which frameworks this installation shows to be met: nothing is claimed that cannot be seen."""
