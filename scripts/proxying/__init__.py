"""What `try_proxies.py` is made of."""
