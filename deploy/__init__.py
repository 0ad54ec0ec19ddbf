"""How the platform is put onto machines: one machine, containers, clusters; and the operator's command line."""
