"""The HTTPS site of auth: what people see in a browser."""
