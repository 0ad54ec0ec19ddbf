"""Accounts and every secret: who may join the bus, and the assertions by which services act for people."""
