"""Who may join: the four doors, the proof each one asks for, and the few sentences that a refused client can see."""
