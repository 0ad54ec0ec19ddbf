"""Who may do what: the rule, what it reads, and how a service follows the changes of it."""
