"""Requests to a topic, and the declaration of interests (negotiation.md §7.4)."""

from __future__ import annotations

import re

from .errors import NegotiationError
from .packing import Fields, pack, unpack
from .statement import Extension, Header

INTERESTS = "/parley/interests/1"
TOPIC_EXTENSION = 16
MAX_TOPICS = 32
MAX_INTERESTS = 2_120

_TOPIC = re.compile(rb"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")


def is_topic(value: bytes) -> bool:
    return len(value) <= 64 and _TOPIC.fullmatch(value) is not None


def extension(topic: str | None) -> tuple[Extension, ...]:
    """The header extension of a request to this topic."""
    return () if topic is None else (Extension(TOPIC_EXTENSION, False, topic.encode()),)


def topic_of(header: Header) -> str | None:
    """The topic that a request names; nothing where it names none, or what it names is none."""
    for item in header.ext:
        if item.id == TOPIC_EXTENSION and is_topic(item.value):
            return item.value.decode()
    return None


def encode_interests(topics: list[str]) -> bytes:
    return pack([1, list(sorted(set(topics)))])


def decode_interests(message: bytes) -> list[str]:
    """The topics, or NegotiationError."""
    if len(message) > MAX_INTERESTS:
        raise NegotiationError("MALFORMED", "interests")
    fields = Fields(unpack(message), 2, "interests")
    fields.integer(1, 1)
    topics = fields.array(MAX_TOPICS)
    if not all(isinstance(topic, str) and is_topic(topic.encode()) for topic in topics):
        raise NegotiationError("MALFORMED", "topic")
    if any(a >= b for a, b in zip(topics, topics[1:], strict=False)):
        raise NegotiationError("MALFORMED", "topics are not ascending")
    return topics
