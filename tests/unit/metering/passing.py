"""Chunks as the relay hands them to a stream's meter."""

from posthouse.metering.meter import Meter


def passed(meter: Meter, chunk: bytes) -> bytes | None:
    """What the shape of earlier events shows of this chunk; None where it does not take it."""
    shape, shown = meter.shape, list[bytes]()
    if shape is None:
        return None
    shape.write = shown.append
    taken = shape.take(chunk)
    assert taken == bool(shown)
    return shown[0] if taken else None
