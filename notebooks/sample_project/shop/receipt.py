"""What a customer gets at the end."""

from shop.cart import Cart
from shop.money import as_text


def receipt(cart: Cart) -> str:
    """Return one line for each item, and the total."""
    # TODO: align the prices
    lines = [f"{item.count} x {item.name}: {as_text(item.price)}" for item in cart.items]
    return "\n".join([*lines, f"total: {as_text(cart.total())}"])
