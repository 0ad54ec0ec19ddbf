"""Alerts: raised in the transaction of what they tell of, told through the channels of a project."""
