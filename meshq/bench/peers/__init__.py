"""Brokers that meshq is compared with: how each is started, and how it is spoken to.

Clients of these brokers in Python spend more on a message than the brokers do, so their protocols are spoken here by
as little code as will do: requests are built once and written as they are, answers are counted in the bytes that come,
and parsed only where an identifier must be sent back. Whatever this leaves out makes the peer faster.
"""
