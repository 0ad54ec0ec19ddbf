"""Remote access: the edge that devices dial out to, and the ways through it."""
