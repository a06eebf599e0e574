"""A second implementation of Parley's node protocol, written from the protocol pages and not from the Swift code.

It exists to catch what one reading of a page hides: if the Swift node and this one agree on every byte, the page says
what both do. It is a test peer: state is in memory, and one negotiation at a time is enough.
"""
