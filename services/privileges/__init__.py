"""Who may do what: flags per asset, asked, given, taken and remembered."""
