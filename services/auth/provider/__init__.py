"""The OpenID provider: Authlib decides, from facts that were gathered before; what it decided is written after.

Authlib knows nothing of asyncio or of transactions. So each exchange is one transaction in three steps: what the
request names is read and locked (`facts`), Authlib decides without any input or output (`engine`), and its decisions
are written (`exchange`).
"""
