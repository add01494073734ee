"""Prices in whole cents."""


def as_text(cents: int) -> str:
    """Return an amount for people: ``12.50``."""
    # TODO: negative amounts (refunds) come out wrong
    return f"{cents // 100}.{cents % 100:02d}"
